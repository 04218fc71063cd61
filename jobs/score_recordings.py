"""Score a folder of recordings with an adapter, on Ray Data.

    python jobs/score_recordings.py ADAPTER NIGHTS OUT [--actors 1] [--gpus-per-actor 0] [--set score.batch_size=32]

Writes a table, a JSON, a BIDS file and a figure for each night to OUT, and failures.csv. Started
again, it goes on with the nights that are not there yet.
"""

import csv
import io
from pathlib import Path
from typing import Annotated, Any

import ray.data
import typer
from rich.console import Console

from somnolens.config import ScoreSettings, read_settings
from somnolens.errors import describe_error
from somnolens.jobs.arguments import Config, Overrides, run_job
from somnolens.jobs.cluster import LOG_FILE, cluster, progress
from somnolens.model.adapter_card import read_card
from somnolens.model.registry import pin_adapter
from somnolens.read.cohorts import find_nights
from somnolens.read.night import Night
from somnolens.storage import write_bytes


def main(
    adapter: Annotated[str, typer.Argument(help="adapter folder, 'embedded', or REGISTRY#NAME")],
    nights: Annotated[Path, typer.Argument(help="folder of recordings")],
    out: Annotated[Path, typer.Argument(help="folder of the results")],
    actors: Annotated[int, typer.Option(min=1, help="models at work side by side")] = 1,
    gpus_per_actor: Annotated[float, typer.Option(min=0)] = 0,
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Score a folder of recordings with an adapter."""
    settings = read_settings(config, overrides)
    read_card(adapter)
    found = find_nights(nights, settings.dataset.cohort, settings.read.channels)
    with cluster(out / LOG_FILE, actors + 1) as console:
        failed = score(adapter, found, out, settings.score, console, actors, gpus_per_actor)
        console.print(f"{len(found) - failed} of {len(found)} nights are scored in {out}.")
        if failed:
            console.print(f"{failed} failed: see {out / 'failures.csv'}.")


def score(
    adapter: str,
    nights: list[Night],
    out: Path,
    settings: ScoreSettings,
    console: Console,
    actors: int = 1,
    gpus_per_actor: float = 0,
) -> int:
    """Score with a progress bar; return the number of nights that failed."""
    todo = [night for night in nights if not (out / f"{night.night}.json").is_file()]
    failures: list[dict[str, Any]] = []
    with progress(console, "Scoring nights", len(nights)) as advance:
        advance(len(nights) - len(todo), note="scored before")
        for row in _score_all(adapter, todo, out, settings, actors, gpus_per_actor):
            failures += [row] if row["error"] else []
            advance(note=f"{row['night']}: {row['error'] or 'scored'}")
    _write_failures(failures, out)
    return len(failures)


def _score_all(adapter, todo, out, settings, actors, gpus_per_actor):
    if not todo:
        return iter(())
    rows = ray.data.from_items([{"night": night} for night in todo], override_num_blocks=len(todo))
    scorer = rows.map(
        Scorer,
        fn_constructor_args=(pin_adapter(adapter), str(out.resolve()), settings.model_dump()),
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_gpus=gpus_per_actor or None,
    )
    return scorer.iter_rows()


class Scorer:
    """Holds an adapter; scores one recording a call and writes its files, or tells why not.

    What it needs for its model is imported where the model is: the job itself starts seconds earlier.
    """

    def __init__(self, adapter: str, out: str, settings: dict[str, Any]) -> None:
        from somnolens.score.engine import load_engine

        self.settings = ScoreSettings.model_validate(settings)
        self.engine = load_engine(adapter, self.settings.sequence_step)
        self.out = Path(out)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        from somnolens.report.night import write_night
        from somnolens.score.night import score_recording

        night = row["night"]
        try:
            batch_size, known = self.settings.batch_size, {"channels": night.channels, "leads": night.leads}
            scored = score_recording(night.recording_path, self.engine, batch_size, **known)
            write_night(scored, self.out, night.night)
        except Exception as error:
            kind, text = describe_error(error)
            return {"night": night.night, "kind": kind, "error": text}
        return {"night": night.night, "kind": "", "error": ""}


def _write_failures(failures: list[dict[str, Any]], out: Path) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["night", "kind", "error"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(failures)
    write_bytes(out / "failures.csv", text.getvalue().encode())


if __name__ == "__main__":
    run_job(main)

"""Score a folder of recordings with an adapter, on Ray Data.

    python jobs/score_recordings.py ADAPTER NIGHTS OUT [--reports] [--actors 1] [--gpus-per-actor 0]

Writes a table, a JSON, a BIDS file and a figure for each night to OUT, and failures.csv; with --reports also the
morning report with all its exports, to OUT/NIGHT. Started again, it goes on with the nights that are not there yet.
NIGHTS and OUT are folders, or places in an object store.
"""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import ray.data
import typer
from rich.console import Console

from somnolens.config import ScoreSettings, read_settings
from somnolens.errors import describe_error
from somnolens.importing import at_rest
from somnolens.jobs.arguments import Config, Overrides, place, run_job
from somnolens.jobs.cluster import LOG_FILE, cluster, progress
from somnolens.model.adapter_card import read_card
from somnolens.model.registry import pin_adapter
from somnolens.read.cohorts import find_nights
from somnolens.read.night import Night, bring_night
from somnolens.storage import list_names, settle, write_bytes


def main(
    adapter: Annotated[str, typer.Argument(help="adapter folder, 'embedded', or REGISTRY#NAME")],
    nights: Annotated[Path, place("folder of recordings")],
    out: Annotated[Path, place("folder of the results")],
    actors: Annotated[int, typer.Option(min=1, help="models at work side by side")] = 1,
    gpus_per_actor: Annotated[float, typer.Option(min=0)] = 0,
    reports: Annotated[bool, typer.Option("--reports", help="a morning report for each night, in OUT/NIGHT")] = False,
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Score a folder of recordings with an adapter."""
    settings = read_settings(config, overrides)
    read_card(adapter)
    found = find_nights(nights, settings.dataset.cohort, settings.read.channels)
    with cluster(out / LOG_FILE, actors + 1) as console:
        n_pictures = settings.report.n_pictures if reports else None
        failed = score(adapter, found, out, settings.score, console, actors, gpus_per_actor, n_pictures)
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
    n_pictures: int | None = None,
) -> int:
    """Score with a progress bar; return the number of nights that failed.

    With `n_pictures` each night gets its morning report, which shows so many epochs.
    """
    last = "{}.json" if n_pictures is None else "{}/report.html"
    there = set(list_names(out))
    todo = [night for night in nights if last.format(night.night) not in there]
    failures: list[dict[str, Any]] = []
    with progress(console, "Scoring nights", len(nights)) as advance:
        advance(len(nights) - len(todo), note="scored before")
        for row in _score_all(adapter, todo, out, settings, actors, gpus_per_actor, n_pictures):
            failures += [row] if row["error"] else []
            advance(note=f"{row['night']}: {row['error'] or 'scored'}")
    _write_failures(failures, out)
    return len(failures)


def _score_all(adapter, todo, out, settings, actors, gpus_per_actor, n_pictures):
    if not todo:
        return iter(())
    rows = ray.data.from_items([{"night": night} for night in todo], override_num_blocks=len(todo))
    scorer = rows.map(
        Scorer,
        fn_constructor_args=(pin_adapter(adapter), settle(out), settings.model_dump(), n_pictures),
        compute=ray.data.ActorPoolStrategy(size=min(actors, len(todo))),
        num_gpus=gpus_per_actor or None,
    )
    return scorer.iter_rows()


class Scorer:
    """Holds an adapter; scores one recording a call and writes its files, or tells why not.

    What it needs for its model is imported where the model is: the job itself starts seconds earlier.
    """

    def __init__(self, adapter: str, out: Path, settings: dict[str, Any], n_pictures: int | None = None) -> None:
        with at_rest():
            from somnolens.score.engine import load_engine

        self.settings = ScoreSettings.model_validate(settings)
        self.engine = load_engine(adapter, self.settings.sequence_step)
        self.adapter, self.out, self.n_pictures = adapter, out, n_pictures

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        night = row["night"]
        try:
            with bring_night(replace(night, scorings=())) as here:
                self._score(here)
        except Exception as error:
            kind, text = describe_error(error)
            return {"night": night.night, "kind": kind, "error": text}
        return {"night": night.night, "kind": "", "error": ""}

    def _score(self, night: Night) -> None:
        from somnolens.report.morning import look_at, make_report
        from somnolens.report.morning_files import write_morning_report
        from somnolens.report.night import write_night
        from somnolens.score.night import score_epochs

        seen = look_at(night.recording_path, self.engine.style, night.channels, night.leads)
        scored = score_epochs(seen.epochs, self.engine, self.settings.batch_size, start=seen.recording.start)
        write_night(scored, self.out, night.night)
        if self.n_pictures is not None:
            report = make_report(seen, scored, self.engine, self.adapter, n_pictures=self.n_pictures)
            write_morning_report(report, self.out / night.night)


def _write_failures(failures: list[dict[str, Any]], out: Path) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["night", "kind", "error"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(failures)
    write_bytes(out / "failures.csv", text.getvalue().encode())


if __name__ == "__main__":
    run_job(main)

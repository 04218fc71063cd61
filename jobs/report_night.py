"""Write the morning report of one night: a page, a PDF, and the stages in the formats of other programs.

python jobs/report_night.py NIGHT.edf [--hypnogram CORRECTED.csv] [--scored NIGHT.json] [--age 43] [--out FOLDER]
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from somnolens.config import Settings, read_settings
from somnolens.errors import MismatchedHypnogramError
from somnolens.hypnogram import Hypnogram
from somnolens.jobs.arguments import Config, Overrides, run_job
from somnolens.jobs.cluster import make_progress
from somnolens.read.json_scoring import read_json
from somnolens.read.recordings import read_facts
from somnolens.read.scoring import read_hypnogram
from somnolens.report.morning import MorningReport, Seen, count_reviews, look_at, make_report
from somnolens.report.morning_files import write_morning_report
from somnolens.score.engine import load_engine
from somnolens.score.night import ScoredNight, describe_reader, score_epochs
from somnolens.score.reader import NightReader, load_reader


def main(
    night: Annotated[Path, typer.Argument(help="EDF, EDF+ or BDF file")],
    hypnogram: Annotated[Path | None, typer.Option(help="the night corrected by a person")] = None,
    scored: Annotated[Path | None, typer.Option(help="JSON of the night scored before")] = None,
    age: Annotated[int | None, typer.Option(min=0, max=120, help="in years, for what is usual")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="folder of the report")] = None,
    adapter: Annotated[str, typer.Option(help="adapter folder, 'embedded', or REGISTRY#NAME")] = "embedded",
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Write the morning report of one night."""
    console, settings = Console(), read_settings(config, overrides)
    folder = out or Path("reports") / night.stem
    corrected = read_hypnogram(hypnogram, read_facts(night).start) if hypnogram else None
    made = report_night(night, adapter, settings, console, corrected, scored, age)
    write_morning_report(made, folder)
    _tell(console, made, folder)


def report_night(
    path: Path,
    adapter: str,
    settings: Settings,
    console: Console,
    corrected: Hypnogram | None = None,
    scored: Path | None = None,
    age: int | None = None,
) -> MorningReport:
    """Read, score and examine a night, with a bar for what takes long."""
    with console.status("Loading the model"):
        reader = load_reader(adapter) if scored else load_engine(adapter, settings.score.sequence_step)
    with console.status(f"Reading {escape(path.name)}"):
        seen = look_at(path, reader.style, settings.read.channels, start_s=corrected.start_s if corrected else 0.0)
    night = take_scored(seen, scored, reader) if scored else _score(seen, reader, settings, console)
    with console.status("Measuring the night"):
        return make_report(seen, night, reader, adapter, corrected, age, settings.report.n_pictures)


def take_scored(seen: Seen, path: Path, reader: NightReader) -> ScoredNight:
    """The night as it was scored before, beside its signals.

    Raises
    ------
    UnreadableHypnogramError
    MismatchedHypnogramError
        Where it is of other epochs than the recording's.
    """
    hypnogram, epochs = read_json(path), seen.epochs
    if len(hypnogram) != len(epochs) or abs(hypnogram.start_s - epochs.start_s) > 1e-6:
        raise MismatchedHypnogramError(
            f"{path.name} has {len(hypnogram)} epochs from {hypnogram.start_s:g} s, {epochs.night} has {len(epochs)} "
            f"from {epochs.start_s:g} s. Looked for the same epochs. Leave --scored out: the night is scored again."
        )
    notes = dict.fromkeys((*epochs.notes, *hypnogram.notes))
    derivations = dict(zip(epochs.derivations, epochs.sources, strict=True))
    named = replace(hypnogram, notes=tuple(notes))
    return ScoredNight(named, seen.recording.start, derivations, epochs.quality, describe_reader(reader))


def _score(seen: Seen, engine, settings: Settings, console: Console) -> ScoredNight:
    with make_progress(console) as bars:
        task = bars.add_task("Scoring", total=None, note="")

        def report(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        return score_epochs(seen.epochs, engine, settings.score.batch_size, report, seen.recording.start)


def _tell(console: Console, made: MorningReport, folder: Path) -> None:
    counts = ", ".join(f"{count} {what}" for what, count in count_reviews(made).items() if count)
    console.print(f"{len(made.sights)} of {len(made.hypnogram)} epochs to look at{': ' if counts else ''}{counts}.")
    if made.agreement:
        console.print(f"Corrected against {made.scorers[1]}: kappa {made.agreement.kappa:.3f}.", highlight=False)
    for text in made.missing:
        console.print(f"  [yellow]missing[/] {escape(text)}", highlight=False)
    console.print(f"Page, PDF and exports: {escape(str(folder))}.", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    run_job(main)

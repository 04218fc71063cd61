"""Why this stage? Explain epochs of one recording.

    somnolens explain NIGHT --epochs 120,300-305 [--stage N2] [--method signal|patches|attention|gradient] [--out DIR]

Writes a figure and a JSON for each epoch, and says the reasons.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from somnolens.aasm import STAGES
from somnolens.config import read_settings
from somnolens.errors import SettingsError
from somnolens.explain.epoch import explain_epochs, parse_epochs
from somnolens.explain.maps import METHODS
from somnolens.explain.night import explain_night
from somnolens.jobs.arguments import Config, Overrides, run_job
from somnolens.report.explanation import tell_explanation, write_explanation
from somnolens.score.engine import load_engine
from somnolens.score.night import read_epochs, score_epochs


def main(
    night: Annotated[Path, typer.Argument(help="EDF, EDF+ or BDF file")],
    epochs: Annotated[str, typer.Option(help="numbers and ranges, counted from 0, as in 120,300-305")],
    stage: Annotated[str | None, typer.Option(help="whose heat is drawn; else the one each epoch was given")] = None,
    method: Annotated[str, typer.Option(help=f"of {', '.join(METHODS)}")] = "signal",
    out: Annotated[Path, typer.Option(help="folder of the figures")] = Path("explained"),
    adapter: Annotated[str, typer.Option(help="adapter folder, 'embedded', or REGISTRY#NAME")] = "embedded",
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Explain epochs of one recording: heat over the picture, events found, reasons for and against the stage."""
    settings, console = read_settings(config, overrides), Console()
    check_choice("stage", stage or STAGES[0], STAGES)
    check_choice("method", method, METHODS)
    engine = load_engine(adapter, settings.score.sequence_step)
    signals, start = read_epochs(night, engine.style, settings.read.channels)
    chosen = parse_epochs(epochs, len(signals))
    with console.status(f"Scoring {len(signals):,} epochs and measuring them"):
        scored = score_epochs(signals, engine, settings.score.batch_size, start=start)
        evidence = explain_night(signals, scored.hypnogram)
    for one in explain_epochs(signals, scored, evidence, engine, chosen, method, stage):
        path = write_explanation(one, out, start)
        for line in tell_explanation(one):
            console.print(escape(line), highlight=False, soft_wrap=True)
        console.print(f"  [dim]{escape(str(path))}[/]", highlight=False, soft_wrap=True)
    console.print(
        f"In the whole night, rules and model disagree in {len(evidence.disagreements)} of {len(signals):,} epochs.",
        highlight=False,
    )


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Refuse a value that is none of the choices.

    Raises
    ------
    SettingsError
    """
    if value not in choices:
        raise SettingsError(f"--{name} {value} is not one of {', '.join(choices)}.")


if __name__ == "__main__":
    run_job(main)

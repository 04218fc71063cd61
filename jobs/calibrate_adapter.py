"""Fit the temperatures of an adapter's probabilities anew, on the validation subjects of a dataset.

    python jobs/calibrate_adapter.py ADAPTER DATASET [--split validation]

For an adapter that moves to another cohort. Its card is changed in place, its weights and stages are not. The profile
that the drift alarm of the service is held to, and the answers of its self-test, are written anew too.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from somnolens.dataset.manifest import open_dataset
from somnolens.jobs.arguments import run_job
from somnolens.jobs.cluster import progress
from somnolens.score.calibration import Calibration
from somnolens.score.fitting import calibrate_adapter


def main(
    adapter: Annotated[Path, typer.Argument(help="adapter folder")],
    dataset: Annotated[Path, typer.Argument(help="folder made by build_dataset.py")],
    split: Annotated[str, typer.Option(help="its subjects must not be those it will be measured on")] = "validation",
) -> None:
    """Fit the temperatures of an adapter's probabilities anew."""
    console, opened = Console(), open_dataset(dataset)
    with progress(console, f"Scoring the {split} nights", len(opened.nights(split))) as advance:
        card = calibrate_adapter(adapter, opened, split, lambda night: advance(note=night))
    fitted = Calibration.from_dict(card.calibration)
    console.print(
        f"Temperatures: {fitted.picture:.2f} for a picture by itself, {fitted.night:.2f} after the night-level step, "
        f"from {fitted.n_epochs:,} epochs of {fitted.n_subjects} subjects. Written into the card of {adapter}."
    )


if __name__ == "__main__":
    run_job(main)

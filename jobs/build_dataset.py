"""Render a folder of nights to a dataset.

    python jobs/build_dataset.py NIGHTS OUT [--config FILE] [--set section.key=value ...]

Started again after an interruption, it goes on with the nights that are not there yet.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from somnolens.config import Settings, read_settings
from somnolens.dataset.building import build_dataset
from somnolens.dataset.manifest import Dataset
from somnolens.dataset.rows import ShardReport
from somnolens.jobs.arguments import Config, Overrides, run_job
from somnolens.jobs.cluster import LOG_FILE, cluster, progress
from somnolens.read.cohorts import find_nights


def main(
    nights: Annotated[Path, typer.Argument(help="folder of recordings and scorings")],
    out: Annotated[Path, typer.Argument(help="folder of the dataset")],
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Render a folder of nights to a dataset."""
    settings = read_settings(config, overrides)
    with cluster(out / LOG_FILE) as console:
        dataset = build(nights, out, settings, console)
        console.print(describe(dataset))


def build(nights: Path, out: Path, settings: Settings, console: Console) -> Dataset:
    """Build with a progress bar."""
    found = find_nights(nights, settings.dataset.cohort, settings.read.channels)
    with progress(console, "Rendering nights", len(found)) as advance:

        def report(made: ShardReport) -> None:
            advance(note=f"{made.night}: {made.error or f'{made.n_epochs} epochs'}")

        return build_dataset(found, settings, out, report)


def describe(dataset: Dataset) -> str:
    """What was built and where, in two lines."""
    manifest = dataset.manifest
    parts = [f"{len(s)} subjects for {split}" for split, s in manifest["subjects"].items()]
    failed = f" {manifest['n_failed']} nights failed: see {dataset.folder / 'failures.csv'}." * bool(
        manifest["n_failed"]
    )
    n_epochs = sum(sum(counts.values()) for counts in manifest["epochs"].values())
    nights = f"{n_epochs} epochs of {len(manifest['nights'])} nights ({', '.join(parts)}).{failed}"
    return f"{nights}\nThe dataset is in {dataset.folder}."


if __name__ == "__main__":
    run_job(main)

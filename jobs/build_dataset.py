"""Render a folder of nights to a dataset.

    python jobs/build_dataset.py NIGHTS OUT [--max-failed 0.05] [--push TARGET] [--set section.key=value ...]
    python jobs/build_dataset.py ISRUC OUT --set dataset.cohort=isruc --also mass=MASS --also hmc=HMC

Started again after an interruption, it goes on with the nights that are not there yet. With --push the finished
dataset also goes to a Hugging Face dataset repository, made private, or to a folder or store.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import typer
from rich.console import Console

from somnolens.config import Settings, read_settings
from somnolens.dataset.building import build_dataset
from somnolens.dataset.failures import count_kinds, format_kinds
from somnolens.dataset.manifest import Dataset
from somnolens.dataset.pushing import check_target, list_pushed, parse_target, push_dataset
from somnolens.dataset.rows import ShardReport
from somnolens.errors import SettingsError
from somnolens.jobs.arguments import Config, Overrides, place, run_job, split_pairs
from somnolens.jobs.cluster import LOG_FILE, cluster, progress
from somnolens.read.cohorts import find_nights, join_cohorts
from somnolens.read.night import Night
from somnolens.storage import parse_path


def main(
    nights: Annotated[Path, place("folder of recordings and scorings")],
    out: Annotated[Path, place("folder of the dataset")],
    max_failed: Annotated[
        float | None, typer.Option(help="share of the nights that may fail; as --set dataset.max_failed_share")
    ] = None,
    push: Annotated[
        str | None, typer.Option(help="where the finished dataset goes too: owner/name, ./folder, s3://bucket/folder")
    ] = None,
    also: Annotated[list[str], typer.Option(help="COHORT=FOLDER, a further cohort; may be repeated")] = [],  # noqa: B006
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Render a folder of nights, or of several cohorts, to a dataset."""
    share = [] if max_failed is None else [f"dataset.max_failed_share={max_failed}"]
    settings = read_settings(config, [*overrides, *share])
    if push:
        check_target(push, out)  # before hours of work, not after
    more = split_pairs(also, "--also")
    with cluster(out / LOG_FILE) as console:
        dataset = build(nights, out, settings, console, more)
        console.print(describe(dataset))
    if push:
        send(dataset, push, Console())


def find_all(nights: Path, settings: Settings, more: Mapping[str, str]) -> list[Night]:
    """Nights of the folder of the cohort in the settings, and of further cohorts by name.

    Raises
    ------
    SettingsError
        Where a cohort is named twice, or there is none of that name.
    """
    if settings.dataset.cohort in more:
        raise SettingsError(
            f"--also names the cohort {settings.dataset.cohort!r}, which dataset.cohort names already. Put its nights "
            "into one folder."
        )
    folders = {settings.dataset.cohort: nights} | {name: parse_path(folder) for name, folder in more.items()}
    return join_cohorts({name: find_nights(folder, name, settings.read.channels) for name, folder in folders.items()})


def build(
    nights: Path, out: Path, settings: Settings, console: Console, more: Mapping[str, str] = MappingProxyType({})
) -> Dataset:
    """Build with a progress bar, and tell at the end, however it came, which nights failed."""
    found = find_all(nights, settings, more)
    reports: list[ShardReport] = []
    try:
        with progress(console, "Rendering nights", len(found)) as advance:

            def report(made: ShardReport) -> None:
                reports.append(made)
                advance(note=f"{made.night}: {made.error or f'{made.n_epochs} epochs'}")

            return build_dataset(found, settings, out, report)
    finally:
        if kinds := count_kinds(reports):
            console.print(format_kinds(kinds))


def send(dataset: Dataset, target: str, console: Console) -> None:
    """Push a dataset; a copy has our progress bar, the hub's client its own."""
    if parse_target(target).is_hub:
        place = push_dataset(dataset, target)
    else:
        with progress(console, "Copying", len(list_pushed(dataset))) as advance:
            place = push_dataset(dataset, target, report=lambda name: advance(note=name))
    console.print(f"It was pushed to {place}.", soft_wrap=True, markup=False)


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

"""Leave one cohort out: train on all others, measure on the one, for every cohort of a dataset.

    python jobs/leave_cohorts_out.py DATASET RUN [--only COHORT ...] [--config FILE] [--set section.key=value ...]

Each adapter is in RUN/COHORT/adapter; RUN holds matrix.csv, matrix.png and metrics.json. An adapter is measured on
every night of the cohort it was kept away from, and on the test nights of the cohorts it learnt from.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from somnolens.config import Settings, read_settings
from somnolens.dataset.manifest import Dataset, open_dataset
from somnolens.errors import DatasetError
from somnolens.evaluate.crossing import Cell, measure_cell
from somnolens.evaluate.leakage import check_leakage
from somnolens.jobs.arguments import Config, Overrides, run_job
from somnolens.jobs.cluster import LOG_FILE, cluster
from somnolens.jobs.evaluate_across import format_matrix, write_matrix
from somnolens.jobs.evaluate_adapter import stage
from somnolens.jobs.train_adapter import train
from somnolens.provenance import make_run_folder
from somnolens.score.engine import load_engine

TITLE = "Trained without each cohort"


def main(
    dataset: Annotated[Path, typer.Argument(help="folder made by build_dataset.py, of several cohorts")],
    run: Annotated[Path, typer.Argument(help="new folder of this run")],
    only: Annotated[list[str], typer.Option(help="leave out this one; may be repeated; all in turn without")] = [],  # noqa: B006
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Train without each cohort in turn, and measure on it."""
    settings = read_settings(config, overrides)
    opened = open_dataset(dataset)
    left_out = choose_cohorts(opened, only)
    make_run_folder(run.parent, run.name)
    with cluster(run / LOG_FILE, settings.train.n_workers + 1) as console:
        cells = leave_out_each(left_out, opened, run, settings, console)
        write_matrix(cells, run, TITLE)
        console.print(format_matrix(cells, TITLE))
        console.print(f"Adapters, table and figure are in {run}.")


def list_cohorts(dataset: Dataset) -> list[str]:
    """Cohorts of a dataset, at least two.

    Raises
    ------
    DatasetError
    """
    cohorts = dataset.manifest["cohorts"]
    if len(cohorts) < 2:
        raise DatasetError(
            f"{dataset.folder} holds no cohort but {', '.join(cohorts)}. Leaving one out needs two or more: build a "
            "dataset of several cohorts."
        )
    return cohorts


def choose_cohorts(dataset: Dataset, only: list[str]) -> list[str]:
    """Those that were named, or all.

    Raises
    ------
    DatasetError
        Where one is not in the dataset.
    """
    there = list_cohorts(dataset)
    if unknown := sorted(set(only) - set(there)):
        raise DatasetError(f"{dataset.folder} holds no cohort {', '.join(unknown)}. There are {', '.join(there)}.")
    return [cohort for cohort in there if cohort in only] or there


def leave_out_each(cohorts: list[str], dataset: Dataset, run: Path, settings: Settings, console: Console) -> list[Cell]:
    """Train and measure without each of these cohorts in turn."""
    cells = []
    for cohort in cohorts:
        console.print(f"Without {cohort}")
        settings_here = settings.model_copy(update={"train": settings.train.model_copy(update={"leave_out": cohort})})
        train(dataset.folder, run / cohort, settings_here, console)
        cells += measure_without(cohort, dataset, run / cohort / "adapter", console)
    return cells


def measure_without(cohort: str, dataset: Dataset, adapter: Path, console: Console) -> list[Cell]:
    """One row of the matrix: the cohort that was left out, and the test nights of each other."""
    engine = load_engine(adapter)
    cells = []
    for column in list_cohorts(dataset):
        judged = dataset.leave_out(cohort) if column == cohort else dataset.keep_one(column)
        if judged.style.hash != engine.style.hash and judged.keeps_signals:
            judged = judged.draw_anew(engine.style.render)
        check_leakage(judged, "test", engine.card)
        evaluation = stage(engine, judged, "test", console)
        cells.append(measure_cell(f"without {cohort}", column, evaluation, column == cohort))
    return cells


if __name__ == "__main__":
    run_job(main)

"""Measure several adapters on several datasets: what is left of each where it has not learnt.

    python jobs/evaluate_across.py OUT --adapter NAME=ADAPTER ... --dataset NAME=DATASET ... [--split test]

Writes matrix.csv, matrix.png and metrics.json to OUT. Every adapter is measured on the same nights of a dataset:
those of the split, which must be new to it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from somnolens.dataset.manifest import Dataset, open_dataset
from somnolens.dataset.statistics import format_csv
from somnolens.evaluate.crossing import Cell, lay_out, list_cells, measure_cell
from somnolens.evaluate.leakage import LOCAL_COHORTS, check_leakage
from somnolens.jobs.arguments import run_job, split_pairs
from somnolens.jobs.evaluate_adapter import open_for, stage
from somnolens.model.adapter_card import AdapterCard
from somnolens.provenance import describe_code, describe_hardware, make_run_folder
from somnolens.report.canvas import write_figure
from somnolens.report.evaluation_plots import draw_matrix
from somnolens.score.engine import load_engine
from somnolens.storage import write_bytes, write_json


def main(
    out: Annotated[Path, typer.Argument(help="new folder of the results")],
    adapter: Annotated[list[str], typer.Option(help="NAME=ADAPTER; may be repeated")],
    dataset: Annotated[list[str], typer.Option(help="NAME=DATASET; may be repeated")],
    split: Annotated[str, typer.Option(help="validation or test")] = "test",
) -> None:
    """Measure several adapters on several datasets."""
    console = Console()
    adapters = split_pairs(adapter, "--adapter")
    datasets = {name: open_dataset(Path(folder)) for name, folder in split_pairs(dataset, "--dataset").items()}
    folder = make_run_folder(out.parent, out.name)
    cells = cross(adapters, datasets, console, split)
    write_matrix(cells, folder, "Adapters by datasets")
    console.print(format_matrix(cells, "Adapters by datasets"))
    console.print(f"The table and the figure are in {out}.")


def cross(adapters: dict[str, str], datasets: dict[str, Dataset], console: Console, split: str = "test") -> list[Cell]:
    """Measure every adapter on every dataset.

    Raises
    ------
    LeakError
        Where an adapter has seen what it would be judged on.
    AdapterError
        Where a dataset is drawn otherwise than an adapter learnt, and keeps no signals to draw anew.
    """
    cells = []
    for row, adapter in adapters.items():
        engine = load_engine(adapter)
        for column, dataset in datasets.items():
            opened = open_for(engine.card, dataset)
            check_leakage(opened, split, engine.card)
            console.print(f"{row} on {column}", style="dim")
            evaluation = stage(engine, opened, split, console)
            cells.append(measure_cell(row, column, evaluation, is_new_to(engine.card, opened)))
    return cells


def is_new_to(card: AdapterCard, judged: Dataset) -> bool:
    """Whether an adapter has learnt neither from a dataset nor from another of its cohorts.

    Of cohorts that have their names in one folder only, another folder is another cohort.
    """
    if card.dataset.get("fingerprint") == judged.manifest["fingerprint"]:
        return bool(card.resolved.train.leave_out)
    return not {*card.dataset.get("cohorts", ())} & {*judged.manifest["cohorts"]} - {*LOCAL_COHORTS}


def write_matrix(cells: Sequence[Cell], out: Path, title: str) -> None:
    """Write matrix.csv, matrix.png and metrics.json."""
    write_bytes(out / "matrix.csv", format_csv(list_cells(cells)))
    write_figure(draw_matrix(cells, title), out / "matrix.png")
    about = {"code": describe_code(), "hardware": describe_hardware()}
    write_json(out / "metrics.json", about | {"cells": list_cells(cells)})


def format_matrix(cells: Sequence[Cell], title: str) -> Table:
    """Kappa with its interval, adapters down, datasets across; new ones in bold."""
    rows, columns, intervals = lay_out(cells)
    table = Table(
        title=title, title_justify="left", box=box.SIMPLE_HEAD, caption="Cohen's kappa; bold: never learnt from"
    )
    table.caption_justify = "left"
    table.add_column("")
    for column in columns:
        table.add_column(column, justify="right")
    new = {(cell.row, cell.column) for cell in cells if cell.is_new}
    for row, line in zip(rows, intervals, strict=True):
        shown = zip(columns, line, strict=True)
        table.add_row(row, *(f"[bold]{one}[/]" if (row, column) in new else str(one) for column, one in shown))
    return table


if __name__ == "__main__":
    run_job(main)

"""Systems by datasets: what is left of an adapter where it has not learnt.

A row is an adapter, a column the test subjects of a dataset or a cohort, the same for every row. Leave-one-cohort-
out is such a table too: the adapter of each row learnt from all cohorts but the one it is named after.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from somnolens.evaluate.agreement import Agreement
from somnolens.evaluate.evaluation import Evaluation
from somnolens.evaluate.intervals import MEASURES, Interval, measure_intervals


@dataclass(frozen=True, eq=False)
class Cell:
    """One adapter on one dataset.

    Parameters
    ----------
    row, column : str
        Names of the adapter and the dataset.
    is_new : bool
        Whether the adapter has learnt nothing from that dataset, or cohort.
    agreement : Agreement
    intervals : dict of str to Interval
    n_subjects, n_nights : int
    """

    row: str
    column: str
    is_new: bool
    agreement: Agreement
    intervals: dict[str, Interval]
    n_subjects: int
    n_nights: int


def measure_cell(row: str, column: str, evaluation: Evaluation, is_new: bool) -> Cell:
    """Measure one cell."""
    intervals = measure_intervals(evaluation)
    n_subjects, n_nights = len(evaluation.subjects), len(evaluation.nights)
    return Cell(row, column, is_new, evaluation.pooled, intervals, n_subjects, n_nights)


def list_cells(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """A line for each cell, with `_low` and `_high` beside each measure."""
    lines = []
    for cell in cells:
        line: dict[str, Any] = {"adapter": cell.row, "dataset": cell.column, "new": cell.is_new}
        line |= {"subjects": cell.n_subjects, "nights": cell.n_nights, "epochs": cell.agreement.n_epochs}
        for name in MEASURES:
            ends = cell.intervals[name].to_dict()
            line |= {name: ends["value"], f"{name}_low": ends["low"], f"{name}_high": ends["high"]}
        lines.append(line)
    return lines


def lay_out(cells: Sequence[Cell], measure: str = "kappa") -> tuple[list[str], list[str], list[list[Interval]]]:
    """Names of rows and columns in their first order, and the intervals between them."""
    rows = list(dict.fromkeys(cell.row for cell in cells))
    columns = list(dict.fromkeys(cell.column for cell in cells))
    found = {(cell.row, cell.column): cell.intervals[measure] for cell in cells}
    nothing = Interval(float("nan"), float("nan"), float("nan"))
    return rows, columns, [[found.get((row, column), nothing) for column in columns] for row in rows]

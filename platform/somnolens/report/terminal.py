"""Results as rich tables, for a person at a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from somnolens.aasm import STAGES
from somnolens.evaluate.agreement import NO_STAGE, Agreement, format_measure
from somnolens.report.palette import STAGE_COLOURS


@dataclass(frozen=True)
class Step:
    """One finished step of a run.

    Parameters
    ----------
    name : str
        What was done, as a person would say it.
    seconds : float
    n_nights : int
        Nights it went over; 0 where nights per minute mean nothing.
    output : str
        Where the result lies.
    """

    name: str
    seconds: float
    n_nights: int = 0
    output: str = ""

    @property
    def nights_per_minute(self) -> float:
        """NaN where the step did not go over nights."""
        return self.n_nights * 60 / self.seconds if self.n_nights and self.seconds > 0 else np.nan


def format_agreement(agreement: Agreement, title: str = "Agreement") -> Table:
    """Confusion matrix by row, F1 beside it, the overall measures below it."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, caption="\n".join(_caption(agreement)))
    table.caption_justify = "left"
    table.add_column("true \\ predicted")
    for stage in STAGES:
        table.add_column(stage, justify="right")
    if agreement.n_invalid:
        table.add_column("none", justify="right")
    for heading in ("epochs", "F1"):
        table.add_column(heading, justify="right", style="bold")
    for code, stage in enumerate(STAGES):
        table.add_row(*_agreement_row(agreement, code, stage))
    return table


def summarise_agreement(agreement: Agreement) -> str:
    """The overall measures in one line.

    Examples
    --------
    >>> summarise_agreement(Agreement(np.eye(5, 6, dtype=int)))
    'kappa 1.000 · accuracy 100.0 % · macro-F1 1.000 · 5 epochs'
    """
    parts = [
        f"kappa {format_measure(agreement.kappa, '.3f')}",
        f"accuracy {format_measure(100 * agreement.accuracy, '.1f')} %",
        f"macro-F1 {format_measure(agreement.macro_f1, '.3f')}",
        f"{agreement.n_epochs:,} epochs",
    ]
    return " · ".join(parts)


def format_steps(steps: Sequence[Step], title: str = "What ran") -> Table:
    """The closing table of a run: step, nights per minute, seconds, where the output lies."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("step")
    table.add_column("nights/min", justify="right")
    table.add_column("seconds", justify="right")
    table.add_column("output", overflow="fold", style="cyan")
    for step in steps:
        rate = "" if np.isnan(step.nights_per_minute) else f"{step.nights_per_minute:.1f}"
        table.add_row(step.name, rate, f"{step.seconds:.1f}", step.output)
    table.add_section()
    table.add_row("all", "", f"{sum(step.seconds for step in steps):.1f}", "", style="bold")
    return table


def _caption(agreement: Agreement) -> list[str]:
    lines = [summarise_agreement(agreement)]
    if agreement.n_invalid:
        lines.append(f"{agreement.n_invalid:,} without a stage, counted as wrong")
    if agreement.n_left_out:
        lines.append(f"{agreement.n_left_out:,} left out, unscored in the truth")
    return lines


def _agreement_row(agreement: Agreement, code: int, stage: str) -> list[Text | str]:
    counts = agreement.confusion[code]
    columns = [*range(len(STAGES))] + [NO_STAGE] * bool(agreement.n_invalid)
    cells = [Text(f"{counts[column]:,}", style="bold" if column == code else "dim") for column in columns]
    mark = Text.assemble(("■ ", STAGE_COLOURS[stage]), stage)
    return [mark, *cells, f"{counts.sum():,}", format_measure(agreement.f1[stage], ".3f")]

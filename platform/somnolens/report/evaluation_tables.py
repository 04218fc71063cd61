"""An evaluation as tables: for a person at a terminal, and as CSV for other programs."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from somnolens.aasm import STAGES
from somnolens.dataset.statistics import format_csv
from somnolens.evaluate.agreement import format_measure
from somnolens.evaluate.bland_altman import TOTALS, BlandAltman, list_totals
from somnolens.evaluate.calibration import list_efforts
from somnolens.evaluate.evaluation import Evaluation
from somnolens.evaluate.intervals import FEW_SUBJECTS, LEVEL, Interval
from somnolens.evaluate.scorers import ScorerComparison, list_humans
from somnolens.evaluate.slices import list_slices
from somnolens.evaluate.summary import Summary
from somnolens.hypnogram import Hypnogram
from somnolens.report.palette import STAGE_COLOURS
from somnolens.score.review import list_reviews
from somnolens.storage import write_bytes

NAMES = {
    "kappa": "Cohen's kappa",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
}
TOLD_SLICES = ("cohort", "age", "sex", "AHI", "signals", "time of night", "change", "scorers")
"""Hours are in slices.csv and in the figure."""


def format_summary(summary: Summary, title: str) -> list[Table]:
    """Tables of an evaluation for the terminal, the most asked for first."""
    tables = [format_intervals(summary, title), format_slices(summary), format_totals(summary.totals)]
    if summary.review and summary.calibration:
        tables.insert(1, format_review(summary))
    return tables + ([format_scorers(summary.scorers)] if summary.scorers else [])


def format_intervals(summary: Summary, title: str) -> Table:
    """The measures over all epochs and F1 by stage, each with its interval."""
    n_subjects = len(summary.evaluation.subjects)
    pooled = summary.evaluation.pooled
    note = f"Intervals of {100 * LEVEL:.0f} % by resampling {n_subjects} subject{'s' * (n_subjects != 1)}."
    if n_subjects < 2:
        note = "No intervals: there is but one subject."
    elif n_subjects < FEW_SUBJECTS:
        note += f" With fewer than {FEW_SUBJECTS} they are too narrow."
    lost = f" {pooled.n_invalid:,} epochs without a stage count as wrong." if pooled.n_invalid else ""
    table = _begin(title, note + lost)
    for place, heading in enumerate(("", "", "", "epochs")):
        table.add_column(heading, justify="left" if not place else "right")
    for name, words in NAMES.items():
        table.add_row(words, *_split(summary.intervals[name]), "")
    for stage in STAGES:
        mark = Text.assemble(("■ ", STAGE_COLOURS[stage]), f"F1 of {stage}")
        table.add_row(mark, *_split(summary.intervals[f"f1_{stage}"]), f"{pooled.support[stage]:,}")
    table.add_row("all", "", "", f"{pooled.n_epochs:,}", style="dim")
    return table


def format_review(summary: Summary) -> Table:
    """What probabilities are worth, and how much a person must look at for an accuracy."""
    figures, alone = summary.calibration, summary.picture_calibration
    note = f"ECE {figures.ece:.3f} over {figures.n_epochs:,} epochs in 15 bins, Brier score {figures.brier:.3f}"
    note += f"; of each picture by itself {alone.ece:.3f} and {alone.brier:.3f}." if alone else "."
    table = _begin("Review: look at the least confident epochs", note)
    headings = ("for an accuracy of", "epochs in all", "share", "epochs a night", "min of signal a night")
    for heading in headings:
        table.add_column(heading, justify="right")
    for line in list_efforts(summary.review, len(summary.evaluation.nights)):
        shown = (f"{line['accuracy']:.2f}", f"{line['epochs']:,}", f"{100 * line['share']:.0f} %")
        table.add_row(*shown, f"{line['epochs_a_night']:.0f}", f"{line['minutes_a_night']:.0f}")
    return table


def format_slices(summary: Summary) -> Table:
    """Kappa of each part with its interval, and accuracy."""
    table = _begin("Where it is good, and where not", "Hour by hour, and with every interval: slices.csv.")
    for place, heading in enumerate(("", "", "subjects", "epochs", "kappa", "", "accuracy")):
        table.add_column(heading, justify="left" if place < 2 else "right", no_wrap=True)
    before = ""
    for one in summary.slices:
        if one.kind in TOLD_SLICES:
            figures = (*_split(one.intervals["kappa"], ".2f"), format_measure(one.agreement.accuracy, ".2f"))
            counts = (str(one.n_subjects), f"{one.agreement.n_epochs:,}")
            table.add_row(one.kind if one.kind != before else "", one.part, *counts, *figures)
            before = one.kind
    return table


def format_totals(totals: Sequence[BlandAltman]) -> Table:
    """Bias and limits of agreement of the totals of a night."""
    n_nights = max((len(one.truth) for one in totals), default=0)
    table = _begin(
        "Totals of a night, system minus scorer",
        f"95 % of nights are expected within the limits, from {n_nights} nights.",
    )
    for place, heading in enumerate(("", "scorer", "bias", "", "limits of agreement", "nights")):
        table.add_column(heading, justify="left" if not place else "right")
    for one in totals:
        mean = format_measure(float(one.truth.mean()) if len(one.truth) else np.nan, ".1f")
        bias, ends = _split(one.bias, ".1f", sign=True)
        limits = f"{format_measure(one.low.value, '+.1f')} to {format_measure(one.high.value, '+.1f')}"
        table.add_row(TOTALS[one.name], mean, bias, ends, limits, str(len(one.truth)))
    return table


def format_scorers(comparison: ScorerComparison) -> Table:
    """Each human and the system by the consensus of the other humans."""
    note = f"The system is number {comparison.rank} of {comparison.n_ranked}. "
    note += f"Hypnodensity distance {format_measure(comparison.distance, '.3f')}, of a human against the others "
    note += f"{format_measure(comparison.human_distance, '.3f')}."
    table = _begin("Among the scorers, kappa by the consensus of the others", note)
    for place, heading in enumerate(("scorer", "the human", "the system", "between the two", "epochs")):
        table.add_column(heading, justify="left" if not place else "right")
    for line in list_humans(comparison):
        kappas = (f"{line[f'{who}_kappa']:.3f}" for who in ("human", "system", "between"))
        table.add_row(line["scorer"], *kappas, f"{line['epochs']:,}")
    return table


def _begin(title: str, caption: str = "") -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, caption=caption)
    table.caption_justify = "left"
    return table


def _split(interval: Interval, pattern: str = ".3f", sign: bool = False) -> tuple[str, str]:
    """Value, and ends in words; a dash or nothing where there are none."""
    form = f"+{pattern}" if sign else pattern
    ends = "" if np.isnan(interval.low) else f"{interval.low:{form}} to {interval.high:{form}}"
    return format_measure(interval.value, form), ends


def write_tables(summary: Summary, out: Path) -> None:
    """Write nights.csv, slices.csv, totals.csv, bland_altman.csv and, where they are, four more.

    calibration.csv has the bins, effort.csv the epochs to look at for each accuracy, review.csv the epochs of each
    night that a person should look at, scorers.csv the humans.
    """
    tables: dict[str, Iterable[Mapping[str, Any]]] = {
        "nights": list_nights(summary.evaluation),
        "slices": list_slices(summary.slices),
        "totals": list_totals(summary.night_totals),
        "bland_altman": [one.to_dict() for one in summary.totals],
    }
    if summary.calibration and summary.review:
        tables["calibration"] = [_blank(vars(one)) for one in summary.calibration.bins]
        tables["effort"] = list_efforts(summary.review, len(summary.evaluation.nights))
        tables["review"] = list_doubts(summary.evaluation)
    if summary.scorers:
        tables["scorers"] = list_humans(summary.scorers)
    for name, lines in tables.items():
        if lines := [dict(line) for line in lines]:
            write_bytes(out / f"{name}.csv", format_csv(lines))


def list_nights(evaluation: Evaluation) -> list[dict[str, Any]]:
    """A line for each night: who, how many epochs, the measures and F1 by stage."""
    lines = []
    for night in evaluation.nights:
        told = night.agreement.to_dict()
        counts = {"epochs": told["n_epochs"], "invalid": told["n_invalid"], "left_out": told["n_left_out"]}
        figures = {name: told[name] for name in NAMES} | {f"f1_{stage}": told["f1"][stage] for stage in STAGES}
        who = {"night": night.night, "cohort": night.cohort, "subject": night.subject}
        lines.append(who | counts | {name: _round(value) for name, value in figures.items()})
    return lines


def list_doubts(evaluation: Evaluation) -> list[dict[str, Any]]:
    """A line for each epoch to look at, night by night, the most urgent first."""
    lines = []
    for night in evaluation.nights:
        truth, named = (Hypnogram.from_codes(codes).stages for codes in night.codes)
        for review in list_reviews(night.probabilities, night.known.quality, night.known.derivations):
            stages = {"named": named[review.epoch], "scorer": truth[review.epoch]}
            lines.append({"night": night.night, **vars(review), **stages})
    return lines


def _blank(line: Mapping[str, Any]) -> dict[str, Any]:
    """An empty field in place of not a number."""
    return {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in line.items()}


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)

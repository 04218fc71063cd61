"""Plots of an evaluation: parts with intervals, what probabilities are worth, totals, scorers, cohorts by cohorts."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from somnolens.evaluate.agreement import format_measure
from somnolens.evaluate.bland_altman import TOTALS, BlandAltman
from somnolens.evaluate.calibration import (
    GOALS,
    CalibrationFigures,
    Confidence,
    ReviewCurve,
    trace_risk,
)
from somnolens.evaluate.crossing import Cell, lay_out
from somnolens.evaluate.intervals import Interval
from somnolens.evaluate.scorers import ScorerComparison
from somnolens.evaluate.slices import Slice
from somnolens.report.canvas import grid_axes, stack_axes, write, write_headline
from somnolens.report.palette import DISAGREEMENT, EXPERT, FAINT, INK, QUIET, STAGE_COLOURS

_DARK, _MIDDLE, _LIGHT, _WARM = (STAGE_COLOURS[stage] for stage in ("N3", "N2", "N1", "R"))
ROW_IN = 0.215


def draw_slices(slices: Sequence[Slice], overall: Interval, measure: str = "kappa") -> Figure:
    """Draw a measure of each part as a dot with its interval, kind by kind; the overall value is the upright line."""
    kinds = list(dict.fromkeys(one.kind for one in slices))
    n_rows = len(slices) + 0.7 * len(kinds)
    figure, (axes,) = stack_axes([ROW_IN * n_rows + 0.1], 0.85, 0.4, 0, left_in=2.5, right_in=1.5)
    row, ticks = 0.0, []
    for x, heading in ((1.16, "epochs"), (1.3, "subjects")):
        write(axes, x, -0.95, heading, 8, QUIET, ha="right", transform=axes.get_yaxis_transform())
    for kind in kinds:
        write(axes, -0.55, row, kind, 9, INK, ha="left", transform=axes.get_yaxis_transform(), fontweight="bold")
        for one in (one for one in slices if one.kind == kind):
            _draw_interval(axes, row, one.intervals[measure])
            for x, count in ((1.16, one.agreement.n_epochs), (1.3, one.n_subjects)):
                write(axes, x, row, f"{count:,}", 8, QUIET, ha="right", transform=axes.get_yaxis_transform())
            ticks.append((row, one.part))
            row += 1
        row += 0.7
    axes.axvline(overall.value, color=EXPERT, linewidth=1.2, zorder=0)
    axes.set_yticks([place for place, _ in ticks], [name for _, name in ticks])
    axes.set_ylim(max(row - 0.7 - 0.4, 0.5), -0.6)
    axes.tick_params(axis="y", labelsize=8.5, labelcolor=INK)
    _limit(axes, [one.intervals[measure] for one in slices] + [overall])
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    title = {"kappa": "Cohen's kappa"}.get(measure, measure.replace("_", " "))
    write_headline(figure, f"{title} by part", f"95 % intervals over subjects; all: {overall}", left_in=0.3)
    return figure


def _draw_interval(axes: Axes, row: float, interval: Interval) -> None:
    if not np.isnan(interval.low):
        axes.plot([interval.low, interval.high], [row, row], color=_LIGHT, linewidth=3.2, solid_capstyle="round")
    axes.plot(interval.value, row, "o", color=_DARK, markersize=4.5, zorder=3)


def _limit(axes: Axes, intervals: Sequence[Interval]) -> None:
    ends = np.array([(one.low, one.value, one.high) for one in intervals])
    low, high = np.nanmin(ends), np.nanmax(ends)
    axes.set_xlim(max(low - 0.05, -0.2), min(high + 0.05, 1.02))


def draw_calibration(
    told: Confidence, figures: CalibrationFigures, review: ReviewCurve, n_nights: int, title: str = "Calibration"
) -> Figure:
    """Draw reliability, risk against coverage, and accuracy against epochs looked at, side by side."""
    figure, axes = grid_axes(1, 3, 2.05, top_in=0.95, bottom_in=0.6, gap_in=(0, 0.62), left_in=0.65, right_in=0.3)
    _draw_reliability(axes[0], figures)
    _draw_risk(axes[1], told, figures)
    _draw_review(axes[2], review, n_nights)
    caption = f"ECE {figures.ece:.3f} in {len(figures.bins)} bins   Brier {figures.brier:.3f}   "
    write_headline(figure, title, caption + f"{figures.n_epochs:,} epochs", left_in=0.3)
    return figure


def _draw_reliability(axes: Axes, figures: CalibrationFigures) -> None:
    """Bars as high as the share of right answers, their shade how many epochs are in them."""
    _frame(axes, "right, by confidence", "confidence", "share of right answers")
    most = max(one.n_epochs for one in figures.bins)
    shades = LinearSegmentedColormap.from_list("epochs", [FAINT, _LIGHT, _MIDDLE, _DARK])
    for one in figures.bins:
        if one.n_epochs:
            style = {"color": shades(0.2 + 0.8 * np.sqrt(one.n_epochs / most)), "align": "edge"}
            axes.bar(one.low, one.accuracy, width=0.92 * (one.high - one.low), **style)
    axes.plot([0, 1], [0, 1], color=_WARM, linewidth=1.0, linestyle=(0, (4, 3)))
    axes.set(xlim=(0, 1), ylim=(0, 1))


def _draw_risk(axes: Axes, told: Confidence, figures: CalibrationFigures) -> None:
    _frame(axes, "wrong, of those kept", "share of epochs kept", "share of wrong answers")
    coverage, risk = trace_risk(told)
    axes.fill_between(coverage, risk, color=_LIGHT, linewidth=0, alpha=0.6)
    axes.plot(coverage, risk, color=_DARK, linewidth=1.6)
    axes.set(xlim=(0, 1), ylim=(0, max(1.25 * float(risk.max()), 0.02)))
    write(axes, 0.06, 0.92, f"area {figures.area:.3f}", 8, QUIET, ha="left", transform=axes.transAxes)


def _draw_review(axes: Axes, review: ReviewCurve, n_nights: int) -> None:
    """Up to the last goal, where little is left to gain; a mark and the number for each goal."""
    _frame(axes, "accuracy after review", "epochs looked at, a night", "accuracy")
    a_night = np.arange(len(review.accuracy)) / max(n_nights, 1)
    axes.plot(a_night, review.accuracy, color=_DARK, linewidth=1.6)
    efforts = [(goal, review.find_effort(goal) / max(n_nights, 1)) for goal in GOALS]
    last = min(max(1.45 * max(effort for _, effort in efforts), 10.0), float(a_night[-1]))
    for goal, effort in efforts:
        if effort:
            axes.plot([effort, effort], [0, goal], color=EXPERT, linewidth=0.9, zorder=0)
            axes.plot(effort, goal, "o", color=_DARK, markersize=4)
            place = {"xytext": (-6, 1), "ha": "right"} if effort > 0.38 * last else {"xytext": (6, -9), "ha": "left"}
            style = {"textcoords": "offset points", "fontsize": 8, "color": INK} | place
            axes.annotate(f"{goal:.2f}: {effort:.0f}", (effort, goal), **style)
    axes.set_xlim(0, last)
    axes.set_ylim(min(float(review.accuracy[0]), 0.9) - 0.02, 1.0)


def _frame(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=9, color=INK, loc="left", pad=8)
    axes.set_xlabel(x, fontsize=8, color=QUIET)
    axes.set_ylabel(y, fontsize=8, color=QUIET)
    axes.grid(color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.locator_params(nbins=5)


def draw_bland_altman(totals: Sequence[BlandAltman], system: str = "somnolens") -> Figure:
    """Draw the difference of each total against its mean, with bias and limits of agreement, a panel each."""
    n_rows = int(np.ceil(len(totals) / 3))
    figure, axes = grid_axes(n_rows, 3, 1.35, 0.95, 0.45, gap_in=(0.68, 0.85), left_in=0.65, right_in=0.6)
    for panel, one in zip(axes, totals, strict=False):
        _draw_total(panel, one)
    for panel in axes[len(totals) :]:
        panel.axis("off")
    caption = "line: bias, with its interval   dashes: limits of agreement"
    write_headline(figure, f"{system} minus scorer", caption, left_in=0.3)
    return figure


def _draw_total(axes: Axes, one: BlandAltman) -> None:
    axes.set_title(TOTALS[one.name], fontsize=9, color=INK, loc="left", pad=6)
    axes.axhline(0, color=EXPERT, linewidth=0.9)
    if not len(one.truth):
        write(axes, 0.5, 0.5, "no night has one", 8, QUIET, transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
        return
    if not np.isnan(one.bias.low):
        axes.axhspan(one.bias.low, one.bias.high, color=_LIGHT, alpha=0.45, linewidth=0)
    axes.axhline(one.bias.value, color=_DARK, linewidth=1.3)
    for limit in (one.low, one.high):
        if not np.isnan(limit.value):
            axes.axhline(limit.value, color=_DARK, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.plot((one.truth + one.scored) / 2, one.scored - one.truth, "o", color=_MIDDLE, markersize=4, alpha=0.85)
    for interval in (one.low, one.bias, one.high):
        if not np.isnan(interval.value):
            place = {"transform": axes.get_yaxis_transform(), "ha": "left"}
            write(axes, 1.03, interval.value, f"{interval.value:+.1f}", 7.5, INK, **place)
    axes.margins(x=0.12, y=0.2)
    axes.locator_params(nbins=4)


def draw_scorers(comparison: ScorerComparison, system: str = "somnolens") -> Figure:
    """Draw each human's kappa with the consensus of the others, and the system's with that same consensus."""
    humans = sorted(comparison.humans, key=lambda one: one.human.kappa)
    figure, (axes,) = stack_axes([0.34 * len(humans) + 0.2], 0.62, 0.6, 0, left_in=1.6, right_in=0.6)
    for row, one in enumerate(humans):
        axes.plot([one.human.kappa, one.system.kappa], [row, row], color=FAINT, linewidth=2.4, zorder=1)
        axes.plot(one.human.kappa, row, "o", color=DISAGREEMENT, markersize=6, zorder=3)
        axes.plot(one.system.kappa, row, "D", color=_WARM, markersize=6, zorder=2)
    axes.set_yticks(range(len(humans)), [one.scorer for one in humans])
    axes.tick_params(axis="y", labelsize=9, labelcolor=INK)
    axes.set_ylim(-0.6, len(humans) - 0.4)
    axes.margins(x=0.1)
    axes.set_xlabel("Cohen's kappa with the consensus of the other humans", fontsize=8, color=QUIET)
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    caption = f"dot: the human   diamond: {system}, number {comparison.rank} of {comparison.n_ranked}"
    write_headline(figure, "Among the scorers", caption, left_in=0.3)
    return figure


def draw_matrix(cells: Sequence[Cell], title: str, measure: str = "kappa") -> Figure:
    """Draw systems by datasets, the higher the darker; a red frame where a system was new to the dataset."""
    rows, columns, intervals = lay_out(cells, measure)
    figure, (axes,) = stack_axes([0.55 * len(rows) + 0.1], 1.0, 0.25, 0, left_in=2.1, right_in=0.3)
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axes.axis("off")
    values = np.array([[one.value for one in line] for line in intervals], dtype=float)
    low, high = (np.nanmin(values), np.nanmax(values)) if np.isfinite(values).any() else (0.0, 1.0)
    new = {(cell.row, cell.column) for cell in cells if cell.is_new}
    for row, line in enumerate(intervals):
        write(axes, -0.58, row, rows[row], 9.5, INK, ha="right")
        for column, one in enumerate(line):
            share = (one.value - low) / max(high - low, 0.05) if not np.isnan(one.value) else 0.0
            _draw_matrix_cell(axes, row, column, one, share, framed=(rows[row], columns[column]) in new)
    for column, name in enumerate(columns):
        write(axes, column, -0.68, name, 9.5, INK)
    words = {"kappa": "Cohen's kappa"}.get(measure, measure.replace("_", " "))
    write_headline(figure, title, f"{words}, 95 % intervals   framed: never learnt from", left_in=0.3)
    return figure


def _draw_matrix_cell(axes: Axes, row: int, column: int, one: Interval, share: float, framed: bool) -> None:
    shades = LinearSegmentedColormap.from_list("value", ["#f6f7f9", _LIGHT, _MIDDLE, _DARK])
    edge = {"edgecolor": _WARM, "linewidth": 1.6} if framed else {"linewidth": 0}
    axes.add_patch(Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, facecolor=shades(share), **edge))
    ink = "white" if share > 0.5 else INK
    write(axes, column, row - 0.1, format_measure(one.value, ".2f"), 11, ink)
    if not np.isnan(one.low):
        write(axes, column, row + 0.23, f"{one.low:.2f} to {one.high:.2f}", 7.5, ink if share > 0.25 else QUIET)

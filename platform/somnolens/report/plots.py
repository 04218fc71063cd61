"""Plots that a person looks at: a scored night, a confusion matrix."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from somnolens.aasm import EPOCH_S, STAGES, UNSCORED
from somnolens.evaluate.agreement import NO_STAGE, Agreement, format_measure, measure_agreement, pair_codes
from somnolens.hypnogram import Hypnogram
from somnolens.report.canvas import stack_axes, write, write_headline
from somnolens.report.palette import DISAGREEMENT, EXPERT, FAINT, INK, QUIET, STAGE_COLOURS, TRANSITION

TOP_TO_BOTTOM = ("W", "R", "N1", "N2", "N3")
"""Order of the stages on a hypnogram (AASM manual, chapter II)."""

SHADES = [STAGE_COLOURS["N1"], STAGE_COLOURS["N2"], STAGE_COLOURS["N3"]]
"""Row percentages of a confusion matrix, from few to many."""

HEIGHT = {stage: -row for row, stage in enumerate(TOP_TO_BOTTOM)}
TICK_STEPS_H = (1 / 60, 1 / 12, 1 / 6, 1 / 4, 1 / 2, 1, 2, 4)


def draw_night(
    hypnogram: Hypnogram, truth: Hypnogram | None = None, start: datetime | None = None, title: str = ""
) -> Figure:
    """Draw a hypnogram, and its hypnodensity below where it has probabilities.

    R is drawn as a thick line. Epochs without a stage leave a gap. With a truth, the truth
    lies behind in grey and a strip marks each epoch where the two differ.

    Parameters
    ----------
    hypnogram : Hypnogram
    truth : Hypnogram, optional
        Staging of the same night to hold against it.
    start : datetime, optional
        Clock time of the first sample of the recording; without it the axis counts hours.
    title : str
        Headline, for instance the name of the night.

    Examples
    --------
    >>> figure = draw_night(Hypnogram(("W", "N1", "N2", "N3", "N2", "R")), title="night 1")
    >>> len(figure.axes)
    1
    """
    with_density, with_truth = hypnogram.probabilities is not None, truth is not None
    heights_in = [1.7] + [0.07] * with_truth + [0.85] * with_density
    figure, axes = stack_axes(heights_in, top_in=0.62, bottom_in=0.42, gap_in=0.13)
    _draw_hypnogram(axes[0], hypnogram, truth)
    if truth is not None:
        _draw_disagreement(axes[1], hypnogram, truth)
    if with_density:
        _draw_hypnodensity(axes[-1], hypnogram)
    _draw_time(axes, hypnogram, start)
    caption = f"{len(hypnogram):,} epochs"
    if truth is not None:
        caption = f"grey: {truth.scorer}   " + _caption_agreement(measure_agreement(truth, hypnogram))
    write_headline(figure, title or hypnogram.scorer, caption)
    return figure


def draw_confusion(agreement: Agreement, title: str = "Agreement") -> Figure:
    """Draw the confusion matrix: row percentages as shade and figure, counts below them.

    A column for epochs without a predicted stage appears only where there are any; F1 and
    the number of epochs stand at the right.
    """
    n_columns = len(STAGES) + bool(agreement.n_invalid)
    counts = agreement.confusion[:, :n_columns]
    totals = agreement.confusion.sum(axis=1, keepdims=True)
    shares = counts / np.maximum(totals, 1)
    figure, (axes,) = stack_axes([3.6], top_in=1.0, bottom_in=0.15, gap_in=0, left_in=0.95, right_in=0.3)
    axes.set(xlim=(-0.5, n_columns + 1.6), ylim=(len(STAGES) - 0.5, -0.5))
    axes.axis("off")
    for row, stage in enumerate(STAGES):
        for column in range(n_columns):
            _draw_cell(axes, row, column, shares[row, column], counts[row, column])
        write(axes, n_columns + 0.15, row, format_measure(agreement.f1[stage], ".2f"), size=10)
        write(axes, n_columns + 1.15, row, f"{totals[row, 0]:,}", size=10, colour=QUIET)
        _draw_stage(axes, -0.6, row, stage)
    _write_headings(axes, n_columns)
    write_headline(figure, title, _caption_agreement(agreement), left_in=0.42)
    return figure


def _caption_agreement(agreement: Agreement) -> str:
    parts = [
        f"κ {format_measure(agreement.kappa, '.2f')}",
        f"accuracy {format_measure(100 * agreement.accuracy, '.0f')} %",
        f"macro-F1 {format_measure(agreement.macro_f1, '.2f')}",
    ]
    return "   ".join([*parts, f"{agreement.n_epochs:,} epochs"])


def _runs(hypnogram: Hypnogram) -> Iterator[tuple[str, float, float]]:
    """Stage, start and end in hours of each stretch of equal stages."""
    epoch = 0
    for stage, members in groupby(hypnogram.stages):
        n_epochs = len(list(members))
        yield stage, _hours(hypnogram, epoch), _hours(hypnogram, epoch + n_epochs)
        epoch += n_epochs


def _hours(hypnogram: Hypnogram, epoch: int) -> float:
    return (hypnogram.start_s + epoch * EPOCH_S) / 3600


def _draw_hypnogram(axes: Axes, hypnogram: Hypnogram, truth: Hypnogram | None) -> None:
    axes.set_ylim(-len(STAGES) + 0.55, 0.4)
    axes.set_yticks([HEIGHT[stage] for stage in TOP_TO_BOTTOM], TOP_TO_BOTTOM)
    axes.tick_params(axis="y", labelsize=9, labelcolor=INK, pad=14)
    axes.hlines(list(HEIGHT.values()), *_extent(hypnogram), color=FAINT, linewidth=0.7, zorder=0)
    for stage, y in HEIGHT.items():
        colour = STAGE_COLOURS[stage]
        axes.plot(-0.0125, y, "s", color=colour, markersize=5, transform=axes.get_yaxis_transform(), clip_on=False)
    if truth is not None:
        runs = [run for run in _runs(truth) if run[0] != UNSCORED]
        axes.add_collection(_stage_lines(runs, width=7.5, colours=[EXPERT] * len(runs), zorder=1))
    runs = [run for run in _runs(hypnogram) if run[0] != UNSCORED]
    axes.add_collection(_transition_lines(runs))
    for thick, width in ((False, 2.6), (True, 4.6)):
        chosen = [run for run in runs if (run[0] == "R") == thick]
        axes.add_collection(_stage_lines(chosen, width, [STAGE_COLOURS[run[0]] for run in chosen], zorder=3))
    for _, begin, end in (run for run in _runs(hypnogram) if run[0] == UNSCORED):
        axes.axvspan(begin, end, color=STAGE_COLOURS[UNSCORED], linewidth=0, alpha=0.6, zorder=0)


def _stage_lines(
    runs: Sequence[tuple[str, float, float]], width: float, colours: Sequence[str], zorder: int
) -> LineCollection:
    segments = [[(begin, HEIGHT[stage]), (end, HEIGHT[stage])] for stage, begin, end in runs]
    return LineCollection(segments, colors=colours, linewidths=width, zorder=zorder, capstyle="butt")


def _transition_lines(runs: Sequence[tuple[str, float, float]]) -> LineCollection:
    """Thin upright lines from one stage to the next, where nothing lies between them in time."""
    pairs = [(one, two) for one, two in pairwise(runs) if abs(one[2] - two[1]) < 1e-9]
    segments = [[(two[1], HEIGHT[one[0]]), (two[1], HEIGHT[two[0]])] for one, two in pairs]
    return LineCollection(segments, colors=TRANSITION, linewidths=0.6, zorder=2)


def _draw_disagreement(axes: Axes, hypnogram: Hypnogram, truth: Hypnogram) -> None:
    axes.set_yticks([0.5], ["differs"])
    axes.set_ylim(0, 1)
    axes.broken_barh(
        [(begin, end - begin) for stage, begin, end in _runs(truth) if stage != UNSCORED],
        (0, 1),
        color=FAINT,
        linewidth=0,
    )
    true_codes, paired = pair_codes(truth, hypnogram)
    differ = np.flatnonzero((true_codes >= 0) & (true_codes != paired))
    spans = [(_hours(truth, epoch), EPOCH_S / 3600) for epoch in differ]
    axes.broken_barh(spans, (0, 1), color=DISAGREEMENT, linewidth=0)


def _draw_hypnodensity(axes: Axes, hypnogram: Hypnogram) -> None:
    """Stacked probabilities, N3 at the bottom, each layer painted over the one behind: no seams."""
    probabilities = np.asarray(hypnogram.probabilities, dtype=float)
    edges = np.array([_hours(hypnogram, epoch) for epoch in range(len(hypnogram) + 1)])
    top = np.zeros(len(hypnogram))
    layers = []
    for stage in reversed(TOP_TO_BOTTOM):
        top = top + probabilities[:, STAGES.index(stage)]
        layers.append((stage, top))
    for stage, height in reversed(layers):
        axes.fill_between(edges, np.append(height, height[-1:]), step="post", color=STAGE_COLOURS[stage], linewidth=0)
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])


def _extent(hypnogram: Hypnogram) -> tuple[float, float]:
    return _hours(hypnogram, 0), _hours(hypnogram, len(hypnogram))


def _draw_time(axes: Sequence[Axes], hypnogram: Hypnogram, start: datetime | None) -> None:
    """One time axis for all, labelled below the lowest: clock time, or hours since the start."""
    first, last = _extent(hypnogram)
    ticks = list_ticks(first, last, start)
    for axis in axes:
        axis.set_xlim(first, max(last, first + EPOCH_S / 3600))
        axis.set_xticks([hours for hours, _ in ticks], [])
    axes[-1].set_xticks([hours for hours, _ in ticks], [label for _, label in ticks])
    axes[-1].tick_params(axis="x", length=3, color=QUIET, width=0.6)


def list_ticks(first_h: float, last_h: float, start: datetime | None, n_most: int = 9) -> list[tuple[float, str]]:
    """Hours of the recording to write at a time axis, each with its clock time, or hours without a start.

    Examples
    --------
    >>> list_ticks(0, 2, datetime(2001, 1, 1, 22, 45), 3)
    [(0.25, '23:00'), (1.25, '00:00')]
    """
    step = next((step for step in TICK_STEPS_H if (last_h - first_h) / step <= n_most), TICK_STEPS_H[-1])
    shift = _clock_hours(start) if start else 0.0
    low, high = np.ceil((first_h + shift) / step - 1e-9), np.floor((last_h + shift) / step + 1e-9)
    ticks = (np.arange(low, high + 1) * step - shift).tolist()
    return [(hours, _label_time(hours, step, start)) for hours in ticks]


def _clock_hours(start: datetime) -> float:
    return start.hour + start.minute / 60 + start.second / 3600 + start.microsecond / 3.6e9


def _label_time(hours: float, step: float, start: datetime | None) -> str:
    if start:
        return (start + timedelta(hours=hours, milliseconds=1)).strftime("%H:%M")
    return f"{round(hours)} h" if step >= 1 else f"{round(60 * hours)} min"


def _draw_cell(axes: Axes, row: int, column: int, share: float, count: int) -> None:
    colour = _shade(share, missing=column == NO_STAGE)
    axes.add_patch(Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, facecolor=colour, linewidth=0))
    ink = "white" if share > 0.55 else INK
    if not count:
        write(axes, column, row, "·", colour=EXPERT)
        return
    write(axes, column, row - 0.09, _percent(share), size=11, colour=ink)
    write(axes, column, row + 0.24, f"{count:,}", size=7.5, colour=ink if share > 0.55 else QUIET)


def _percent(share: float) -> str:
    return "<1 %" if share < 0.005 else f"{100 * share:.0f} %"


def _shade(share: float, missing: bool) -> tuple[float, ...]:
    scale = LinearSegmentedColormap.from_list("share", ["#f6f7f9", *(["#b9bec9", INK] if missing else SHADES)])
    return scale(share)


def _draw_stage(axes: Axes, x: float, y: float, stage: str) -> None:
    """The stage's mark and name, ending at x."""
    axes.plot(x - 0.02, y - 0.02, "s", color=STAGE_COLOURS[stage], markersize=6, clip_on=False)
    write(axes, x - 0.2, y, stage, size=10, ha="right")


def _write_headings(axes: Axes, n_columns: int) -> None:
    for column, name in enumerate((*STAGES, "no stage")[:n_columns]):
        write(axes, column, -0.72, name, size=10, colour=INK if column < NO_STAGE else QUIET)
    write(axes, n_columns + 0.15, -0.72, "F1", size=8.5, colour=QUIET)
    write(axes, n_columns + 1.15, -0.72, "epochs", size=8.5, colour=QUIET)
    write(axes, (len(STAGES) - 1) / 2, -1.08, "predicted", size=8.5, colour=QUIET)
    write(axes, -1.35, (len(STAGES) - 1) / 2, "true", size=8.5, colour=QUIET, rotation=90)

"""Charts of the morning report: hypnogram, hypnodensity, spectrogram, and where a value lies in what is usual.

A stage is told by its row and its name, R by a thick bar as well; colour only repeats it. So the charts read the same
without colour vision and in grey.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby, pairwise
from typing import Final

import numpy as np

from somnolens.aasm import EPOCH_S, STAGES, UNSCORED
from somnolens.evaluate.agreement import pair_codes
from somnolens.hypnogram import Hypnogram
from somnolens.report.drawing import Area, Box, Drawing, Letters, Raster, Shape, Stroke
from somnolens.report.plots import TOP_TO_BOTTOM, list_ticks
from somnolens.report.spectrogram import TOP_HZ, Spectrogram, draw_spectrogram, encode_shades
from somnolens.report.statistics import Statistic

LEFT_PX: Final = 34.0
RIGHT_PX: Final = 6.0
AXIS_PX: Final = 18.0
ROW_PX: Final = 19.0
DENSITY_PX: Final = 17.0
SPECTRUM_PX: Final = 108.0
LEGEND_PX: Final = 22.0
WIDEST_TICK_PX: Final = 46.0

Run = tuple[str, float, float]
"""Stage, and where it begins and ends on the sheet."""


class TimeScale:
    """Hours of the recording to pixels, the same for every chart of a night."""

    def __init__(self, hypnogram: Hypnogram, width: float, start: datetime | None) -> None:
        self.first_h = hypnogram.start_s / 3600
        self.last_h = (hypnogram.start_s + max(hypnogram.duration_s, EPOCH_S)) / 3600
        self.left, self.right, self.start = LEFT_PX, width - RIGHT_PX, start

    def x(self, hours: float) -> float:
        """Where a time since the start of the recording lies."""
        share = (hours - self.first_h) / (self.last_h - self.first_h)
        return self.left + share * (self.right - self.left)

    def draw_axis(self, top: float, bottom: float) -> Iterator[Shape]:
        """Upright guide lines, and their times below the lowest chart."""
        n_most = max(2, int((self.right - self.left) / WIDEST_TICK_PX))
        for hours, label in list_ticks(self.first_h, self.last_h, self.start, n_most):
            x = self.x(hours)
            yield Stroke(((x, top), (x, bottom + 4)), "faint")
            yield Letters(min(max(x, 14), self.right - 12), bottom + 15, label, "quiet", 10.5, "middle")


def draw_stages(
    hypnogram: Hypnogram, width: float, start: datetime | None = None, other: Hypnogram | None = None, name: str = ""
) -> Drawing:
    """A hypnogram; with another of the same night, a strip that marks every epoch in which they differ."""
    scale, bottom = TimeScale(hypnogram, width, start), ROW_PX * len(TOP_TO_BOTTOM)
    shapes: list[Shape] = list(scale.draw_axis(0, bottom + (14 if other else 0)))
    shapes += [shape for row, stage in enumerate(TOP_TO_BOTTOM) for shape in _draw_row(row, stage, scale)]
    runs = list(_list_runs(hypnogram, scale))
    shapes += [Box(x0, 0, x1 - x0, bottom, "unscored") for stage, x0, x1 in runs if stage == UNSCORED]
    shapes += list(_draw_transitions(runs))
    shapes += [_draw_bar(run) for run in runs if run[0] != UNSCORED]
    if other is not None:
        shapes += list(_draw_differences(hypnogram, other, scale, bottom + 5))
        bottom += 14
    counts = ", ".join(f"{count} of {stage}" for stage, count in hypnogram.counts().items() if count)
    what = f"{name or hypnogram.scorer}: {len(hypnogram)} epochs, {counts}. Rows from W at the top to N3 at the bottom."
    return Drawing(width, bottom + AXIS_PX, "Hypnogram", what, tuple(shapes))


def _draw_row(row: int, stage: str, scale: TimeScale) -> Iterator[Shape]:
    y = (row + 0.5) * ROW_PX
    yield Stroke(((scale.left, y), (scale.right, y)), "faint")
    yield Letters(scale.left - 8, y + 4, stage, "ink", 11, "end", bold=stage == "R")


def _list_runs(hypnogram: Hypnogram, scale: TimeScale) -> Iterator[Run]:
    epoch = 0
    for stage, members in groupby(hypnogram.stages):
        n_epochs = len(list(members))
        yield stage, *(scale.x(_hours(hypnogram, at)) for at in (epoch, epoch + n_epochs))
        epoch += n_epochs


def _hours(hypnogram: Hypnogram, epoch: int) -> float:
    return (hypnogram.start_s + epoch * hypnogram.step_s) / 3600


def _draw_transitions(runs: list[Run]) -> Iterator[Shape]:
    for (one, _, x), (two, _, _) in pairwise(runs):
        if UNSCORED not in (one, two):
            yield Stroke(tuple((x, (TOP_TO_BOTTOM.index(stage) + 0.5) * ROW_PX) for stage in (one, two)), "line", 0.8)


def _draw_bar(run: Run) -> Box:
    """R is thick, as by the custom of hypnograms."""
    stage, x0, x1 = run
    height = 11.0 if stage == "R" else 6.5
    y = (TOP_TO_BOTTOM.index(stage) + 0.5) * ROW_PX - height / 2
    return Box(x0, y, max(x1 - x0, 0.8), height, stage, edge="edge" if x1 - x0 > 2.5 else "")


def _draw_differences(hypnogram: Hypnogram, other: Hypnogram, scale: TimeScale, top: float) -> Iterator[Shape]:
    codes, paired = pair_codes(hypnogram, other)
    differ = (codes >= 0) & (codes != paired)
    yield Letters(scale.left - 8, top + 7, "≠", "ink", 11, "end", bold=True)
    yield Box(scale.left, top, scale.right - scale.left, 7, "faint")
    edges = np.flatnonzero(np.diff(np.concatenate([[0], differ, [0]]).astype(int)))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        x0, x1 = scale.x(_hours(hypnogram, first)), scale.x(_hours(hypnogram, last))
        yield Box(x0, top, max(x1 - x0, 0.8), 7, "ink")


def draw_density(hypnogram: Hypnogram, width: float, start: datetime | None = None) -> Drawing:
    """The hypnodensity, a row for each stage: how probable it was, from the floor of the row to its ceiling."""
    scale, bottom = TimeScale(hypnogram, width, start), DENSITY_PX * len(TOP_TO_BOTTOM)
    shapes: list[Shape] = list(scale.draw_axis(0, bottom))
    for row, stage in enumerate(TOP_TO_BOTTOM):
        shapes += _draw_probability(hypnogram, stage, scale, (row + 1) * DENSITY_PX)
    doubtful = int((np.asarray(hypnogram.probabilities).max(axis=1) < 0.6).sum())
    what = f"Probability of each stage, one row each, epoch by epoch. In {doubtful} epochs none reaches 60 %."
    return Drawing(width, bottom + AXIS_PX, "Hypnodensity", what, tuple(shapes))


def _draw_probability(hypnogram: Hypnogram, stage: str, scale: TimeScale, floor: float) -> list[Shape]:
    shares = np.round(np.asarray(hypnogram.probabilities)[:, STAGES.index(stage)] * 25) / 25
    changes = [0, *(np.flatnonzero(np.diff(shares)) + 1), len(shares)]
    curve = [
        (scale.x(_hours(hypnogram, at)), floor - shares[first] * (DENSITY_PX - 4))
        for first, last in pairwise(changes)
        for at in (first, last)
    ]
    ends = ((scale.right, floor), (scale.left, floor))
    return [
        Area((*curve, *ends), stage),
        Stroke(tuple(curve), "edge", 0.6),
        Letters(scale.left - 8, floor - 3, stage, "ink", 11, "end", bold=stage == "R"),
    ]


def draw_spectrum(
    spectrogram: Spectrogram, hypnogram: Hypnogram, width: float, start: datetime | None = None
) -> Drawing:
    """The spectrogram on the time axis of the hypnogram, with its scale below."""
    scale, bottom = TimeScale(hypnogram, width, start), 4 + SPECTRUM_PX
    shapes: list[Shape] = list(scale.draw_axis(bottom, bottom))
    png = draw_spectrogram(spectrogram, n_columns=int(1.5 * (scale.right - scale.left)))
    shapes.append(Raster(scale.left, 4, scale.right - scale.left, SPECTRUM_PX, png))
    for hz in range(0, int(TOP_HZ) + 1, 10):
        y = bottom - SPECTRUM_PX * hz / TOP_HZ
        shapes.append(Stroke(((scale.left - 4, y), (scale.left, y)), "quiet"))
        shapes.append(Letters(scale.left - 8, y + 4, f"{hz}", "quiet", 10.5, "end"))
    shapes += _draw_legend(spectrogram, scale, bottom + AXIS_PX + 8)
    what = (
        f"{spectrogram.derivation}, 0 to {TOP_HZ:g} Hz from bottom to top; dark is little power, bright is much, "
        "{:.0f} to {:.0f} dB.".format(*spectrogram.limits_db)
    )
    return Drawing(width, bottom + AXIS_PX + LEGEND_PX, "Spectrogram", what, tuple(shapes))


def _draw_legend(spectrogram: Spectrogram, scale: TimeScale, y: float) -> list[Shape]:
    low, high = (f"{limit:.0f}" for limit in spectrogram.limits_db)
    ramp = encode_shades(np.linspace(0, 1, 64)[None])
    return [
        Letters(scale.left, y + 8, f"{spectrogram.derivation}, Hz", "quiet", 10.5),
        Letters(scale.right - 174, y + 8, low, "quiet", 10.5, "end"),
        Raster(scale.right - 168, y, 80, 9, ramp),
        Letters(scale.right, y + 8, f"{high} dB µV²/Hz", "quiet", 10.5, "end"),
    ]


def draw_place(statistic: Statistic, width: float = 104.0) -> Drawing | None:
    """A scale with what is usual as a band, and the first value as a mark; None where there is nothing to compare."""
    usual, value = statistic.usual, statistic.values[0]
    if usual is None or not statistic.is_compared or np.isnan(value):
        return None
    low, high = _span(statistic)

    def x(at: float) -> float:
        return 4 + (width - 8) * (min(max(at, low), high) - low) / (high - low)

    x0, x1 = x(low if np.isnan(usual.low) else usual.low), x(high if np.isnan(usual.high) else usual.high)
    shapes = (
        Stroke(((4, 7), (width - 4, 7)), "quiet"),
        Box(x0, 4, max(x1 - x0, 2), 6, "band", "quiet"),
        Area(((x(value) - 4, 0), (x(value) + 4, 0), (x(value), 8)), "ink"),
        Stroke(((x(value), 7), (x(value), 13)), "ink", 1.6),
    )
    return Drawing(width, 14, statistic.name, statistic.place, shapes)


def _span(statistic: Statistic) -> tuple[float, float]:
    """From 0 to a little beyond whatever is largest; a share that can be everything to 100 %."""
    if statistic.unit == "%" and not statistic.minutes:
        return 0.0, 100.0
    assert statistic.usual is not None
    ends = [end for end in (statistic.usual.low, statistic.usual.high, statistic.values[0]) if not np.isnan(end)]
    return 0.0, 1.15 * max(*ends, 1.0)

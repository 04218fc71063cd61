"""Plots of a hyperparameter search: how it went, which setting mattered, what quality costs."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from somnolens.report.canvas import stack_axes, write_headline
from somnolens.report.palette import EXPERT, FAINT, INK, QUIET, STAGE_COLOURS
from somnolens.train.study import Search, Trial

_DOT, _LINE = STAGE_COLOURS["N3"], STAGE_COLOURS["N2"]


def draw_history(trials: Sequence[Trial]) -> Figure:
    """Draw the kappa of each trial in order, the best so far as a step, and below the kappa at each report.

    Trials that were stopped early are hollow, failed ones are crosses at the bottom. The lower panel appears where
    some trial reported more than once.
    """
    with_curves = any(len(trial.curve) > 1 for trial in trials)
    bottom_in = 0.55
    figure, axes = stack_axes([1.8] + [1.8] * with_curves, top_in=0.62, bottom_in=bottom_in, gap_in=0.62)
    _draw_trials(axes[0], trials)
    if with_curves:
        _draw_curves(axes[1], trials)
    stopped, failed = sum(trial.stopped_early for trial in trials), sum(trial.failed for trial in trials)
    parts = [f"{len(trials)} trial{'s' * (len(trials) != 1)}"]
    parts += [f"{stopped} stopped early (hollow)"] * bool(stopped) + [f"{failed} failed (cross)"] * bool(failed)
    write_headline(figure, "Validation kappa", ", ".join(parts))
    return figure


def _draw_trials(axes: Axes, trials: Sequence[Trial]) -> None:
    numbers = np.array([trial.number for trial in trials], dtype=int)
    values = np.array([trial.kappa for trial in trials], dtype=float)
    best = np.fmax.accumulate(values) if len(values) else values
    axes.step(numbers, best, where="post", color=_LINE, linewidth=1.4, zorder=2)
    style = {"s": 34, "linewidths": 1.3, "edgecolors": _DOT, "zorder": 3, "clip_on": False}
    hollow = np.array([trial.stopped_early for trial in trials], dtype=bool)
    axes.scatter(numbers[~hollow], values[~hollow], facecolors=_DOT, **style)
    axes.scatter(numbers[hollow], values[hollow], facecolors="white", **style)
    failed = numbers[np.isnan(values)]
    bottom = axes.get_xaxis_transform()
    axes.plot(failed, np.full(len(failed), 0.03), "x", color=QUIET, markersize=5, transform=bottom, clip_on=False)
    _mark_best(axes, numbers, values)
    axes.set_xlim(-0.5, max(numbers, default=0) + 0.5)
    _finish(axes, "trial", numbers.tolist())


def _draw_curves(axes: Axes, trials: Sequence[Trial]) -> None:
    """A line per trial; the best on top, in full colour."""
    finished = [trial for trial in trials if trial.curve]
    best = max((trial for trial in finished if not trial.failed), key=lambda trial: trial.kappa, default=None)
    for trial in sorted(finished, key=lambda trial: trial is best):
        reports, kappas = zip(*trial.curve, strict=True)
        colour, width = (_DOT, 1.8) if trial is best else (EXPERT, 1.2)
        axes.plot(reports, kappas, color=colour, linewidth=width, zorder=2 + (trial is best))
        ink = _DOT if trial is best else QUIET
        face = "white" if trial.stopped_early else ink
        end = {"markeredgecolor": ink, "markerfacecolor": face, "markersize": 4, "markeredgewidth": 1.0}
        axes.plot(reports[-1], kappas[-1], "o", zorder=4, clip_on=False, **end)
    longest = int(max(trial.curve[-1][0] for trial in finished))
    axes.set_xlim(1 - 0.02 * longest, longest + 0.02 * longest)
    _finish(axes, "report", list(range(1, longest + 1)))


def _finish(axes: Axes, name: str, ticks: Sequence[int]) -> None:
    axes.margins(y=0.2)
    axes.xaxis.set_major_locator(FixedLocator(list(ticks)[:: max(1, len(ticks) // 12)]))
    axes.set_xlabel(name, fontsize=8, color=QUIET)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2f}"))
    axes.locator_params(axis="y", nbins=4)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)


def _mark_best(axes: Axes, numbers: np.ndarray, values: np.ndarray) -> None:
    if not np.isfinite(values).any():
        return
    best = int(np.nanargmax(values))
    style = {"textcoords": "offset points", "xytext": (0, 9), "ha": "center", "fontsize": 9, "fontweight": "bold"}
    axes.annotate(f"{values[best]:.3f}", (numbers[best], values[best]), color=INK, **style)


def draw_importance(shares: Mapping[str, float], n_trials: int) -> Figure:
    """Draw the share of the differences in kappa that each setting explains, as bars, the largest on top.

    Parameters
    ----------
    shares : mapping of str to float
        As `measure_importance` gives them; they add up to 1.
    n_trials : int
        Finished trials that they were estimated from.
    """
    ordered = sorted(shares.items(), key=lambda pair: pair[1])
    names, values = [name for name, _ in ordered], [share for _, share in ordered]
    height_in = 0.34 * len(names) + 0.1
    figure, (axes,) = stack_axes([height_in], top_in=0.62, bottom_in=0.2, gap_in=0, left_in=2.35, right_in=0.8)
    axes.barh(range(len(names)), values, height=0.56, color=_LINE)
    axes.set(xlim=(0, max(values, default=1) or 1), ylim=(-0.6, len(names) - 0.4), xticks=[])
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", labelsize=9, labelcolor=INK)
    for row, share in enumerate(values):
        style = {"textcoords": "offset points", "xytext": (6, 0), "va": "center", "fontsize": 9}
        axes.annotate(_percent(share), (share, row), color=INK, **style)
    write_headline(figure, "What made the difference", f"fANOVA over {n_trials} finished trials", left_in=0.3)
    return figure


def draw_front(search: Search) -> Figure:
    """Draw kappa against the operations of scoring one picture; trials that none betters for less, joined by a step."""
    figure, (axes,) = stack_axes([2.4], top_in=0.62, bottom_in=0.55, gap_in=0)
    front = search.front
    others = [trial for trial in search.trials if trial.gflop is not None and not trial.failed and trial not in front]
    axes.scatter([t.gflop for t in others], [t.kappa for t in others], s=26, color=EXPERT, zorder=2)
    axes.step([t.gflop for t in front], [t.kappa for t in front], where="post", color=_LINE, linewidth=1.4, zorder=3)
    axes.scatter([t.gflop for t in front], [t.kappa for t in front], s=34, color=_DOT, zorder=4)
    for trial in front:
        style = {"textcoords": "offset points", "xytext": (0, 9), "ha": "center", "fontsize": 9}
        axes.annotate(f"trial {trial.number}: {trial.kappa:.3f}", (trial.gflop, trial.kappa), color=INK, **style)
    axes.margins(x=0.15, y=0.25)
    axes.set_xlabel("GFLOP of scoring one picture", fontsize=8, color=QUIET)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2f}"))
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    n_of = f"{len(front)} of {len(front) + len(others)} trials are bettered by none for less"
    write_headline(figure, "Validation kappa against cost", n_of)
    return figure


def _percent(share: float) -> str:
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"

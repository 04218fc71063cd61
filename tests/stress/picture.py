"""Load, faults and scorers over time, as one figure."""

from collections import Counter
from pathlib import Path

from somnolens.report.canvas import stack_axes, write_figure, write_headline
from somnolens.report.palette import INK, QUIET, STAGE_COLOURS, TRANSITION
from tests.stress.load import Attempt
from tests.stress.watch import Watcher

BIN_S = 5
KINDS = (("single", "single epochs", "N2"), ("night", "whole nights", "N3"), ("slow", "slow uploads", "W"))


def draw_stress(attempts: list[Attempt], watcher: Watcher, path: Path, title: str) -> None:
    """Scorers, answers a second, and seconds to the answer, one below the other."""
    figure, (scorers, rate, latency) = stack_axes([1.0, 1.3, 1.7], top_in=1.1, bottom_in=0.55, gap_in=0.3)
    end_s = max(at_s for at_s, _ in watcher.scorers)
    write_headline(figure, title, f"answers by kind; bins of {BIN_S} s")
    scorers.step(*zip(*watcher.scorers, strict=True), where="post", color=INK, linewidth=1.4)
    scorers.set_ylabel("scorers")
    scorers.set_ylim(0, 3.6)
    scorers.set_yticks([0, 1, 2, 3])
    for kind, label, stage in KINDS:
        right = [one for one in attempts if one.kind == kind and one.adapter]
        ended = Counter(int((one.began_s + one.seconds) // BIN_S) for one in right)
        times = range(int(end_s // BIN_S) + 1)
        colour = STAGE_COLOURS[stage]
        rate.plot([BIN_S * (at + 0.5) for at in times], [ended[at] / BIN_S for at in times], color=colour, label=label)
        latency.scatter([one.began_s for one in right], [one.seconds for one in right], s=5, color=colour, alpha=0.7)
    rate.set_ylabel("right answers/s")
    rate.set_ylim(0, 1.35 * rate.get_ylim()[1])
    rate.legend(frameon=False, fontsize=7.5, loc="upper right", ncols=3, labelcolor=QUIET)
    latency.set_yscale("log")
    latency.set_ylabel("seconds to it")
    latency.set_xlabel("seconds since the load began")
    for axes in (scorers, rate, latency):
        axes.set_xlim(0, end_s)
        for at_s, _ in watcher.events:
            axes.axvline(at_s, color=TRANSITION, linewidth=0.7, linestyle=(0, (3, 2)), zorder=0)
    for number, (at_s, event) in enumerate(watcher.events):
        scorers.text(at_s, 3.75 + 0.55 * (number % 3), event, fontsize=6.5, color=QUIET, ha="center", clip_on=False)
    write_figure(figure, path)

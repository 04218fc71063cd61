"""Plots of explanations: one epoch with its heat and reasons; how far each method can be believed; modalities."""

import textwrap
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from somnolens.aasm import EPOCH_S, STAGES
from somnolens.explain.epoch import Explanation
from somnolens.explain.events import Event
from somnolens.explain.faithfulness import RANDOM, MethodFigures
from somnolens.explain.heat import lay_cells
from somnolens.explain.modalities import MODALITIES, ModalityReport
from somnolens.report.canvas import LEFT_IN, RIGHT_IN, WIDTH_IN, stack_axes, write, write_headline
from somnolens.report.palette import AGAINST, EXPERT, FAINT, FOR, INK, QUIET, STAGE_COLOURS

HEAT = LinearSegmentedColormap.from_list("heat", [AGAINST, "#c9c2df", "#ffffff", "#fbd9a9", FOR])

METHOD_NAMES = {
    "signal": "occlusion of the signal",
    "patches": "ablation of 14-pixel patches",
    "attention": "attention rollout",
    "gradient": "integrated gradients",
    "gradient x input": "gradient times input",
}

LINE_CHARACTERS = 118
LINE_IN = 0.165


def draw_explanation(one: Explanation, start: datetime | None = None) -> Figure:
    """The picture with its heat and the events found in it, five probabilities, and the reasons in words.

    Parameters
    ----------
    one : Explanation
    start : datetime, optional
        Clock time of the start of the recording.
    """
    height_px, width_px = one.picture.shape
    picture_in = (WIDTH_IN - LEFT_IN - RIGHT_IN) * height_px / width_px
    lines = _wrap_reasons(one)
    heights_in = [picture_in, 0.95, LINE_IN * len(lines)]
    figure, (picture, bars, words) = stack_axes(heights_in, top_in=0.62, bottom_in=0.2, gap_in=0.5)
    _draw_picture(picture, one)
    _draw_probabilities(bars, one)
    _write_lines(words, lines)
    share = one.probabilities[STAGES.index(one.evidence.stage)]
    clock = f"{start + timedelta(seconds=one.onset_s):%H:%M:%S}   " if start else ""
    caption = f"{clock}{one.evidence.stage}, {100 * share:.0f} %   {METHOD_NAMES.get(one.heat.method, one.heat.method)}"
    write_headline(figure, f"{one.night}, epoch {one.epoch}", caption)
    return figure


def shade_picture(one: Explanation) -> np.ndarray:
    """The picture in colour with its heat as coloured paper under the ink, float, shape (height_px, width_px, 3)."""
    colours = one.style.palette[one.picture] / 255
    heat = one.heat.spread(one.picture.shape)
    strongest = np.quantile(np.abs(one.heat.values), 0.995) or 1.0
    return colours * HEAT(0.5 + 0.5 * np.clip(heat / strongest, -1, 1))[..., :3]


def _draw_picture(axes: Axes, one: Explanation) -> None:
    height_px, width_px = one.picture.shape
    axes.imshow(shade_picture(one), extent=(0, width_px, height_px, 0), aspect="auto", interpolation="nearest")
    axes.set(xlim=(0, width_px), ylim=(height_px, 0))
    _, columns_px = lay_cells(one.style)
    axes.set_xticks(columns_px[::5], [f"{second} s" for second in range(0, EPOCH_S + 1, 5)])
    bands = dict(zip(one.style.derivations, one.style.bands_px, strict=True))
    middles = [top + height / 2 for top, height in bands.values()]
    axes.set_yticks(middles, list(bands))
    axes.tick_params(axis="y", labelcolor=INK, labelsize=8)
    axes.spines[:].set(visible=True, color=FAINT)
    second_px = (columns_px[-1] - columns_px[0]) / EPOCH_S
    for derivation, (top, _) in bands.items():
        events = [event for event in one.evidence.measured.events if event.derivation == derivation]
        _mark_events(axes, events, one.epoch * one.step_s, top, columns_px[0], second_px)
    _explain_colours(axes, one)


def _mark_events(
    axes: Axes, events: Sequence[Event], onset_s: float, top: float, left_px: float, second_px: float
) -> None:
    """A bar for each event at the top of its band, and its name over the first of a kind."""
    named: list[float] = []
    kinds: set[str] = set()
    for event in events:
        begin, end = (left_px + second_px * (at - onset_s) for at in (event.start_s, event.end_s))
        axes.plot([begin, end], [top + 2, top + 2], color=INK, linewidth=1.6, solid_capstyle="butt")
        is_free = all(abs(begin - other) > 4.2 * second_px for other in named)
        if event.kind not in kinds and is_free:
            kinds.add(event.kind)
            named.append(begin)
            box = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.6}
            write(axes, begin, top + 4, event.kind, size=6, ha="left", va="top", bbox=box)


def _explain_colours(axes: Axes, one: Explanation) -> None:
    stage, strongest = one.heat.stage, np.quantile(np.abs(one.heat.values), 0.995)
    sides = [(0.0, FOR, f"speaks for {stage}"), (0.18, AGAINST, f"speaks against {stage}")]
    if one.heat.method == "attention":  # tells where, not for what
        sides = [(0.0, FOR, "looked at by the answer")]
    for x, colour, said in sides:
        axes.add_patch(
            Rectangle((x, -0.125), 0.016, 0.028, transform=axes.transAxes, facecolor=colour, clip_on=False, linewidth=0)
        )
        write(axes, x + 0.022, -0.111, said, size=7.5, colour=QUIET, ha="left", transform=axes.transAxes)
    said = f"full colour: {strongest:.2g}; {one.heat.unit}"
    write(axes, 1.0, -0.111, said, size=7.5, colour=QUIET, ha="right", transform=axes.transAxes)


def _draw_probabilities(axes: Axes, one: Explanation) -> None:
    """Bars of the night-level probabilities; a tick where the picture by itself stands."""
    axes.set(xlim=(0, 1), ylim=(len(STAGES) - 0.5, -0.5))
    labels = [f"{stage}   {100 * share:.0f} %" for stage, share in zip(STAGES, one.probabilities, strict=True)]
    axes.set_yticks(range(len(STAGES)), labels)
    axes.set_xticks([])
    axes.tick_params(axis="y", labelcolor=INK)
    for row, stage in enumerate(STAGES):
        share, alone = one.probabilities[row], one.heat.before[row]
        axes.barh(row, 1, height=0.72, color=FAINT, linewidth=0)
        axes.barh(row, share, height=0.72, color=STAGE_COLOURS[stage], linewidth=0)
        axes.plot([alone, alone], [row - 0.36, row + 0.36], color=INK, linewidth=1.2)
    write(
        axes,
        1,
        len(STAGES) - 0.02,
        "bar: with its neighbours; line: the picture by itself",
        size=7,
        colour=QUIET,
        ha="right",
    )


def _wrap_reasons(one: Explanation) -> list[tuple[str, str]]:
    """Lines of text with their weight: the verdict, then what speaks for a stage and what against."""
    lines = [(part, "bold") for part in textwrap.wrap(one.verdict, LINE_CHARACTERS)]
    for reason in one.reasons:
        marker = "+ " if reason.startswith("For") else "- "
        wrapped = textwrap.wrap(reason, LINE_CHARACTERS - 2)
        lines += [(("   " if n else marker) + part, "normal") for n, part in enumerate(wrapped)]
    return lines


def _write_lines(axes: Axes, lines: Sequence[tuple[str, str]]) -> None:
    axes.set(xlim=(0, 1), ylim=(len(lines), 0))
    axes.axis("off")
    for row, (text, weight) in enumerate(lines):
        write(axes, 0, row + 0.5, text, size=8, ha="left", fontweight=weight)


def draw_faithfulness(figures: Sequence[MethodFigures]) -> Figure:
    """Deletion and insertion curves of each method, the random order in grey, and the areas beside their names."""
    figure, (deletion, insertion) = stack_axes([2.1, 2.1], top_in=0.62, bottom_in=0.45, gap_in=0.5, right_in=2.6)
    shares = np.linspace(0, 1, len(figures[0].curves.deletion))
    colours = dict(zip([one.method for one in figures if one.method != RANDOM], LINES, strict=False))
    for axes, name in ((deletion, "deletion"), (insertion, "insertion")):
        ends = []
        for one in figures:
            colour, dashes = colours.get(one.method, (EXPERT, "-"))
            axes.plot(shares, getattr(one.curves, name), color=colour, linestyle=dashes, linewidth=1.8)
            ends.append((one.method, getattr(one, name), colour, dashes))
        _list_areas(axes, name, ends)
        axes.set(xlim=(0, 1), ylim=(0, 1), yticks=[0, 0.5, 1])
        axes.grid(axis="y", color=FAINT, linewidth=0.7)
        axes.set_axisbelow(True)
    deletion.set_xticks([])
    insertion.set_xticks([0, 0.5, 1], ["0", "half of the cells", "all"])
    write_headline(figure, "Which map to believe", "probability of the stage as cells go (above) or come (below)")
    return figure


LINES = [("#1f499e", "-"), ("#c45100", "-"), ("#00807a", "-"), ("#7a3e9d", "--"), ("#d62246", ":"), (INK, "-.")]
"""Colour and dashes of each method, so that lines stay apart without colour vision."""


def _list_areas(axes: Axes, name: str, ends: Sequence[tuple]) -> None:
    wanted = "smaller is better" if name == "deletion" else "larger is better"
    write(axes, 1.06, 1.0, f"area under {name} ({wanted})", size=7.5, colour=QUIET, ha="left", transform=axes.transAxes)
    ranked = sorted(ends, key=lambda end: end[1].value, reverse=name == "insertion")
    for row, (method, area, colour, dashes) in enumerate(ranked):
        y = 0.87 - 0.125 * row
        axes.plot(
            [1.06, 1.11], [y, y], color=colour, linestyle=dashes, linewidth=1.8, transform=axes.transAxes, clip_on=False
        )
        said = f"{area.value:.2f}  {METHOD_NAMES.get(method, method)}"
        write(axes, 1.125, y, said, size=7.5, ha="left", transform=axes.transAxes)


def draw_modalities(report: ModalityReport) -> Figure:
    """Probability of the true stage that is lost without each modality, with intervals over subjects."""
    figure, (axes,) = stack_axes([2.4], top_in=0.62, bottom_in=0.45, gap_in=0)
    shades = {"EEG": "#1f499e", "EOG": "#c45100", "EMG": "#404650"}
    for place, modality in enumerate(MODALITIES):
        for column, stage in enumerate(STAGES):
            loss = report.losses[modality][stage].probability
            x = column + 0.26 * (place - 1)
            axes.bar(
                x, loss.value, width=0.22, color=shades[modality], linewidth=0, label=modality if not column else None
            )
            axes.plot([x, x], [loss.low, loss.high], color=QUIET, linewidth=1.1)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set_xticks(range(len(STAGES)), [f"{stage}\n{report.n_epochs[stage]:,} epochs" for stage in STAGES])
    axes.grid(axis="y", color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="upper right", labelcolor=INK)
    write_headline(
        figure, "Which modality drives which stage", f"probability lost without it; {report.n_subjects} subjects"
    )
    return figure

"""Plots of a comparison: systems in a row, curves over severities, what each choice is worth."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from somnolens.evaluate.comparison import STEP_SUFFIX
from somnolens.evaluate.robustness import CLEAN
from somnolens.report.canvas import grid_axes, stack_axes, write_headline
from somnolens.report.comparison_tables import format_count, format_seconds
from somnolens.report.palette import EXPERT, FAINT, INK, QUIET, STAGE_COLOURS

Row = Mapping[str, Any]

N_COLUMNS: Final = 3
"""Panels in a row."""

OURS: Final = STAGE_COLOURS["N3"]
OTHERS: Final = (
    (STAGE_COLOURS["R"], "s"),
    (STAGE_COLOURS["N2"], "^"),
    (STAGE_COLOURS["W"], "D"),
    (QUIET, "v"),
    ("#6b4fa0", "P"),
)
"""Colour and mark of each other system: told apart by the mark where colours are not."""

_IN_PER_LETTER: Final = 0.068
"""Of a name beside a row, as wide as letters are on average."""

COLUMNS: Final = (("macro-F1", 0.0), ("a night", 0.8), ("training", 1.55), ("parameters", 2.4))
"""Headings at the right of the first plot, and their place in inches."""


def draw_systems(rows: Sequence[Row], ours: str) -> Figure:
    """Draw the kappa of every system as a dot with its interval, the best on top; ours in full colour.

    Parameters
    ----------
    rows : sequence of mapping
        As `describe_standings` gives them.
    ours : str
    """
    ordered = sorted(rows, key=lambda row: row["kappa"]["value"])
    height_in = 0.32 * len(ordered) + 0.1
    figure, (axes,) = stack_axes([height_in], top_in=0.95, bottom_in=0.5, gap_in=0, left_in=1.85, right_in=3.4)
    axes.set(xlim=(min(-0.05, *(row["kappa"]["value"] - 0.05 for row in rows)), 1.0), ylim=(-0.6, len(rows) - 0.4))
    axes.set_yticks(range(len(ordered)), [row["system"] for row in ordered])
    axes.tick_params(axis="y", labelsize=9, labelcolor=INK)
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    for place, row in enumerate(ordered):
        is_ours = row["system"].removesuffix(STEP_SUFFIX) == ours.removesuffix(STEP_SUFFIX)
        _draw_interval(axes, place, row["kappa"], OURS if is_ours else QUIET)
        axes.get_yticklabels()[place].set_fontweight("bold" if is_ours else "normal")
    axes.set_xlabel("Cohen's kappa, 95 % interval over subjects", fontsize=8, color=QUIET)
    _write_columns(figure, axes, ordered)
    n_subjects, n_epochs = rows[0]["n_subjects"], rows[0]["n_epochs"]
    write_headline(figure, "Against its peers", f"{n_subjects} held-out subjects, {n_epochs:,} epochs", left_in=0.3)
    return figure


def _draw_interval(axes: Axes, y: float, value: Row, colour: str) -> None:
    if value["low"] is not None:
        axes.plot([value["low"], value["high"]], [y, y], color=colour, linewidth=2.2, solid_capstyle="butt", alpha=0.55)
    axes.plot(value["value"], y, "o", color=colour, markersize=6.5, zorder=3)
    axes.annotate(
        f"{value['value']:.2f}",
        (value["value"], y),
        textcoords="offset points",
        xytext=(0, 6),
        ha="center",
        fontsize=7.5,
        color=INK,
    )


def _write_columns(figure: Figure, axes: Axes, ordered: Sequence[Row]) -> None:
    box = axes.get_position()
    width_in, height_in = figure.get_size_inches()
    for name, place_in in COLUMNS:
        x = box.x1 + (0.55 + place_in) / width_in
        figure.text(x, box.y1 + 0.12 / height_in, name, fontsize=8, color=QUIET, ha="center", va="bottom")
        for row_place, row in enumerate(ordered):
            y = box.y0 + box.height * (row_place + 0.6) / (len(ordered) + 0.2)
            figure.text(x, y, _tell(row, name), fontsize=8.5, color=INK, ha="center", va="center")


def _tell(row: Row, name: str) -> str:
    if name == "macro-F1":
        return f"{row['macro_f1']['value']:.2f}"
    if name == "parameters":
        return format_count(row["n_parameters"]) or "-"
    return format_seconds(row["scoring_s"] if name == "a night" else row["training_s"]) or "-"


def draw_robustness(rows: Sequence[Row], ours: str) -> Figure:
    """Draw balanced accuracy over the severities of each corruption: a panel for each, a line for each system.

    Parameters
    ----------
    rows : sequence of mapping
        As `describe_robustness` gives them.
    ours : str
    """
    systems = sorted({row["system"] for row in rows}, key=lambda name: (name != ours, name))
    corruptions = [name for name in dict.fromkeys(row["corruption"] for row in rows) if name != CLEAN]
    n_rows = -(-len(corruptions) // N_COLUMNS)
    room = {"height_in": 1.45, "top_in": 1.05, "bottom_in": 0.35, "gap_in": (0.62, 0.4), "left_in": 0.5}
    figure, panels = grid_axes(n_rows, N_COLUMNS, **room)
    for spare in panels[len(corruptions) :]:
        spare.remove()
    lowest = min(row["balanced_accuracy"]["value"] for row in rows)
    for axes, corruption in zip(panels, corruptions, strict=False):
        _draw_panel(axes, rows, corruption, systems)
        axes.set_ylim(max(0.0, lowest - 0.06), 1.0)
    _write_systems(figure, systems)
    write_headline(figure, "Balanced accuracy on spoilt recordings", "95 % intervals over subjects", left_in=0.45)
    return figure


def style_system(place: int) -> tuple[str, str]:
    """Colour and mark of a system by its place, ours first."""
    return (OURS, "o") if place == 0 else OTHERS[(place - 1) % len(OTHERS)]


def _draw_panel(axes: Axes, rows: Sequence[Row], corruption: str, systems: Sequence[str]) -> None:
    spoilt = [row for row in rows if row["corruption"] == corruption]
    severities = list(dict.fromkeys(row["severity"] for row in spoilt))
    n_below = sum(severity < 1 for severity in severities) if corruption == "gain" else 0  # clean is a gain of 1
    names = [f"{severity:g}" for severity in severities]
    names.insert(n_below, "clean")
    for place, system in reversed(list(enumerate(systems))):
        clean = [row for row in rows if row["corruption"] == CLEAN and row["part"] == spoilt[0]["part"]]
        chosen = [row for row in spoilt if row["system"] == system]
        chosen[n_below:n_below] = [row for row in clean if row["system"] == system]
        values = [row["balanced_accuracy"] for row in chosen]
        x = np.arange(len(values)) + 0.07 * (place - (len(systems) - 1) / 2)
        colour, mark = style_system(place)
        for at, value in zip(x, values, strict=True):
            if value["low"] is not None:
                axes.plot([at, at], [value["low"], value["high"]], color=colour, linewidth=1, alpha=0.4)
        axes.plot(
            x,
            [value["value"] for value in values],
            color=colour,
            marker=mark,
            markersize=4.2,
            linewidth=2.0 if place == 0 else 1.1,
            zorder=4 if place == 0 else 3,
        )
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.35, len(severities) + 0.35)
    axes.grid(axis="y", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_title(f"{corruption}, {spoilt[0]['unit']}", fontsize=8.5, color=INK, loc="left", pad=5)


def _write_systems(figure: Figure, systems: Sequence[str]) -> None:
    """A line of marks and names under the headline."""
    width_in, height_in = figure.get_size_inches()
    x_in, y = 0.5, 1 - 0.58 / height_in
    for place, system in enumerate(systems):
        colour, mark = style_system(place)
        axes = figure.add_axes((x_in / width_in, y - 0.08 / height_in, 0.16 / width_in, 0.16 / height_in))
        axes.axis("off")
        axes.plot(0.5, 0.5, mark, color=colour, markersize=5)
        weight = "bold" if place == 0 else "normal"
        figure.text((x_in + 0.2) / width_in, y, system, fontsize=8.5, color=INK, va="center", fontweight=weight)
        x_in += 0.42 + 0.068 * len(system)


def draw_ablation(rows: Sequence[Row]) -> Figure:
    """Draw the kappa of each variant, with the night-level step and, hollow, without it; the baseline as a line.

    Parameters
    ----------
    rows : sequence of mapping
        As `describe_ablation` gives them.
    """
    ordered = list(reversed(rows))
    height_in = 0.36 * len(ordered) + 0.1
    names = [f"{row['group']}: {row['variant']}" if row["group"] else row["variant"] for row in ordered]
    left_in = 0.5 + _IN_PER_LETTER * max(map(len, names))
    figure, (axes,) = stack_axes([height_in], top_in=0.75, bottom_in=0.5, gap_in=0, left_in=left_in, right_in=0.5)
    axes.set_ylim(-0.6, len(ordered) - 0.4)
    axes.set_yticks(range(len(ordered)), names)
    axes.tick_params(axis="y", labelsize=9, labelcolor=INK)
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.axvline(rows[0]["night"]["value"], color=EXPERT, linewidth=1.2, zorder=1)
    for place, row in enumerate(ordered):
        _draw_interval(axes, place, row["night"], OURS if not row["group"] else STAGE_COLOURS["N2"])
        axes.plot(row["alone"]["value"], place, "o", markersize=5, markerfacecolor="white", markeredgecolor=QUIET)
    axes.set_xlabel("Cohen's kappa of the test nights, 95 % interval over subjects", fontsize=8, color=QUIET)
    write_headline(figure, "What each choice is worth", "hollow: each epoch by itself", left_in=0.3)
    return figure

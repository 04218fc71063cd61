"""The sheet that every plot is drawn on: size, type, headline, PNG bytes.

Figures are built without pyplot, so that a server can draw in any thread. 8 inches at 200
dots per inch are 1,600 px: sharp at README width on a dense screen.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from somnolens import storage
from somnolens.report.palette import INK, QUIET

DPI = 200
WIDTH_IN = 8.0
LEFT_IN = 0.75
RIGHT_IN = 0.3
TITLE_CHARACTER_IN = 0.108
CAPTION_CHARACTER_IN = 0.064
"""About as wide as one character of a headline is, bold and quiet."""


def stack_axes(
    heights_in: Sequence[float],
    top_in: float,
    bottom_in: float,
    gap_in: float,
    left_in: float = LEFT_IN,
    right_in: float = RIGHT_IN,
) -> tuple[Figure, list[Axes]]:
    """A figure of fixed width with axes of the given heights, one below the other, in inches."""
    total_in = top_in + sum(heights_in) + gap_in * (len(heights_in) - 1) + bottom_in
    figure = Figure(figsize=(WIDTH_IN, total_in), dpi=DPI)
    axes, y_in = [], total_in - top_in
    for height_in in heights_in:
        y_in -= height_in
        box = (left_in / WIDTH_IN, y_in / total_in, 1 - (left_in + right_in) / WIDTH_IN, height_in / total_in)
        axes.append(_clean(figure.add_axes(box)))
        y_in -= gap_in
    return figure, axes


def grid_axes(
    n_rows: int,
    n_columns: int,
    height_in: float,
    top_in: float,
    bottom_in: float,
    gap_in: tuple[float, float],
    left_in: float = LEFT_IN,
    right_in: float = RIGHT_IN,
) -> tuple[Figure, list[Axes]]:
    """A figure of fixed width with equal axes in rows and columns, row by row; `gap_in` is upright, then across."""
    total_in = top_in + n_rows * height_in + (n_rows - 1) * gap_in[0] + bottom_in
    width_in = (WIDTH_IN - left_in - right_in - (n_columns - 1) * gap_in[1]) / n_columns
    figure = Figure(figsize=(WIDTH_IN, total_in), dpi=DPI)
    axes = []
    for row in range(n_rows):
        y_in = total_in - top_in - (row + 1) * height_in - row * gap_in[0]
        for column in range(n_columns):
            x_in = left_in + column * (width_in + gap_in[1])
            box = (x_in / WIDTH_IN, y_in / total_in, width_in / WIDTH_IN, height_in / total_in)
            axes.append(_clean(figure.add_axes(box)))
    return figure, axes


def write_headline(figure: Figure, title: str, caption: str, left_in: float = LEFT_IN) -> None:
    """Title at the left, bold; caption at the right, quiet."""
    room_in = WIDTH_IN - left_in - 2 * RIGHT_IN - CAPTION_CHARACTER_IN * len(caption)
    title = shorten_middle(title, int(room_in / TITLE_CHARACTER_IN))
    y = 1 - 0.3 / figure.get_figheight()
    figure.text(left_in / WIDTH_IN, y, title, fontsize=11, fontweight="bold", color=INK, va="center")
    figure.text(1 - RIGHT_IN / WIDTH_IN, y, caption, fontsize=8.5, color=QUIET, va="center", ha="right")


def shorten_middle(text: str, n_characters: int) -> str:
    """Leave out the middle of a text that is too long: names of files differ at their ends.

    Examples
    --------
    >>> shorten_middle("cohort-north_subject-0042_night-1", 16)
    'cohort-n…night-1'
    """
    if len(text) <= n_characters:
        return text
    n_tail = (n_characters - 1) // 2
    return f"{text[: n_characters - 1 - n_tail]}…{text[-n_tail:]}"


def write(axes: Axes, x: float, y: float, text: str, size: float = 9, colour: str = INK, **style: Any) -> None:
    """Write a text into the axes, centred unless `style` says otherwise."""
    axes.text(x, y, text, **({"fontsize": size, "color": colour, "ha": "center", "va": "center"} | style))


def render_png(figure: Figure) -> bytes:
    """The figure as PNG bytes, the same for the same figure: no date and no version inside."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI, facecolor="white", metadata={"Software": None})
    return stream.getvalue()


def write_figure(figure: Figure, path: Path) -> None:
    """Write the figure as PNG, atomically."""
    storage.write_bytes(path, render_png(figure))


def _clean(axes: Axes) -> Axes:
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelsize=8, labelcolor=QUIET, pad=5)
    return axes

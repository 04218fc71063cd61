"""Charts as a few plain shapes, so that a page and a PDF show the same lines, each in its own way.

matplotlib draws what is looked at as a picture. A report is read on paper, on a phone, in the dark: there a chart
must follow the colours of the page, and letters must keep their size when the width changes. So a chart is a list of
shapes whose colours are names; a page gives the names its colours by style sheet, a PDF by the palette.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Box:
    """A filled rectangle, with an edge where `edge` names a colour."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    edge: str = ""


@dataclass(frozen=True)
class Stroke:
    """A line through points."""

    points: Points
    colour: str
    width: float = 1.0


@dataclass(frozen=True)
class Area:
    """A filled polygon."""

    points: Points
    fill: str


@dataclass(frozen=True)
class Letters:
    """A text; `y` is its base line."""

    x: float
    y: float
    text: str
    colour: str = "ink"
    size: float = 11.0
    anchor: Literal["start", "middle", "end"] = "start"
    bold: bool = False


@dataclass(frozen=True)
class Raster:
    """A picture stretched over a rectangle."""

    x: float
    y: float
    width: float
    height: float
    png: bytes


Shape = Box | Stroke | Area | Letters | Raster


@dataclass(frozen=True)
class Drawing:
    """Shapes on a sheet; the first is the lowest. Coordinates are CSS pixels from the upper left corner.

    Parameters
    ----------
    width, height : float
    title : str
        What it is, for those who cannot see it.
    description : str
        What it shows, in words.
    shapes : tuple of Shape
    """

    width: float
    height: float
    title: str
    description: str
    shapes: tuple[Shape, ...] = field(default=())


def render_svg(drawing: Drawing, style: str = "", is_decoration: bool = False) -> str:
    """The drawing as an SVG element whose colours come from a style sheet: `f-NAME` fills, `s-NAME` strokes.

    Parameters
    ----------
    drawing : Drawing
    style : str
        Class of the element.
    is_decoration : bool
        Whether what it shows stands beside it in words.

    Examples
    --------
    >>> render_svg(Drawing(9, 5, "A box", "It is black.", (Box(0, 0, 9, 5, "ink"),)), "w", is_decoration=True)
    '<svg viewBox="0 0 9 5" class="w" aria-hidden="true"><rect x="0" y="0" width="9" height="5" class="f-ink"/></svg>'
    """
    size = f'viewBox="0 0 {_n(drawing.width)} {_n(drawing.height)}" class="{style}"'
    body = "".join(_render(shape) for shape in drawing.shapes)
    if is_decoration:
        return f'<svg {size} aria-hidden="true">{body}</svg>'
    words = f"<title>{escape(drawing.title)}</title><desc>{escape(drawing.description)}</desc>"
    label = f'aria-label="{escape(drawing.title)}. {escape(drawing.description)}"'
    return f'<svg {size} role="img" {label}>{words}{body}</svg>'


def _render(shape: Shape) -> str:
    if isinstance(shape, Box):
        edge = f" s-{shape.edge}" if shape.edge else ""
        return f'<rect {_place(shape)} class="f-{shape.fill}{edge}"/>'
    if isinstance(shape, Stroke):
        return f'<path d="{_trace(shape.points)}" class="line s-{shape.colour}" stroke-width="{_n(shape.width)}"/>'
    if isinstance(shape, Area):
        return f'<path d="{_trace(shape.points)}z" class="f-{shape.fill}"/>'
    if isinstance(shape, Raster):
        return f'<image {_place(shape)} preserveAspectRatio="none" href="{encode_data(shape.png)}"/>'
    bold = ' font-weight="600"' if shape.bold else ""
    place = f'x="{_n(shape.x)}" y="{_n(shape.y)}" text-anchor="{shape.anchor}" font-size="{_n(shape.size)}"'
    return f'<text {place}{bold} class="f-{shape.colour}">{escape(shape.text)}</text>'


def encode_data(png: bytes) -> str:
    """A picture as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _place(shape: Box | Raster) -> str:
    names = ("x", "y", "width", "height")
    return " ".join(f'{name}="{_n(getattr(shape, name))}"' for name in names)


def _trace(points: Points) -> str:
    """Steps along one axis are written as such: a step curve has half its letters."""
    written, (x0, y0) = [f"M{_n(points[0][0])} {_n(points[0][1])}"], points[0]
    for x, y in points[1:]:
        written.append(f"V{_n(y)}" if x == x0 else f"H{_n(x)}" if y == y0 else f"L{_n(x)} {_n(y)}")
        x0, y0 = x, y
    return "".join(written)


def _n(value: float) -> str:
    """A number to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")

"""Contact sheets: many pictures on one page, each with its caption, for a person to look over.

Lettering is DejaVu Sans, which comes with matplotlib, so that a page is the same bytes on every machine.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

MARGIN_PX, GAP_PX, FRAME_PX = 28, 16, 1
_TITLE_PX, _HEADING_PX, _CAPTION_PX = 26, 17, 14
_HEAD_ROOM_PX, _HEADING_ROOM_PX, _CAPTION_ROOM_PX = 84, 34, 24
"""Height of the lettering, and of the lines it stands in, at scale 1."""

_PAPER, _INK, _FAINT, _FRAME = (255, 255, 255), (24, 30, 40), (92, 101, 114), (200, 206, 214)


@dataclass(frozen=True, eq=False)
class Tile:
    """One picture of a sheet.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height_px, width_px, 3)
    caption : str
        One line under it, shortened where it is longer than the picture is wide; '' for none.
    """

    picture: np.ndarray
    caption: str = ""


@dataclass(frozen=True, eq=False)
class Section:
    """Tiles in rows, under a heading.

    Parameters
    ----------
    tiles : sequence of Tile
    n_columns : int
        Tiles in a row.
    most_tile_px : int
        Wider pictures are made smaller to this width; none is made larger.
    heading, note : str
        A line above the tiles, and a fainter one beside it; without a heading there is neither.
    """

    tiles: Sequence[Tile]
    n_columns: int
    most_tile_px: int = 448
    heading: str = ""
    note: str = ""


def compose_sheet(title: str, note: str, sections: Sequence[Section], letters: float = 1.0) -> np.ndarray:
    """Lay sections below each other, under a title and a fainter note.

    Parameters
    ----------
    title, note : str
    sections : sequence of Section
    letters : float
        Scale of the lettering; larger for a sheet that is looked at from afar, as on a page narrower than it.

    Returns
    -------
    ndarray of uint8, shape (height_px, width_px, 3)

    Examples
    --------
    >>> white = np.full((100, 200, 3), 255, np.uint8)
    >>> compose_sheet("N2", "3 epochs", [Section([Tile(white, "one")] * 3, n_columns=2)]).shape
    (408, 476, 3)
    """
    blocks = [_write_head(title, note, letters)]
    blocks += [block for section in sections for block in _lay_section(section, letters)]
    width = max(block.width for block in blocks) + 2 * MARGIN_PX
    height = sum(block.height for block in blocks) + 2 * MARGIN_PX - GAP_PX
    sheet, top = Image.new("RGB", (width, height), _PAPER), MARGIN_PX
    for block in blocks:
        sheet.paste(block, (MARGIN_PX, top))
        top += block.height
    return np.asarray(sheet)


def encode_sheet(sheet: np.ndarray, few_colours: bool = False) -> bytes:
    """PNG file of a sheet; equal sheets give equal bytes. With few colours it is less than half as large."""
    sink, picture = io.BytesIO(), Image.fromarray(sheet)
    if few_colours:
        picture = picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    picture.save(sink, "png", compress_level=6)
    return sink.getvalue()


def _write_head(title: str, note: str, letters: float) -> Image.Image:
    lines = [
        (title, _load_font(_TITLE_PX * letters, bold=True), _INK),
        (note, _load_font(_HEADING_PX * letters), _FAINT),
    ]
    width = max(int(font.getlength(text)) + 1 for text, font, _ in lines)
    head = Image.new("RGB", (width, round(_HEAD_ROOM_PX * letters)), _PAPER)
    for top, (text, font, ink) in zip((0, 38 * letters), lines, strict=True):
        ImageDraw.Draw(head).text((0, top), text, ink, font)
    return head


def _lay_section(section: Section, letters: float) -> list[Image.Image]:
    tiles = [_frame(tile, section.most_tile_px, letters) for tile in section.tiles]
    rows = [tiles[first : first + section.n_columns] for first in range(0, len(tiles), section.n_columns)]
    heading = [_write_heading(section.heading, section.note, letters)] if section.heading else []
    return heading + [_lay_row(row) for row in rows]


def _write_heading(heading: str, note: str, letters: float) -> Image.Image:
    bold, plain = _load_font(_HEADING_PX * letters, bold=True), _load_font(_CAPTION_PX * letters)
    left = int(bold.getlength(heading)) + GAP_PX
    line = Image.new("RGB", (left + int(plain.getlength(note)) + 1, round(_HEADING_ROOM_PX * letters)), _PAPER)
    draw = ImageDraw.Draw(line)
    draw.text((0, 22 * letters), heading, _INK, bold, anchor="ls")
    draw.text((left, 22 * letters), note, _FAINT, plain, anchor="ls")
    return line


def _lay_row(tiles: Sequence[Image.Image]) -> Image.Image:
    width = sum(tile.width for tile in tiles) + GAP_PX * (len(tiles) - 1)
    row, left = Image.new("RGB", (width, max(tile.height for tile in tiles) + GAP_PX), _PAPER), 0
    for tile in tiles:
        row.paste(tile, (left, 0))
        left += tile.width + GAP_PX
    return row


def _frame(tile: Tile, most_px: int, letters: float) -> Image.Image:
    """The picture in a thin frame, its caption under it."""
    picture = _fit(Image.fromarray(tile.picture), most_px)
    width, height = picture.width + 2 * FRAME_PX, picture.height + 2 * FRAME_PX
    room = round(_CAPTION_ROOM_PX * letters) if tile.caption else 0
    framed = Image.new("RGB", (width, height + room), _PAPER)
    framed.paste(_FRAME, (0, 0, width, height))
    framed.paste(picture, (FRAME_PX, FRAME_PX))
    font = _load_font(_CAPTION_PX * letters)
    text = _shorten(tile.caption, font, width)
    ImageDraw.Draw(framed).text((0, height + 19 * letters), text, _FAINT, font, anchor="ls")
    return framed


def _fit(picture: Image.Image, most_px: int) -> Image.Image:
    if picture.width <= most_px:
        return picture
    height = max(round(picture.height * most_px / picture.width), 1)
    return picture.resize((most_px, height), Image.Resampling.BOX)  # area means keep the darkness of fine strokes


def _shorten(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


@cache
def _load_font(size_px: float, bold: bool = False) -> ImageFont.FreeTypeFont:
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name
    return ImageFont.truetype(path, size_px, layout_engine=ImageFont.Layout.BASIC)

"""Pages of pictures: every picture is there, whole and where it belongs."""

import io

import numpy as np
from PIL import Image

from somnolens.render.sheet import GAP_PX, MARGIN_PX, Section, Tile, compose_sheet, encode_sheet

HEAD_PX = 84


def paint(colour: tuple[int, int, int], width: int = 80, height: int = 50) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)


def count(sheet: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((sheet == np.array(colour, np.uint8)).all(axis=2).sum())


def test_pictures_stand_in_rows_each_whole():
    tiles = [Tile(paint(colour)) for colour in (RED, GREEN, BLUE)]
    sheet = compose_sheet("", "", [Section(tiles, n_columns=2)])
    assert [count(sheet, colour) for colour in (RED, GREEN, BLUE)] == [80 * 50] * 3
    top, left = MARGIN_PX + HEAD_PX + 1, MARGIN_PX + 1
    assert tuple(sheet[top, left]) == RED
    assert tuple(sheet[top, left + 82 + GAP_PX]) == GREEN
    assert tuple(sheet[top + 52 + GAP_PX, left]) == BLUE


def test_wide_pictures_are_made_smaller_and_small_ones_not_larger():
    tiles = [Tile(paint(RED, 400, 200)), Tile(paint(GREEN))]
    sheet = compose_sheet("", "", [Section(tiles, n_columns=2, most_tile_px=100)])
    assert count(sheet, RED) == 100 * 50
    assert count(sheet, GREEN) == 80 * 50


def test_a_caption_too_long_for_its_picture_ends_with_an_ellipsis():
    """Not in the middle of a letter, and not in its neighbour."""

    def draw(caption: str) -> bytes:
        tiles = [Tile(paint(RED), caption), Tile(paint(GREEN))]
        return compose_sheet("", "", [Section(tiles, n_columns=2)]).tobytes()

    assert draw("much longer than its picture is wide") == draw("much lon…")


def test_sections_have_their_heading_above_them():
    section = Section([Tile(paint(RED))], 1, heading="heading", note="a note")
    with_it, without = (compose_sheet("t", "n", [one]) for one in (section, Section(section.tiles, 1)))
    assert len(with_it) == len(without) + 34
    assert np.flatnonzero((with_it == RED).all(axis=(1, 2)) | (with_it[:, MARGIN_PX + 1] == RED).all(axis=1))[0] == (
        MARGIN_PX + HEAD_PX + 34 + 1
    )


def test_letters_outside_ascii_have_shapes_of_their_own():
    """Names of cohorts and subjects are not all English; a missing letter would be one empty box for all."""
    pages = [compose_sheet(letter, "", [Section([Tile(paint(RED))], 1)]) for letter in "µåжŁ"]
    assert len({page.tobytes() for page in pages}) == 4


def test_equal_sheets_are_equal_bytes():
    sheets = [compose_sheet("title", "note", [Section([Tile(paint(RED), "one")], 1)]) for _ in range(2)]
    assert encode_sheet(sheets[0]) == encode_sheet(sheets[1])


def test_a_sheet_of_few_colours_keeps_those_it_has():
    sheet = compose_sheet("", "", [Section([Tile(paint(colour)) for colour in (RED, GREEN, BLUE)], 3)])
    with Image.open(io.BytesIO(encode_sheet(sheet, few_colours=True))) as seen:
        assert seen.mode == "P"
        np.testing.assert_array_equal(np.asarray(seen.convert("RGB")), sheet)

"""The sheet of styles shows what there is to choose from."""

import shutil

import pytest
from PIL import Image

from somnolens.config import STYLE_PRESETS, PrepareSettings, RenderSettings
from somnolens.jobs.draw_figures import (
    BROWSERS,
    PAGE_WIDTH_PX,
    SHOTS,
    draw_page,
    draw_styles,
    list_styles,
    pick_epoch,
    tell_style,
)
from somnolens.read.cohorts import find_nights
from somnolens.render.style import Style
from tests.small_cohort import write_small_cohort


def test_every_preset_is_shown_and_no_two_styles_are_the_same():
    styles = list_styles()
    assert set(STYLE_PRESETS) < set(styles)
    assert len({Style(render, PrepareSettings()).hash for render in styles.values()}) == len(styles)


@pytest.mark.parametrize("name", ["amplitude", "ink", "grid", "epochs_shown", "spectrum_px"])
def test_every_switch_is_shown_alone_or_in_a_preset(name):
    default = getattr(RenderSettings(), name)
    assert [key for key, render in list_styles().items() if getattr(render, name) != default]


def test_a_style_is_told_by_its_size_and_what_sets_it_apart():
    assert tell_style(RenderSettings(preset="paper-336")) == (
        "336 x 336 px, each epoch min-max, stroke 1 px, colour, no grid"
    )
    assert tell_style(RenderSettings(preset="spectrum-448")).endswith("grid, spectrogram of 32 px")
    assert tell_style(RenderSettings(preset="three-1344")).endswith("between its neighbours")


def test_the_sheet_holds_a_row_for_each_style_of_five_pictures(tmp_path):
    """Five tiles of 352 px, frames, gaps and margins; as high as what is under each other, by hand."""
    nights = find_nights(write_small_cohort(tmp_path, 1), "simulated")
    sheet = draw_styles({stage: pick_epoch(nights, stage) for stage in ("W", "N1", "N2", "N3", "R")})
    below = 2 + 38 + 16
    strips, squares, long = 6 * (176 + below), 336 + below, 2 * 2 * (98 + below)
    spectrum = 201 + below - (176 + below)
    assert sheet.shape == (2 * 28 - 16 + 134 + 9 * 54 + strips + squares + long + spectrum, 5 * 354 + 4 * 16 + 56, 3)


@pytest.mark.slow
def test_the_page_of_a_report_is_drawn_part_by_part(tmp_path):
    if not any(map(shutil.which, BROWSERS)):
        pytest.skip("no Chromium or Chrome is on the PATH")
    body = "<header style='background:#0f0'>up</header><section id='review' style='background:#f00'>down</section>"
    (tmp_path / "report.html").write_text(f"<html><head></head><body style='margin:0'>{body}</body></html>")
    draw_page(tmp_path / "report.html", tmp_path / "report.png")
    with Image.open(tmp_path / "report.png") as picture:
        assert picture.size == (PAGE_WIDTH_PX, sum(height for _, height in SHOTS))
        assert picture.convert("RGB").getpixel((PAGE_WIDTH_PX - 5, 2)) == (0, 255, 0)
        assert picture.convert("RGB").getpixel((PAGE_WIDTH_PX - 5, SHOTS[0][1] + 2)) == (255, 0, 0)

"""The raster against a second renderer, and the properties every picture has."""

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from somnolens.config import STYLE_PRESETS, PrepareSettings, RenderSettings
from somnolens.render.pictures import render_signals
from somnolens.render.png import encode_png
from somnolens.render.style import EMPTY, FIRST_INK, LEVELS, Style

ALL = np.ones(6, dtype=bool)

A_SHADE = 2 / LEVELS
"""Where two renderers round differently: ink fainter than two of our shades may be there or not."""


def make_style(**changes) -> Style:
    return Style(RenderSettings(**changes), PrepareSettings())


def make_waves(seed: int = 0) -> np.ndarray:
    """One epoch of noise, rhythms and a step in six derivations, small enough to stay in their bands."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(3000) / 100
    waves = rng.normal(0, 4, (6, 3000))
    waves[0] += 20 * np.sin(2 * np.pi * 1.0 * time_s)
    waves[1] += 15 * np.sin(2 * np.pi * 10 * time_s)
    waves[2, 1500:] += 15
    waves[3] += 30 * np.sin(2 * np.pi * 0.3 * time_s)
    return waves[None].astype(np.float32)


def find_extent(ink: np.ndarray) -> np.ndarray:
    """First and last inked row of each column, shape (width, 2); -1 where there is none."""
    extents = [np.flatnonzero(column) for column in ink.T]
    return np.array([(rows[0], rows[-1]) if len(rows) else (-1, -1) for rows in extents])


def ink_of(picture: np.ndarray, band: int) -> np.ndarray:
    first = FIRST_INK + band * LEVELS
    return (picture >= first) & (picture < first + LEVELS)


def draw_with_agg(samples_uv: np.ndarray, band: int, style: Style) -> np.ndarray:
    """The same trace as a matplotlib line on a bare canvas: its coverage of each pixel, 0 to 1."""
    height, width = style.shape_px
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    top, band_height = style.bands_px[band]
    columns = np.arange(len(samples_uv)) * width / len(samples_uv)
    rows = top + band_height / 2 - samples_uv / style.uv_per_px[band]
    axes.plot(columns, rows, color="black", linewidth=style.render.stroke_px * 0.72, antialiased=True, snap=False)
    with matplotlib.rc_context({"path.simplify": False}):
        canvas.draw()
    return 1 - np.asarray(canvas.buffer_rgba())[..., 0] / 255


@pytest.mark.parametrize("preset", ["strip-448", "wide-896"])
@pytest.mark.parametrize("band", range(6))
def test_every_column_covers_the_rows_that_matplotlib_covers(preset, band):
    style = make_style(preset=preset, grid=False)
    waves = make_waves()
    alone = np.zeros_like(waves)
    alone[:, band] = waves[:, band]
    present = np.arange(6) == band
    ours = find_extent(ink_of(render_signals(alone, present, style)[0], band))
    coverage = draw_with_agg(waves[0, band], band, style)
    widest, surest = find_extent(widen(coverage > 0)), find_extent(coverage > A_SHADE)
    surest_nearby = find_extent(widen(ink_of(render_signals(alone, present, style)[0], band)))
    outwards = np.array([-1, 1])
    assert ((ours - widest) * outwards).max() <= 1
    assert ((surest - surest_nearby)[surest[:, 0] >= 0] * outwards).max() <= 1


def widen(ink: np.ndarray) -> np.ndarray:
    """Ink of a column and its two neighbours: a steep stroke on a border may lie on either side of it."""
    padded = np.pad(ink, ((0, 0), (1, 1)))
    return padded[:, :-2] | padded[:, 1:-1] | padded[:, 2:]


def test_a_trace_of_75_microvolts_is_30_pixels_tall_in_the_default_style():
    wave = np.zeros((1, 6, 3000), np.float32)
    wave[0, 0, 1000:2000] = 37.5
    wave[0, 0, 2000:] = -37.5
    rows = np.flatnonzero(ink_of(render_signals(wave, ALL, make_style())[0], 0).any(axis=1))
    assert rows[-1] - rows[0] == pytest.approx(75 / 2.5, abs=1)


def test_a_tall_wave_runs_into_the_neighbouring_band():
    style = make_style()
    wave = np.zeros((1, 6, 3000), np.float32)
    wave[0, 1] = 150 * np.sin(2 * np.pi * np.arange(3000) / 100)
    inked = ink_of(render_signals(wave, ALL, style)[0], 1).any(axis=1)
    top, height = style.bands_px[1]
    assert inked[top - 20]
    assert inked[top + height + 20]


def test_a_wave_beyond_the_picture_is_cut_at_its_edge_and_harms_nothing():
    wave = np.full((1, 6, 3000), 1e6, np.float32)
    wave[:, :, ::2] = -1e6
    assert render_signals(wave, ALL, make_style()).shape == (1, 224, 448)


def test_a_faster_wave_of_equal_height_is_darker():
    time_s = np.arange(3000) / 100
    wave = np.zeros((1, 6, 3000), np.float32)
    shades = []
    for frequency_hz in (4, 8, 12):
        wave[0, 1] = 20 * np.sin(2 * np.pi * frequency_hz * time_s)
        picture = render_signals(wave, ALL, make_style(grid=False))[0]
        level = np.where(ink_of(picture, 1), (picture.astype(int) - FIRST_INK) % LEVELS + 1, 0)
        shades.append(level.sum())
    assert shades[0] < shades[1] < shades[2]


def test_a_missing_derivation_leaves_an_empty_marked_band():
    style = make_style()
    present = np.array([True, True, True, True, False, True])
    quiet = np.zeros((1, 6, 3000), np.float32)
    picture = render_signals(quiet, present, style)[0]
    top, height = style.bands_px[4]
    assert (picture == EMPTY).any(axis=0)[: style.shape_px[1]].mean() > 0.9
    assert not ink_of(picture, 4).any()
    assert (picture[top : top + height] == EMPTY).any()


def test_min_max_fills_the_band_whatever_the_amplitude():
    style = make_style(preset="paper-336")
    waves = make_waves()
    np.testing.assert_array_equal(render_signals(waves, ALL, style), render_signals(waves * 7, ALL, style))


def test_a_flat_line_has_no_amplitude_to_stretch():
    picture = render_signals(np.zeros((1, 6, 3000), np.float32), ALL, make_style(preset="paper-336"))[0]
    assert ink_of(picture, 0).any()


@pytest.mark.parametrize("preset", STYLE_PRESETS)
def test_a_picture_has_the_size_of_its_preset(preset):
    style = make_style(preset=preset)
    assert render_signals(make_waves(), ALL, style).shape == (1, *style.shape_px)


def test_bands_fill_the_picture_without_gap_or_overlap():
    for preset in STYLE_PRESETS:
        style = make_style(preset=preset)
        ends = [top + height for top, height in style.bands_px]
        assert [top for top, _ in style.bands_px] == [0, *ends[:-1]]
        assert (ends[-1], style.render.spectrum_px) == style.spectrum_rows


def test_one_epoch_is_drawn_alike_alone_and_in_a_night():
    waves = np.concatenate([make_waves(seed) for seed in range(3)])
    style = make_style()
    np.testing.assert_array_equal(render_signals(waves, ALL, style)[1], render_signals(waves[1:2], ALL, style)[0])


def test_the_same_samples_give_the_same_bytes():
    style = make_style()
    pictures = [render_signals(make_waves(), ALL, style)[0] for _ in range(2)]
    assert encode_png(pictures[0], style.palette) == encode_png(pictures[1], style.palette)

"""What stands beside and under the traces."""

import numpy as np
import pytest
from scipy import signal

from somnolens.config import PrepareSettings, RenderSettings
from somnolens.epochs import FLAT, MISSING, Epochs
from somnolens.errors import SettingsError
from somnolens.render.missing import hide_derivations
from somnolens.render.pictures import render_epochs, render_signals
from somnolens.render.spectrum import measure_power
from somnolens.render.style import EDGE, EMPTY, FIRST_INK, FIRST_POWER, Style

ALL = np.ones(6, dtype=bool)
TIME_S = np.arange(3000) / 100


def make_style(**changes) -> Style:
    return Style(RenderSettings(**changes), PrepareSettings())


def make_night(style: Style, n_epochs: int = 5) -> Epochs:
    noise = np.random.default_rng(1).normal(0, 8, (n_epochs, 6, 3000)).astype(np.float32)
    quality = np.zeros((n_epochs, 6), np.uint8)
    return Epochs("noise", noise, style.derivations, 100.0, quality, tuple(style.derivations))


@pytest.fixture(scope="module")
def three() -> Style:
    return make_style(preset="three-1344")


def test_the_middle_third_is_the_epoch_itself_but_for_its_edges(three):
    night = make_night(three)
    alone = render_epochs(night, make_style())
    beside = render_epochs(night, three)[:, :, 449:896]
    np.testing.assert_array_equal(beside, alone[:, :, 1:])


def test_neighbours_stand_on_either_side(three):
    pictures = render_epochs(make_night(three), three)
    np.testing.assert_array_equal(pictures[2, :, 1:448], pictures[1, :, 449:896])
    np.testing.assert_array_equal(pictures[2, :, 897:], pictures[3, :, 449:896])
    assert (pictures[:, :, [448, 896]] == EDGE).any()


def test_beyond_the_ends_of_the_night_there_is_no_trace(three):
    pictures = render_epochs(make_night(three), three)
    for beyond in (pictures[0, :, :448], pictures[-1, :, 897:]):
        assert beyond.max() < FIRST_INK
        assert (beyond == EMPTY).any()


@pytest.mark.parametrize("preset", ["strip-448", "three-1344"])
def test_a_part_of_a_night_is_drawn_as_in_the_whole_night(preset):
    style = make_style(preset=preset)
    night = make_night(style)
    whole = render_epochs(night, style)
    for first, last in ((0, 2), (2, 4), (4, 9)):
        np.testing.assert_array_equal(render_epochs(night, style, first, last), whole[first:last])


@pytest.mark.parametrize("preset", ["strip-448", "three-1344", "spectrum-448"])
def test_a_derivation_that_dies_is_drawn_as_missing_from_then_on(preset):
    style = make_style(preset=preset)
    whole, dying, without = (make_night(style) for _ in range(3))
    dying.signals_uv[2:, 1] = 0
    dying.quality[2:, 1] = FLAT
    without.signals_uv[:, 1] = 0
    without.quality[:, 1] = MISSING
    pictures = render_epochs(dying, style)
    np.testing.assert_array_equal(pictures[:1], render_epochs(whole, style)[:1])
    np.testing.assert_array_equal(pictures[3:], render_epochs(without, style)[3:])


def test_an_epoch_cannot_be_a_third_of_any_width():
    with pytest.raises(ValueError, match=r"render.width_px = 448 cannot be shared by render.epochs_shown = 3"):
        make_style(epochs_shown=3)


def test_hiding_a_derivation_hides_it_in_the_neighbours_too(three):
    hidden = np.array([False, True, False, False, False, False])
    night = make_night(three)
    picture = hide_derivations(render_epochs(night, three)[2], hidden, three)
    middle = hide_derivations(render_epochs(night, make_style())[2], hidden, make_style())
    np.testing.assert_array_equal(picture[:, 449:896], middle[:, 1:])


def test_the_spectrogram_agrees_with_scipy():
    noise = np.random.default_rng(2).normal(0, 10, (1, 3000)).astype(np.float32)
    _, _, theirs = signal.spectrogram(noise[0, 25:], 100, "hann", 200, 150, detrend=False)
    ours = measure_power(noise)[0]
    np.testing.assert_allclose(ours[:, 2:57], theirs[1:65, :55], rtol=1e-3)


def test_a_rhythm_is_dark_at_its_height_in_the_strip():
    style = make_style(preset="spectrum-448")
    waves = np.zeros((1, 6, 3000), np.float32)
    waves[0, 1] = 30 * np.sin(2 * np.pi * 12 * TIME_S)
    top, height = style.spectrum_rows
    strip = render_signals(waves, ALL, style)[0, top : top + height]
    assert strip.min() >= FIRST_POWER
    assert strip.mean(axis=1).argmax() == height - 12


def test_without_an_eeg_the_strip_is_marked_empty():
    style = make_style(preset="spectrum-448")
    picture = render_signals(np.zeros((1, 6, 3000), np.float32), np.array([False] * 3 + [True] * 3), style)[0]
    strip = picture[style.spectrum_rows[0] :]
    assert strip.max() < FIRST_POWER
    assert (strip == EMPTY).any()


def test_monochrome_ink_is_black_and_keeps_its_place():
    assert make_style(ink="monochrome").palette[FIRST_INK + 14].tolist() == [0, 0, 0]
    assert make_style().palette[FIRST_INK + 14].tolist() != [0, 0, 0]
    assert make_style(ink="monochrome").hash != make_style().hash


def test_a_strip_too_high_for_the_traces_is_refused():
    with pytest.raises(SettingsError, match="6 derivations do not fit into 64 px"):
        _ = make_style(spectrum_px=160).bands_px

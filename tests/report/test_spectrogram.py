"""The night's spectrogram: powers by hand."""

import io

import numpy as np
import pytest
from PIL import Image

from somnolens.epochs import FLAT, MISSING, Epochs
from somnolens.report.spectrogram import draw_spectrogram, measure_spectrogram

RATE_HZ = 100.0
SECONDS = np.arange(3000) / RATE_HZ


def make_epochs(*rows: np.ndarray, names=("C4-M1",), quality=None) -> Epochs:
    signals_uv = np.stack(rows, axis=1).astype(np.float32)
    codes = np.zeros(signals_uv.shape[:2], np.uint8) if quality is None else quality
    return Epochs("night", signals_uv, names, RATE_HZ, codes, names)


def test_power_of_a_sine_is_half_its_amplitude_squared():
    sine = np.tile(10 * np.sin(2 * np.pi * 12 * SECONDS), (3, 1))
    found = measure_spectrogram(make_epochs(sine))
    power = (10 ** (found.power_db / 10)).sum(axis=1) * 0.2
    assert power == pytest.approx(np.full(3, 50.0), rel=0.02)
    assert np.ptp(found.frequencies_hz[found.power_db[0] > found.power_db[0].max() - 10]) < 0.9


def test_white_noise_is_level_at_its_density():
    noise = np.random.default_rng(0).normal(0, 5, (40, 3000))
    found = measure_spectrogram(make_epochs(noise))
    assert (10 ** (found.power_db / 10)).mean() == pytest.approx(2 * 25 / RATE_HZ, rel=0.02)


def test_another_eeg_stands_in_for_a_missing_central_one():
    sine = np.tile(np.sin(2 * np.pi * 5 * SECONDS), (2, 1))
    quality = np.array([[MISSING, 0]] * 2, np.uint8)
    found = measure_spectrogram(make_epochs(0 * sine, sine, names=("C4-M1", "F4-M1"), quality=quality))
    assert found.derivation == "F4-M1"


def test_an_eeg_that_is_mostly_flat_gives_way_to_a_good_one():
    sine = np.tile(np.sin(2 * np.pi * 5 * SECONDS), (4, 1))
    quality = np.array([[FLAT, 0]] * 3 + [[0, 0]], np.uint8)
    found = measure_spectrogram(make_epochs(0 * sine, sine, names=("C4-M1", "O2-M1"), quality=quality))
    assert found.derivation == "O2-M1"


def test_without_an_eeg_there_is_none():
    quality = np.full((2, 1), MISSING, np.uint8)
    assert measure_spectrogram(make_epochs(np.zeros((2, 3000)), quality=quality)) is None


def test_a_night_of_nothing_but_zeros_can_be_drawn():
    found = measure_spectrogram(make_epochs(np.zeros((2, 3000))))
    assert Image.open(io.BytesIO(draw_spectrogram(found, 10))).size == (2, 150)


def test_low_frequencies_are_at_the_bottom_and_much_power_is_bright():
    night = np.stack([20 * np.sin(2 * np.pi * hz * SECONDS) for hz in (3, 3, 27, 27)])
    picture = Image.open(io.BytesIO(draw_spectrogram(measure_spectrogram(make_epochs(night)), 2))).convert("L")
    shades = np.asarray(picture, dtype=float)
    assert shades.shape == (150, 2)
    assert shades[:, 0].argmax() > 130
    assert shades[:, 1].argmax() < 20

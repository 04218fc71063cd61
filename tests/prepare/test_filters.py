"""Filter responses against numbers worked out by hand and against scipy's Butterworth filters."""

import numpy as np
import pytest
from scipy import signal

from somnolens.aasm import FILTER_BAND_HZ
from somnolens.prepare.filters import find_mains, respond
from somnolens.prepare.resample import filter_and_resample


@pytest.mark.parametrize("kind", FILTER_BAND_HZ)
def test_cut_offs_lose_3_db(kind):
    cutoffs_hz = np.array(FILTER_BAND_HZ[kind])
    assert respond(cutoffs_hz, kind) == pytest.approx(np.sqrt(0.5), rel=0.01)


def test_constant_voltage_is_removed_and_the_middle_of_the_band_kept():
    response = respond(np.array([0.0, 0.05, 0.5, 2.0, 13.0, 100.0]), "EEG")
    assert response == pytest.approx([0, 0.00186, 0.949, 1, 1, 0.00054], abs=1e-3)


def test_a_slow_wave_of_half_a_hertz_keeps_95_percent():
    assert respond(np.array([0.5]), "EEG")[0] == pytest.approx(1 / (1 + (0.2407 / 0.5) ** 4), abs=1e-3)


def test_the_pass_equals_sosfiltfilt():
    """An independent implementation: scipy's own Butterworth filters forwards and backwards."""
    rate_hz, samples = 500.0, np.random.default_rng(0).normal(0, 30, 60_000).cumsum() * 0.05
    samples += np.random.default_rng(1).normal(0, 30, 60_000)
    low_hz, high_hz = 0.3 * (2**0.5 - 1) ** 0.25, 35 / (2**0.5 - 1) ** 0.125
    expected = signal.sosfiltfilt(signal.butter(2, low_hz, "highpass", fs=rate_hz, output="sos"), samples, padlen=8000)
    expected = signal.sosfiltfilt(signal.butter(4, high_hz, fs=rate_hz, output="sos"), expected)
    found = filter_and_resample(samples.astype(np.float32), rate_hz, rate_hz, lambda hz: respond(hz, "EEG"))
    inner = slice(5000, -5000)
    assert np.abs(found - expected)[inner].max() < 0.01 * np.abs(expected).max()


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_the_notch_takes_the_mains_and_its_harmonics_only(mains_hz):
    frequencies_hz = np.array([mains_hz, 2 * mains_hz, mains_hz - 5, 30.0])
    with_notch = respond(frequencies_hz, "EMG", mains_hz)
    assert with_notch[:2] == pytest.approx([0, 0])
    assert with_notch[2:] == pytest.approx(respond(frequencies_hz, "EMG")[2:], rel=0.01)


def make_noise(seed=0, rate_hz=256, seconds=300):
    return np.random.default_rng(seed).normal(0, 10, int(rate_hz * seconds)), np.arange(rate_hz * seconds) / rate_hz


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_hum_is_found(mains_hz):
    noise, time_s = make_noise()
    assert find_mains(noise + 3 * np.sin(2 * np.pi * (mains_hz + 0.1) * time_s), 256.0) == mains_hz


def test_no_hum_is_found_where_there_is_none():
    assert [find_mains(make_noise(seed)[0], 256.0) for seed in range(10)] == [None] * 10


def test_hum_for_a_tenth_of_the_night_is_no_mains():
    noise, time_s = make_noise()
    noise[: len(noise) // 10] += 50 * np.sin(2 * np.pi * 50 * time_s[: len(noise) // 10])
    assert find_mains(noise, 256.0) is None


def test_a_rate_too_low_for_the_mains_tells_nothing():
    assert find_mains(make_noise(rate_hz=100)[0], 100.0) is None


def test_a_silent_signal_has_no_mains():
    assert find_mains(np.zeros(60_000), 200.0) is None

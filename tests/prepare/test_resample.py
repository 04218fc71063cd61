"""Resampling keeps time, amplitude and phase, and lets nothing fold down."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from somnolens.prepare.resample import filter_and_resample


def pass_all(frequencies_hz):
    return np.ones_like(frequencies_hz)


def sine(frequency_hz, rate_hz, seconds=400, amplitude_uv=50.0):
    time_s = np.arange(int(rate_hz * seconds)) / rate_hz
    return (amplitude_uv * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


@pytest.mark.parametrize("rate_hz", [50.0, 100.0, 125.0, 128.0, 199.8, 200.0, 256.0, 500.0, 512.0, 1000 / 3])
@pytest.mark.parametrize("frequency_hz", [0.7, 13.0])
def test_a_sine_comes_out_as_the_same_sine(rate_hz, frequency_hz):
    """Amplitude and phase to 0.1 %, from the first block to the last: no drift at odd ratios."""
    found = filter_and_resample(sine(frequency_hz, rate_hz), rate_hz, 100.0, pass_all)
    expected = sine(frequency_hz, 100.0)[: len(found)]
    assert len(expected) - len(found) <= 1
    assert np.abs(found - expected[: len(found)])[200:-200].max() < 0.05


def test_what_lies_above_the_new_nyquist_does_not_fold_down():
    """70 Hz would come back as 30 Hz."""
    found = filter_and_resample(sine(70.0, 256.0), 256.0, 100.0, pass_all)
    assert np.abs(found[200:-200]).max() < 0.01


def test_it_agrees_with_resample_poly():
    noise = signal.sosfiltfilt(
        signal.butter(6, 30, fs=256, output="sos"), np.random.default_rng(0).normal(0, 50, 256 * 300)
    )
    expected = signal.resample_poly(noise, 25, 64)
    found = filter_and_resample(noise.astype(np.float32), 256.0, 100.0, pass_all)
    assert np.abs(found - expected[: len(found)])[200:-200].max() < 0.01 * np.abs(expected).max()


def test_an_impulse_stays_where_it_is():
    samples = np.zeros(256 * 300, np.float32)
    samples[256 * 150] = 1000
    assert np.argmax(filter_and_resample(samples, 256.0, 100.0, pass_all)) == 15_000


def test_the_same_rate_and_no_filter_is_the_same_signal():
    noise = np.random.default_rng(0).normal(0, 50, 40_000).astype(np.float32)
    np.testing.assert_allclose(filter_and_resample(noise, 100.0, 100.0, pass_all), noise, atol=1e-3)


def test_a_jump_far_away_changes_nothing():
    """Blocks are local: an electrode pop does not blur over the night."""
    noise = np.random.default_rng(0).normal(0, 50, 256 * 1200).astype(np.float32)
    popped = noise.copy()
    popped[: 256 * 60] += 1e5
    clean, bad = (filter_and_resample(samples, 256.0, 100.0, pass_all) for samples in (noise, popped))
    np.testing.assert_array_equal(clean[100 * 600 :], bad[100 * 600 :])


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(0, 5000),
    rate_hz=st.floats(10, 1000),
    new_rate_hz=st.sampled_from([50.0, 100.0, 128.0, 200.0]),
)
def test_any_length_and_rate_gives_the_expected_number_of_finite_samples(n, rate_hz, new_rate_hz):
    found = filter_and_resample(np.ones(n, np.float32), rate_hz, new_rate_hz, pass_all)
    assert abs(len(found) - n * new_rate_hz / rate_hz) <= 1 + n * new_rate_hz / rate_hz * 1e-4
    assert np.isfinite(found).all()
    assert found.dtype == np.float32

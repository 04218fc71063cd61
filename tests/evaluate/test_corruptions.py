"""Corruptions of the raw signal: exactly as strong as they say, and everything else as it was."""

import numpy as np
import pytest
from scipy import signal as scipy_signal

from somnolens.evaluate.corruptions import (
    CORRUPTIONS,
    add_hum,
    add_movements,
    add_pink_noise,
    add_white_noise,
    flip_polarity,
    list_corruptions,
    lose_channel,
    lower_rate,
    measure_usual_power,
    scale_gain,
    swap_channels,
)
from somnolens.recording import Recording, Signal

RATE_HZ = 200
N = 120 * RATE_HZ


@pytest.fixture
def recording() -> Recording:
    rng = np.random.default_rng(0)
    names = ("F4-M1", "C4-M1", "E1-M2", "chin EMG")
    levels = (20.0, 30.0, 40.0, 5.0)
    signals = (
        Signal(name, rng.normal(0, level, N).astype(np.float32), float(RATE_HZ), (-500.0, 500.0))
        for name, level in zip(names, levels, strict=True)
    )
    return Recording("night", tuple(signals), 120.0)


def seeded() -> np.random.Generator:
    return np.random.default_rng(5)


def test_a_lost_channel_is_dead_from_its_time_on_and_the_others_are_untouched(recording):
    lost = lose_channel(recording, "C4-M1", 0.7)
    assert not lost["C4-M1"].samples_uv[36 * RATE_HZ :].any()
    assert np.array_equal(lost["C4-M1"].samples_uv[: 36 * RATE_HZ], recording["C4-M1"].samples_uv[: 36 * RATE_HZ])
    assert lost["F4-M1"].samples_uv is recording["F4-M1"].samples_uv


@pytest.mark.parametrize("add", [add_white_noise, add_pink_noise])
@pytest.mark.parametrize("snr_db", [10.0, 0.0])
def test_noise_has_the_stated_ratio_to_each_channels_own_power(recording, add, snr_db):
    noisy = add(recording, snr_db, seeded())
    for name in recording.names:
        noise = noisy[name].samples_uv - recording[name].samples_uv
        ratio_db = 10 * np.log10(measure_usual_power(recording[name]) / noise.var())
        assert ratio_db == pytest.approx(snr_db, abs=0.2)


def test_the_power_of_a_channel_leaves_its_movements_out(recording):
    calm = recording["F4-M1"]
    loud = Signal(calm.name, calm.samples_uv.copy(), calm.sampling_rate_hz)
    loud.samples_uv[: 5 * RATE_HZ] *= 50
    assert measure_usual_power(loud) == pytest.approx(measure_usual_power(calm), rel=0.05)


def test_pink_noise_falls_by_ten_decibels_a_decade(recording):
    noise = add_pink_noise(recording, 0.0, seeded())["F4-M1"].samples_uv - recording["F4-M1"].samples_uv
    hz, power = scipy_signal.welch(noise, RATE_HZ, nperseg=10 * RATE_HZ)
    low, high = (10 * np.log10(power[(hz > f / 1.2) & (hz < f * 1.2)].mean()) for f in (2.0, 20.0))
    assert low - high == pytest.approx(10, abs=1.5)


def test_hum_is_at_50_hz_and_as_strong_as_stated(recording):
    hum = add_hum(recording, 40.0, seeded())["F4-M1"].samples_uv - recording["F4-M1"].samples_uv
    hz, power = scipy_signal.periodogram(hum, RATE_HZ)
    assert hz[power.argmax()] == pytest.approx(50.0)
    assert np.sqrt(power[np.abs(hz - 50) < 0.5].sum() * hz[1]) == pytest.approx(40.0, rel=0.01)


def test_noise_does_not_pass_the_range_of_the_recorder(recording):
    loud = add_hum(recording, 2000.0, seeded())
    assert all(np.abs(signal.samples_uv).max() <= 500.0 for signal in loud)


def test_gain_scales_samples_and_range_alike(recording):
    doubled = scale_gain(recording, 2.0)
    assert np.allclose(doubled["E1-M2"].samples_uv, 2 * recording["E1-M2"].samples_uv)
    assert doubled["E1-M2"].physical_range_uv == (-1000.0, 1000.0)


@pytest.mark.parametrize("n_flipped", [0, 1, 4])
def test_as_many_channels_as_asked_are_upside_down(recording, n_flipped):
    flipped = flip_polarity(recording, n_flipped, seeded())
    assert sum(np.array_equal(flipped[n].samples_uv, -recording[n].samples_uv) for n in recording.names) == n_flipped


def test_swapped_channels_keep_names_and_exchange_signals(recording):
    swapped = swap_channels(recording, 2, seeded())
    assert swapped.names == recording.names
    owner = {signal.samples_uv.tobytes(): signal.name for signal in recording}
    now = {signal.name: owner[signal.samples_uv.tobytes()] for signal in swapped}
    assert all(now[now[name]] == name != now[name] for name in recording.names)


def test_a_lower_rate_keeps_slow_waves_and_forgets_fast_ones():
    times_s = np.arange(N) / RATE_HZ
    both = np.sin(2 * np.pi * 3 * times_s) + np.sin(2 * np.pi * 40 * times_s)
    slower = lower_rate(Recording("night", (Signal("C4-M1", both.astype(np.float32), 200.0),), 120.0), 64.0)["C4-M1"]
    assert (slower.sampling_rate_hz, len(slower.samples_uv)) == (64.0, 120 * 64)
    middle = slice(10 * 64, 110 * 64)
    expected = np.sin(2 * np.pi * 3 * np.arange(120 * 64) / 64)
    assert np.abs(slower.samples_uv - expected)[middle].max() < 0.02


def test_a_channel_that_is_slow_already_stays_as_it_is(recording):
    assert lower_rate(recording, 256.0)["F4-M1"] is recording["F4-M1"]


def test_movements_come_as_often_as_stated_and_in_all_channels_at_once(recording):
    moved = add_movements(recording, 600.0, seeded())
    changed = [moved[n].samples_uv != recording[n].samples_uv for n in recording.names]
    overlap = np.mean([np.mean(changed[0] == other) for other in changed[1:]])
    assert overlap > 0.99
    assert 0.5 < changed[0].mean() < 1.0


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.name)
def test_a_corruption_is_a_pure_function_of_its_seed(recording, corruption):
    before = [signal.samples_uv.copy() for signal in recording]
    one, two = (corruption.change(recording, corruption.severities[-1], seeded()) for _ in range(2))
    assert all(np.array_equal(a.samples_uv, b.samples_uv) for a, b in zip(one, two, strict=True))
    assert all(np.array_equal(old, signal.samples_uv) for old, signal in zip(before, recording, strict=True))
    assert one.names == recording.names
    assert any(not np.array_equal(a.samples_uv, b) for a, b in zip(one, before, strict=True))


def test_corruptions_are_found_by_name():
    assert list(list_corruptions(["gain"])) == ["gain"]
    assert len(list_corruptions()) == len(CORRUPTIONS) == 8

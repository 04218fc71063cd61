"""What each second of a night is like: rhythms of the EEG, rolling of the eyes, tone of the chin.

Plain rules of our own, each with its threshold and where that is from. Thresholds without a source in the manual
were set on simulated nights of seeds that no figure in EXPERIMENTS.md comes from.
"""

from typing import Final

import numpy as np
from scipy import signal

from somnolens.explain.events import (
    AROUSAL,
    MOVEMENT,
    Event,
    cut_seconds,
    filter_band,
    find_runs,
    measure_heights,
    measure_power,
    sum_band,
)

ALPHA_HZ: Final = (8.0, 13.0)
"""AASM IV, stage W."""

ALPHA_SHARE: Final = 0.50
"""Of the power from 2 to 30 Hz; 1/f noise alone has 0.13 there."""

ALPHA_UV: Final = 8.0
"""Least size peak to peak, so that what is left of a rhythm in noise is not called one."""

THETA_HZ: Final = (4.0, 8.0)
"""Low-amplitude mixed-frequency activity is mostly 4 to 7 Hz (AASM IV, stage N1)."""

ROLL_HZ: Final = (0.15, 0.8)
"""Slow eye movements: regular, sinusoidal, first deflection longer than 0.5 s (AASM IV, stage W)."""

ROLL_UV: Final = 25.0
"""Least size of a rolling movement, peak to peak, half the difference of both eyes."""

SHIFT: Final = 1.6
"""Rise of fast activity that begins an arousal. On simulated nights this finds a third of them, and two of five that it
finds are there: the weakest of the measures."""

LOUD: Final = 3.0
"""A second with so many times the median chin tone of the night is movement."""


def mark_alpha(samples_uv: np.ndarray, rate_hz: float) -> np.ndarray:
    """Seconds in which a rhythm of 8 to 13 Hz rules, bool, shape (n_seconds,).

    It holds at least half of the power from 2 to 30 Hz and is at least 8 microvolts peak to peak.
    """
    frequencies_hz, power = measure_power(samples_uv, rate_hz)
    alpha = sum_band(frequencies_hz, power, *ALPHA_HZ)
    total = sum_band(frequencies_hz, power, 2.0, 30.0)
    return (alpha >= ALPHA_SHARE * total) & (2 * np.sqrt(2 * alpha) >= ALPHA_UV)


def mark_low_mixed(samples_uv: np.ndarray, rate_hz: float) -> np.ndarray:
    """Seconds of low-amplitude mixed-frequency activity, bool, shape (n_seconds,).

    Less than 75 microvolts peak to peak, with neither an alpha rhythm nor a burst from 12 to 15 Hz in power.
    """
    frequencies_hz, power = measure_power(samples_uv, rate_hz)
    total = sum_band(frequencies_hz, power, 2.0, 30.0)
    ruled = sum_band(frequencies_hz, power, *ALPHA_HZ) >= ALPHA_SHARE * total
    return (measure_heights(samples_uv, rate_hz) < 75.0) & ~ruled


def mark_rolls(e1_uv: np.ndarray, e2_uv: np.ndarray, rapid: list[Event], rate_hz: float) -> np.ndarray:
    """Seconds of slow eye movements, bool, shape (n_seconds,).

    From 0.15 to 0.8 Hz the eyes move against each other by at least 25 microvolts, more than they share, and no
    rapid movement lies within a second.
    """
    apart, shared = (_envelope(values, rate_hz) for values in (0.5 * (e2_uv - e1_uv), 0.5 * (e2_uv + e1_uv)))
    n_seconds = len(apart)
    rolling = (2 * apart >= ROLL_UV) & (apart > 1.5 * shared)
    for event in rapid:
        rolling[max(0, int(event.start_s) - 1) : min(n_seconds, int(event.end_s) + 2)] = False
    return rolling


def _envelope(values_uv: np.ndarray, rate_hz: float) -> np.ndarray:
    """Size of the slow part, second by second."""
    slow = filter_band(values_uv, rate_hz, *ROLL_HZ)
    return cut_seconds(np.abs(signal.hilbert(slow)), rate_hz).mean(axis=1)


def measure_tone(samples_uv: np.ndarray, rate_hz: float) -> np.ndarray:
    """Root mean square of the chin EMG, second by second, shape (n_seconds,), in microvolts."""
    return np.sqrt((cut_seconds(samples_uv, rate_hz).astype(np.float64) ** 2).mean(axis=1))


def find_movements(tone_uv: np.ndarray, eeg_uv: np.ndarray, rate_hz: float) -> list[Event]:
    """Seconds in which chin tone is three times the night's median or the EEG is above 350 microvolts."""
    heights_uv = measure_heights(eeg_uv, rate_hz)
    loud = tone_uv > LOUD * max(np.median(tone_uv), 0.1)
    return [Event(MOVEMENT, float(first), float(n), "chin EMG") for first, n in find_runs(loud | (heights_uv > 350.0))]


def find_arousals(eeg_uv: np.ndarray, spindles: list[Event], rate_hz: float, derivation: str) -> list[Event]:
    """Abrupt shifts to alpha or to more than 16 Hz for 3 to 15 s, after 10 s without one (AASM V.A, arousal rule).

    Fast activity is the power from 8 to 13 and from 16 to 30 Hz outside spindles; a shift is 1.6 times its median
    over the 30 s before, in amplitude. An increase of chin tone, which the manual wants in R, is not asked for.
    """
    frequencies_hz, power = measure_power(eeg_uv, rate_hz)
    fast = np.sqrt(sum_band(frequencies_hz, power, *ALPHA_HZ) + sum_band(frequencies_hz, power, 16.0, 30.0))
    for event in spindles:
        fast[int(event.start_s) : int(event.end_s) + 1] = 0.0
    before = _median_before(fast, 30)
    risen = (fast > SHIFT * before) & (before > 0)
    runs = [run for run in find_runs(risen, least=3) if run[1] <= 15 and not risen[max(0, run[0] - 10) : run[0]].any()]
    return [Event(AROUSAL, float(first), float(n), derivation) for first, n in runs]


def _median_before(values: np.ndarray, n: int) -> np.ndarray:
    padded = np.concatenate([np.full(n, values[0]), values[:-1]])
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, n)[: len(values)], axis=1)

"""Events and rhythms of a night, found in the signal alone: no stage goes in, and no model.

YASA's detectors (R. Vallat and M. P. Walker, eLife 10:e70092, 2021) find spindles, slow waves and rapid eye
movements, once over the whole night. What YASA has no detector for is found here by plain rules, each told in its
function.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import signal

from somnolens.aasm import SLOW_WAVE_UV
from somnolens.epochs import Epochs

SPINDLE, SLOW_WAVE, K_COMPLEX = "spindle", "slow wave", "K-complex"
ALPHA, RAPID, ROLL = "alpha rhythm", "rapid eye movement", "slow eye movement"
AROUSAL, MOVEMENT = "arousal", "movement"

SLOW_WAVE_HZ: Final = (0.5, 2.0)
"""Frequency of slow-wave activity (AASM IV, stage N3)."""

RAPID_PER_S: Final = 6.0
"""Least speed of a rapid eye movement, in its own size per second."""

LEAST_NIGHT_S: Final = 60.0
"""YASA's thresholds are relative to the night; in less than this they would mean nothing."""


@dataclass(frozen=True)
class Event:
    """Something that a technologist would point at.

    Parameters
    ----------
    kind : str
    start_s, duration_s : float
        Since the beginning of the first epoch.
    derivation : str
        Where it was found.
    size_uv : float
        Peak to peak; 0 where a size means nothing.
    frequency_hz : float
        0 where a frequency means nothing.
    """

    kind: str
    start_s: float
    duration_s: float
    derivation: str
    size_uv: float = 0.0
    frequency_hz: float = 0.0

    @property
    def end_s(self) -> float:
        return self.start_s + self.duration_s

    def overlap_s(self, first_s: float, last_s: float) -> float:
        """Seconds of the event between two times."""
        return max(0.0, min(self.end_s, last_s) - max(self.start_s, first_s))


def join_epochs(epochs: Epochs) -> np.ndarray:
    """The continuous night of prepared epochs, shape (n_derivations, n_samples), in microvolts.

    Where epochs overlap (nights scored in shorter ones) each gives its first `step_s`, the last one all.
    """
    n_step = round(epochs.step_s * epochs.sampling_rate_hz)
    most = epochs.signals_uv[:-1, :, :n_step].transpose(1, 0, 2).reshape(len(epochs.derivations), -1)
    return np.concatenate([most, epochs.signals_uv[-1]], axis=1)


def find_spindles(samples_uv: np.ndarray, rate_hz: float, derivation: str) -> list[Event]:
    """Spindles of a central EEG: YASA's detector, 12 to 15 Hz with soft edges, 0.5 to 3 s (AASM IV, stage N2)."""
    found = _ask_yasa(samples_uv, rate_hz, lambda yasa: yasa.spindles_detect(samples_uv, rate_hz, duration=(0.5, 3.0)))
    return [
        Event(SPINDLE, row.Start, row.Duration, derivation, row.Amplitude, row.Frequency) for row in found if row.End
    ]


def find_waves(samples_uv: np.ndarray, rate_hz: float, derivation: str) -> list[Event]:
    """Single waves of 0.5 to 2 Hz and at least 75 microvolts peak to peak, negative half first (AASM IV, stage N3).

    YASA's detector, on 0.3 to 4 Hz: a narrower band would make sharp waves smaller than a technologist measures
    them. The criterion of frequency is put on the length of the wave itself.
    """
    limits = {"dur_neg": (0.1, 1.5), "dur_pos": (0.1, 1.5), "amp_neg": (10, np.inf), "amp_pos": (5, np.inf)}
    found = _ask_yasa(
        samples_uv,
        rate_hz,
        lambda yasa: yasa.sw_detect(samples_uv, rate_hz, freq_sw=(0.3, 4.0), amp_ptp=(SLOW_WAVE_UV, 500), **limits),
    )
    lowest_hz, highest_hz = SLOW_WAVE_HZ
    return [
        Event(SLOW_WAVE, row.Start, row.Duration, derivation, row.PTP, row.Frequency)
        for row in found
        if lowest_hz <= row.Frequency <= highest_hz
    ]


def find_rapid_movements(e1_uv: np.ndarray, e2_uv: np.ndarray, rate_hz: float) -> list[Event]:
    """Rapid eye movements and blinks: YASA's detector of deflections opposite in both eyes, and their speed.

    Rolling eyes reach YASA's 50 microvolts too, so a deflection must also be fast: at its steepest, up to 0.5 s before
    its peak, six times its size in a second. A sinusoid that takes 0.5 s to its peak, where the manual stops to call
    it rapid, has 3.1 times, one of 0.26 s has six.
    """
    both_uv = np.stack([e1_uv, e2_uv])
    found = _ask_yasa(both_uv, rate_hz, lambda yasa: yasa.rem_detect(e1_uv, e2_uv, rate_hz))
    apart_uv = filter_band(0.5 * (e2_uv - e1_uv), rate_hz, 0.3, 12.0)
    speeds = rate_hz * np.abs(np.gradient(apart_uv))
    n_before, n_after = round(0.5 * rate_hz), round(0.1 * rate_hz)
    rapid = []
    for row in found:
        peak = round(row.Peak * rate_hz)
        size_uv = 0.5 * (row.LOCAbsValPeak + row.ROCAbsValPeak)
        if speeds[max(0, peak - n_before) : peak + n_after].max() >= RAPID_PER_S * size_uv:
            rapid.append(Event(RAPID, row.Start, row.Duration, "E1-M2", size_uv))
    return rapid


def pick_k_complexes(waves: list[Event], samples_uv: np.ndarray, rate_hz: float) -> list[Event]:
    """K-complexes among the waves: those that stand alone and stand out (AASM IV, stage N2).

    Our own rule: at least three times the median peak-to-peak of the seconds within 10 s, and no more than 1.5 s of
    other such waves within 5 s. YASA has no detector of them.
    """
    heights_uv = measure_heights(samples_uv, rate_hz)
    starts_s = np.array([wave.start_s for wave in waves])
    durations_s = np.array([wave.duration_s for wave in waves])
    alone = []
    for place, wave in enumerate(waves):
        near = np.abs(starts_s - wave.start_s) < 5.0
        second = int(wave.start_s)
        around_uv = np.median(heights_uv[max(0, second - 10) : second + 11])
        if durations_s[near].sum() - durations_s[place] <= 1.5 and wave.size_uv >= 3.0 * around_uv:
            alone.append(Event(K_COMPLEX, wave.start_s, wave.duration_s, wave.derivation, wave.size_uv))
    return alone


def measure_heights(samples_uv: np.ndarray, rate_hz: float) -> np.ndarray:
    """Peak-to-peak of each second, shape (n_seconds,)."""
    return np.ptp(cut_seconds(samples_uv, rate_hz), axis=1)


def cut_seconds(samples_uv: np.ndarray, rate_hz: float) -> np.ndarray:
    """Whole seconds, shape (n_seconds, n_samples_per_second)."""
    n_second = round(rate_hz)
    n_seconds = len(samples_uv) // n_second
    return samples_uv[: n_seconds * n_second].reshape(n_seconds, n_second)


def filter_band(samples_uv: np.ndarray, rate_hz: float, low_hz: float, high_hz: float) -> np.ndarray:
    """Zero-phase Butterworth band-pass, second order each way."""
    sections = signal.butter(2, (low_hz, min(high_hz, 0.49 * rate_hz)), "bandpass", fs=rate_hz, output="sos")
    return signal.sosfiltfilt(sections, samples_uv.astype(np.float64))


def measure_power(samples_uv: np.ndarray, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Power of each second with half a second on both sides: frequencies, and shape (n_seconds, n_frequencies).

    Hann window of 2 s; in square microvolts per 0.5 Hz.
    """
    n_second = round(rate_hz)
    n_seconds = len(samples_uv) // n_second
    padded = np.pad(samples_uv[: n_seconds * n_second], n_second // 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * n_second)[::n_second][:n_seconds]
    taper = np.hanning(2 * n_second + 1)[:-1].astype(np.float32)
    spectra = np.fft.rfft((windows - windows.mean(axis=1, keepdims=True)) * taper)
    return np.fft.rfftfreq(2 * n_second, 1 / rate_hz), 2 * np.abs(spectra) ** 2 / (len(taper) * (taper**2).sum())


def sum_band(frequencies_hz: np.ndarray, power: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """Power from `low_hz` up to, not including, `high_hz`, shape (n_seconds,)."""
    return power[:, (frequencies_hz >= low_hz) & (frequencies_hz < high_hz)].sum(axis=1)


def find_runs(is_marked: np.ndarray, least: int = 1) -> Iterator[tuple[int, int]]:
    """First place and length of every run of at least `least` marked places.

    Examples
    --------
    >>> list(find_runs(np.array([1, 1, 0, 1, 1, 1], bool), least=3))
    [(3, 3)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_marked.astype(np.int8), [0]])))
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if end - first >= least:
            yield first, end - first


def _ask_yasa(samples_uv: np.ndarray, rate_hz: float, detect: Callable[[Any], Any]) -> list[Any]:
    """Rows of YASA's table of events; none where it finds none or the signal is too short to judge."""
    if samples_uv.shape[-1] < LEAST_NIGHT_S * rate_hz:
        return []
    import yasa  # takes seconds to import

    with _hush(), np.errstate(divide="ignore", invalid="ignore"):  # a flat stretch has no power to divide by
        found = detect(yasa)
    return [] if found is None else list(found.summary().itertuples(index=False))


@contextmanager
def _hush() -> Iterator[None]:
    """YASA warns where it finds nothing, and calls a dead channel an error: both are answers here."""
    logger = logging.getLogger("yasa")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before

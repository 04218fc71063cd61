"""Zero-phase responses of the routine filters, as plain functions of frequency.

Signals are filtered and resampled in one pass through the frequency domain (`prepare.resample`), so a
filter here is an amplitude per frequency. Each is that of a Butterworth filter run forwards and
backwards (`scipy.signal.sosfiltfilt`), with the corner moved so that both runs together lose 3 dB at
the cut-off the manual names; sosfiltfilt with the cut-off itself would lose 6.
"""

from typing import Final, Literal

import numpy as np
from scipy import fft

from somnolens.aasm import FILTER_BAND_HZ, Kind

HIGH_PASS_ORDER: Final = 2
"""Leaves 95 % of a 0.5-Hz slow wave at the 0.3-Hz cut-off, and falls by 24 dB per octave below."""

LOW_PASS_ORDER: Final = 4
"""Falls by 48 dB per octave above 35 Hz."""

NOTCH_WIDTH_HZ: Final = 2.0
"""Between the points of half the power; mains frequency wanders by less than 0.2 Hz."""

Mains = Literal["auto", "50", "60", "none"]


def respond(frequencies_hz: np.ndarray, kind: Kind, mains_hz: float | None = None) -> np.ndarray:
    """Amplitude response of the routine display filter of a kind of derivation.

    Parameters
    ----------
    frequencies_hz : ndarray, shape (n_frequencies,)
    kind : {'EEG', 'EOG', 'EMG'}
    mains_hz : float, optional
        Mains to notch, with its harmonics.

    Returns
    -------
    ndarray, shape (n_frequencies,)
        0 to 1, real: the phase is left as it is.

    Examples
    --------
    >>> respond(np.array([0.0, 0.3, 10.0, 35.0]), "EEG").round(2).tolist()
    [0.0, 0.71, 1.0, 0.71]
    """
    low_hz, high_hz = FILTER_BAND_HZ[kind]
    response = _high_pass(frequencies_hz, low_hz) * _low_pass(frequencies_hz, high_hz)
    return response if mains_hz is None else response * _notch(frequencies_hz, mains_hz)


def _high_pass(frequencies_hz: np.ndarray, cutoff_hz: float) -> np.ndarray:
    corner_hz = cutoff_hz * (np.sqrt(2) - 1) ** (1 / (2 * HIGH_PASS_ORDER))
    powered = (frequencies_hz / corner_hz) ** (2 * HIGH_PASS_ORDER)
    return powered / (1 + powered)


def _low_pass(frequencies_hz: np.ndarray, cutoff_hz: float) -> np.ndarray:
    corner_hz = cutoff_hz / (np.sqrt(2) - 1) ** (1 / (2 * LOW_PASS_ORDER))
    return 1 / (1 + (frequencies_hz / corner_hz) ** (2 * LOW_PASS_ORDER))


def _notch(frequencies_hz: np.ndarray, mains_hz: float) -> np.ndarray:
    """Second-order Butterworth band-stop around the mains and each harmonic."""
    distance_hz = np.abs(frequencies_hz - mains_hz * np.maximum(1, np.round(frequencies_hz / mains_hz)))
    return 1 - 1 / (1 + (distance_hz / (NOTCH_WIDTH_HZ / 2)) ** 4)


MAINS_HZ: Final = (50.0, 60.0)

PEAK_RATIO: Final = 4.0
"""Least power of the mains line over that of its neighbours (2 to 6 Hz away): 6 dB."""

_SEGMENT_S: Final = 4
_N_SEGMENTS: Final = 120


def find_mains(samples_uv: np.ndarray, sampling_rate_hz: float) -> float | None:
    """Find mains hum: a line at 50 or 60 Hz that stands out of its neighbourhood for half the night.

    The spectrum is the median over 120 segments of 4 s spread over the recording, so that a movement
    cannot pose as hum. None also where the rate is too low to tell.

    Parameters
    ----------
    samples_uv : ndarray, shape (n_samples,)
    sampling_rate_hz : float

    Examples
    --------
    >>> time_s = np.arange(60_000) / 200
    >>> find_mains(np.random.default_rng(0).normal(size=60_000) + np.sin(2 * np.pi * 50 * time_s), 200.0)
    50.0
    """
    n_segment = round(_SEGMENT_S * sampling_rate_hz)
    if len(samples_uv) < n_segment:
        return None
    begins = np.linspace(0, len(samples_uv) - n_segment, _N_SEGMENTS).astype(int)
    segments = samples_uv[np.unique(begins)[:, None] + np.arange(n_segment)]
    window = np.hanning(n_segment + 1)[:-1]
    spectra = fft.rfft((segments - segments.mean(axis=1, keepdims=True)) * window)
    power = np.median(spectra.real**2 + spectra.imag**2, axis=0)
    frequencies_hz = fft.rfftfreq(n_segment, 1 / sampling_rate_hz)
    ratios = {mains_hz: _stand_out(frequencies_hz, power, mains_hz) for mains_hz in MAINS_HZ}
    mains_hz, ratio = max(ratios.items(), key=lambda item: item[1])
    return mains_hz if ratio >= PEAK_RATIO else None


def _stand_out(frequencies_hz: np.ndarray, power: np.ndarray, mains_hz: float) -> float:
    distance_hz = np.abs(frequencies_hz - mains_hz)
    around = power[(distance_hz >= 2) & (distance_hz <= 6)]
    if frequencies_hz[-1] < mains_hz + 2 or not around.any():
        return 0.0
    return float(power[distance_hz <= 0.5].max() / np.median(around[around > 0]))

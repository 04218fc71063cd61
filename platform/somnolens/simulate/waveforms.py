"""The shapes a technologist knows, one generator each, and noise of a given spectrum.

Every generator takes the sampling rate and returns one piece of signal of unit size unless it says
otherwise: peak-to-peak 1 for waves, root mean square 1 for noise. Shapes after the glossary of the
AASM manual (chapter IV) and Berry's "Fundamentals of Sleep Medicine", chapter 1.
"""

from collections.abc import Callable

import numpy as np
from scipy import fft, signal

Spectrum = Callable[[np.ndarray], np.ndarray]


def make_noise(rng: np.random.Generator, n_samples: int, rate_hz: float, spectrum: Spectrum) -> np.ndarray:
    """Gaussian noise whose amplitude spectrum is `spectrum(frequency_hz)`, root mean square 1."""
    n_fast = fft.next_fast_len(n_samples, real=True)
    n_bins = n_fast // 2 + 1
    parts = rng.standard_normal((n_bins, 2), dtype=np.float32).view(np.complex64)[:, 0]
    parts *= spectrum(np.linspace(0, rate_hz / 2, n_bins, dtype=np.float32))
    noise = fft.irfft(parts, n_fast)[:n_samples]
    return noise / (noise.std() + 1e-12)


def power_law(exponent: float, corner_hz: float = 0.4) -> Spectrum:
    """1/f: power falls with `exponent`, flat below the corner, nothing at 0 Hz."""
    return lambda hz: np.where(hz > 0, np.maximum(hz, corner_hz), np.inf) ** (-exponent / 2)


def bump(centre_hz: float, width_hz: float) -> Spectrum:
    """A rhythm that waxes and wanes: a Gaussian hill in the spectrum, `width_hz` its standard deviation."""
    return lambda hz: np.exp(-0.5 * ((hz - centre_hz) / width_hz) ** 2)


def band(low_hz: float, high_hz: float) -> Spectrum:
    """A band with soft edges (second order)."""
    return lambda hz: (hz / low_hz) ** 2 / (1 + (hz / low_hz) ** 2) / (1 + (hz / high_hz) ** 2)


def place(n_samples: int, rate_hz: float, onsets_s: np.ndarray, waves: list[np.ndarray]) -> np.ndarray:
    """Add waves into silence, each at its onset; what reaches beyond the end is cut."""
    placed = np.zeros(n_samples, dtype=np.float32)
    for onset_s, wave in zip(onsets_s, waves, strict=True):
        start = int(onset_s * rate_hz)
        stop = min(start + len(wave), n_samples)
        placed[start:stop] += wave[: max(0, stop - start)]
    return placed


def make_spindle(rate_hz: float, duration_s: float, frequency_hz: float) -> np.ndarray:
    """A waxing and waning burst that slows by half a hertz towards its end, 0.5 s or longer."""
    time_s = _time(rate_hz, duration_s)
    phase = 2 * np.pi * (frequency_hz * time_s - 0.25 * (time_s - duration_s / 2) ** 2)
    return 0.5 * np.sin(phase) * np.sin(np.pi * time_s / duration_s) ** 1.2


def make_k_complex(rate_hz: float, duration_s: float) -> np.ndarray:
    """A sharp negative wave, at once followed by a slower positive one; at least 0.5 s in all."""
    share = _time(rate_hz, duration_s) / duration_s
    wave = -np.exp(-0.5 * ((share - 0.25) / 0.085) ** 2) + 0.62 * np.exp(-0.5 * ((share - 0.56) / 0.14) ** 2)
    return _unit(wave * np.sin(np.pi * share) ** 0.5)


def make_slow_wave(rate_hz: float, duration_s: float, skew: float) -> np.ndarray:
    """One wave, negative first; `skew` is the share of its duration that the negative half takes."""
    share = _time(rate_hz, duration_s) / duration_s
    warped = np.where(share < skew, share / skew / 2, 0.5 + (share - skew) / (1 - skew) / 2)
    return -0.5 * np.sin(2 * np.pi * warped)


def make_vertex_wave(rate_hz: float, duration_s: float) -> np.ndarray:
    """A sharp negative wave shorter than 0.5 s with a small positive after-swing."""
    share = _time(rate_hz, duration_s) / duration_s
    wave = -np.exp(-0.5 * ((share - 0.35) / 0.11) ** 2) + 0.3 * np.exp(-0.5 * ((share - 0.68) / 0.12) ** 2)
    return _unit(wave * np.sin(np.pi * share) ** 0.5)


def make_sawtooth(rate_hz: float, duration_s: float, frequency_hz: float) -> np.ndarray:
    """A train of triangular, notched 2 to 6-Hz waves, before or with rapid eye movements."""
    time_s = _time(rate_hz, duration_s)
    return 0.5 * signal.sawtooth(2 * np.pi * frequency_hz * time_s, 0.25) * np.sin(np.pi * time_s / duration_s) ** 0.5


def make_blink(rate_hz: float, duration_s: float) -> np.ndarray:
    """The upward swing of a closing eye: a quick rise and a slower fall."""
    share = _time(rate_hz, duration_s) / duration_s
    return _unit(np.sin(np.pi * share**0.7) ** 3 - 0.12 * np.sin(np.pi * share) ** 2 * share)


def make_saccade(rate_hz: float, decay_s: float) -> np.ndarray:
    """A rapid eye movement: a step within 0.1 s that the high-pass of the recorder lets decay; height 1."""
    time_s = _time(rate_hz, 4 * decay_s)
    return (1 - np.exp(-time_s / 0.03)) * (np.exp(-time_s / decay_s) - np.exp(-4))


def make_slow_eye_movement(rate_hz: float, duration_s: float, frequency_hz: float) -> np.ndarray:
    """A regular, sinusoidal roll of the eyes, initial deflection longer than 0.5 s."""
    time_s = _time(rate_hz, duration_s)
    return 0.5 * np.sin(2 * np.pi * frequency_hz * time_s) * np.sin(np.pi * time_s / duration_s) ** 0.6


def make_sway(rate_hz: float, duration_s: float, rng: np.random.Generator) -> np.ndarray:
    """What a body movement does to an electrode: an irregular swing, peak-to-peak 1."""
    time_s = _time(rate_hz, duration_s)
    swings = sum(np.sin(2 * np.pi * (hz * time_s + rng.random())) / hz for hz in rng.uniform(0.3, 3, 4))
    return _unit(swings * np.sin(np.pi * time_s / duration_s))


def make_heart_beat(rate_hz: float) -> np.ndarray:
    """The QRS complex as a mastoid picks it up, R wave 1."""
    time_s = _time(rate_hz, 0.12)
    waves = ((-0.2, 0.045, 0.007), (1.0, 0.06, 0.009), (-0.35, 0.08, 0.01))
    return sum(size * np.exp(-0.5 * ((time_s - centre_s) / width_s) ** 2) for size, centre_s, width_s in waves)


def _time(rate_hz: float, duration_s: float) -> np.ndarray:
    return np.arange(max(2, round(rate_hz * duration_s)), dtype=np.float32) / np.float32(rate_hz)


def _unit(wave: np.ndarray) -> np.ndarray:
    return wave / np.ptp(wave)

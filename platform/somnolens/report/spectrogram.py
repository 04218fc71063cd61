"""The spectrogram of a night by multitaper: what a reader sees of the night before looking at any epoch.

Source: M. J. Prerau et al., "Sleep neurophysiological dynamics through the lens of multitaper spectral analysis",
Physiology 32(1), 60-92, 2017.
"""

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from matplotlib import colormaps
from PIL import Image
from scipy.signal.windows import dpss

from somnolens.epochs import GOOD, MISSING, Epochs

DERIVATIONS: Final = ("C4-M1", "F4-M1", "O2-M1")
"""A central one where it is recorded; else the next."""

PRODUCT: Final = 8.0
"""Time-bandwidth product: with epochs of 30 s a half bandwidth of 0.27 Hz."""

TOP_HZ: Final = 30.0
COLOURS: Final = "cividis"
"""Dark is little, bright is much; it reads the same with any colour vision and in grey (J. R. Nuñez et al., 2018)."""

ENDS: Final = (2.0, 98.0)
"""Percentiles of the night's power, good epochs alone, that the scale runs between."""

_BLOCK: Final = 64
"""Epochs at once: 15 tapers of 64 epochs take 60 MB."""


@dataclass(frozen=True, eq=False)
class Spectrogram:
    """Power of one derivation over a night.

    Parameters
    ----------
    derivation : str
    frequencies_hz : ndarray, shape (n_frequencies,)
    power_db : ndarray, shape (n_epochs, n_frequencies)
        Decibels of microvolts squared per hertz.
    limits_db : tuple of float
        Ends of the scale.
    """

    derivation: str
    frequencies_hz: np.ndarray
    power_db: np.ndarray
    limits_db: tuple[float, float]


def measure_spectrogram(epochs: Epochs) -> Spectrogram | None:
    """Measure the most central EEG derivation that is recorded, epoch by epoch; None where there is none.

    Examples
    --------
    >>> signals_uv = 10 * np.sin(2 * np.pi * 10 * np.arange(3000) / 100)[None, None] * np.ones((2, 1, 1))
    >>> night = Epochs("night", signals_uv, ("C4-M1",), 100.0, np.zeros((2, 1), np.uint8), ("C4-M1",))
    >>> found = measure_spectrogram(night)
    >>> found.power_db.shape, float(found.frequencies_hz[found.power_db[0].argmax()].round())
    ((2, 150), 10.0)
    """
    row = _choose(epochs)
    if row is None:
        return None
    frequencies_hz, power = _estimate(epochs.signals_uv[:, row], epochs.sampling_rate_hz)
    power_db = 10 * np.log10(np.maximum(power, 1e-4))
    good = epochs.quality[:, row] == GOOD
    low, high = np.percentile(power_db[good] if good.any() else power_db, ENDS)
    return Spectrogram(epochs.derivations[row], frequencies_hz, power_db, (float(low), float(max(high, low + 1))))


def _choose(epochs: Epochs) -> int | None:
    rows = [epochs.derivations.index(name) for name in DERIVATIONS if name in epochs.derivations]
    there = [row for row in rows if not (epochs.quality[:, row] == MISSING).all()]
    return max(there, key=lambda row: (epochs.quality[:, row] == GOOD).mean() >= 0.5, default=None)


def _estimate(signals_uv: np.ndarray, rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies from above 0 to `TOP_HZ` in steps of 0.2 Hz; power, shape (n_epochs, n_frequencies)."""
    n_samples = signals_uv.shape[1]
    tapers = dpss(n_samples, PRODUCT, int(2 * PRODUCT) - 1)
    spectra = np.concatenate(
        [_average(signals_uv[first : first + _BLOCK], tapers) for first in range(0, len(signals_uv), _BLOCK)]
    )
    frequencies_hz = np.fft.rfftfreq(n_samples, 1 / rate_hz)
    n_steps = max(1, round(0.2 * n_samples / rate_hz))
    n_kept = int(TOP_HZ * n_samples / rate_hz) // n_steps
    inside = slice(1, 1 + n_kept * n_steps)
    means = spectra[:, inside].reshape(len(spectra), n_kept, n_steps).mean(axis=2)
    return frequencies_hz[inside].reshape(n_kept, n_steps).mean(axis=1), 2 * means / rate_hz


def _average(signals_uv: np.ndarray, tapers: np.ndarray) -> np.ndarray:
    centred = (signals_uv - signals_uv.mean(axis=1, keepdims=True)).astype(np.float32)
    return (np.abs(np.fft.rfft(centred[:, None] * tapers.astype(np.float32), axis=2)) ** 2).mean(axis=1)


def draw_spectrogram(spectrogram: Spectrogram, n_columns: int) -> bytes:
    """PNG, low frequencies at the bottom, at most so many columns: neighbours share one, as their mean power."""
    power_db = spectrogram.power_db
    edges = np.linspace(0, len(power_db), min(n_columns, len(power_db)) + 1).astype(int)[:-1]
    counts = np.diff([*edges, len(power_db)])
    means = np.add.reduceat(power_db, edges, axis=0) / counts[:, None]
    low, high = spectrogram.limits_db
    shades = np.clip((means.T[::-1] - low) / (high - low), 0, 1)
    return encode_shades(shades)


def encode_shades(shades: np.ndarray) -> bytes:
    """Values from 0 to 1, shape (height, width), as a PNG in the colours of the spectrogram."""
    picture = Image.fromarray(np.round(shades * 63).astype(np.uint8)).convert("P")
    colours = (colormaps[COLOURS](np.linspace(0, 1, 64))[:, :3] * 255).round().astype(np.uint8)
    picture.putpalette(colours.tobytes())
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True)
    return stream.getvalue()

"""A spectrogram of one derivation, as a strip under the traces.

Short-time Fourier transform with a Hann window of 2 s every half second; power spectral density in decibels
of square microvolts per hertz, up to 32 Hz, low frequencies at the bottom.
"""

import numpy as np
from scipy import fft

from somnolens.aasm import EPOCH_S
from somnolens.render.style import FIRST_POWER, POWER_LEVELS, Style

_WINDOW_S, _HOP_S = 2.0, 0.5
_TOP_HZ = 32.0
_LEAST_DB, _MOST_DB = -10.0, 35.0


def draw_spectra(pictures: np.ndarray, signal_uv: np.ndarray, style: Style) -> None:
    """Draw the strip of each epoch into pictures, in place.

    Parameters
    ----------
    pictures : ndarray of uint8, shape (n_epochs, *style.single_px)
    signal_uv : ndarray of float32, shape (n_epochs, n_samples)
        In microvolts.
    """
    top, height = style.spectrum_rows
    power = measure_power(signal_uv)
    first_bins = np.arange(height) * power.shape[1] // height
    n_bins = np.maximum(np.diff(first_bins, append=power.shape[1]), 1)
    mean_power = np.add.reduceat(power, first_bins, axis=1) / n_bins[:, None]
    decibels = 10 * np.log10(np.maximum(mean_power, 1e-12))
    levels = (decibels - _LEAST_DB) * (POWER_LEVELS / (_MOST_DB - _LEAST_DB))
    shades = (FIRST_POWER + np.clip(levels, 0, POWER_LEVELS - 1)).astype(np.uint8)
    columns = np.arange(pictures.shape[2]) * shades.shape[2] // pictures.shape[2]
    pictures[:, top : top + height] = shades[:, ::-1, columns]


def measure_power(signal_uv: np.ndarray) -> np.ndarray:
    """Power spectral density in square microvolts per hertz, shape (n_epochs, 64, 60).

    Each half hertz from 0.5 to 32 Hz, each half second of the epoch.
    """
    rate_hz = signal_uv.shape[1] / EPOCH_S
    n_window, n_hop = round(_WINDOW_S * rate_hz), round(_HOP_S * rate_hz)
    margin = (n_window - n_hop) // 2
    padded = np.pad(signal_uv, ((0, 0), (margin, margin)), mode="reflect")
    window = np.hanning(n_window + 1)[:-1].astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(padded, n_window, axis=1)[:, ::n_hop]
    spectra = fft.rfft(windows * window, axis=2)[:, :, 1 : round(_TOP_HZ * _WINDOW_S) + 1]
    power = 2 * (spectra.real**2 + spectra.imag**2) / (rate_hz * (window**2).sum())
    return power.swapaxes(1, 2)

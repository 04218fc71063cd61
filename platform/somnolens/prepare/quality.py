"""Signal quality of each epoch: what a technologist sees at a glance before staging.

Codes are those of `somnolens.epochs`. Where several apply the first of this order is given: missing,
not a number, flat, clipped, detached. A marked epoch is still scored; only what is flat is drawn as if it were missing.
"""

from typing import Final

import numpy as np

from somnolens.aasm import EPOCH_S
from somnolens.epochs import CLIPPED, DETACHED, FLAT, GOOD, NOT_A_NUMBER

FLAT_UV: Final = 0.2
"""A second whose filtered peak-to-peak stays below is flat: amplifier noise alone is above 0.5."""

CLIPPED_SHARE: Final = 1 / EPOCH_S
"""More than 1 s of 30 at the limits of the physical range."""

DETACHED_UV: Final = 1000.0
"""A second whose filtered peak-to-peak is above: no brain or eye does that, a loose electrode does."""

MOST_OF_AN_EPOCH: Final = 0.5
"""Share of an epoch's seconds that makes the epoch flat or detached."""


def mark_quality(filtered_uv: np.ndarray, is_bad_number: np.ndarray, clipped_share: np.ndarray) -> np.ndarray:
    """Code of each epoch of one derivation.

    Parameters
    ----------
    filtered_uv : ndarray, shape (n_epochs, n_samples)
        Prepared epochs of the derivation, in microvolts.
    is_bad_number : ndarray of bool, shape (n_epochs,)
        Epochs whose recorded samples are not all finite.
    clipped_share : ndarray, shape (n_epochs,)
        Share of recorded samples at the limits of the physical range.

    Returns
    -------
    ndarray of uint8, shape (n_epochs,)

    Examples
    --------
    >>> loud, silent = np.random.default_rng(0).normal(0, 20, 3000), np.zeros(3000)
    >>> mark_quality(np.stack([loud, silent]), np.zeros(2, bool), np.zeros(2)).tolist()
    [0, 2]
    """
    height_uv = _height_of_seconds(filtered_uv)
    is_flat = (height_uv < FLAT_UV).mean(axis=1) > MOST_OF_AN_EPOCH
    is_detached = (height_uv > DETACHED_UV).mean(axis=1) > MOST_OF_AN_EPOCH
    conditions = [is_bad_number, is_flat, clipped_share > CLIPPED_SHARE, is_detached]
    return np.select(conditions, [NOT_A_NUMBER, FLAT, CLIPPED, DETACHED], GOOD).astype(np.uint8)


def _height_of_seconds(filtered_uv: np.ndarray) -> np.ndarray:
    """Peak-to-peak of each second, shape (n_epochs, 30)."""
    n_second = filtered_uv.shape[1] // EPOCH_S
    seconds = filtered_uv[:, : n_second * EPOCH_S].reshape(-1, EPOCH_S, n_second)
    return seconds.max(axis=2) - seconds.min(axis=2)


def share_per_epoch(
    is_marked: np.ndarray, sampling_rate_hz: float, start_s: float, n_epochs: int, step_s: float = EPOCH_S
) -> np.ndarray:
    """Share of marked samples in each epoch, shape (n_epochs,), at the rate of the recording.

    Parameters
    ----------
    is_marked : ndarray of int, shape (n_marked,)
        Indices of the marked samples, rising.
    """
    begins = (start_s + step_s * np.arange(n_epochs)) * sampling_rate_hz
    first, last = (np.searchsorted(is_marked, edge - 1e-6) for edge in (begins, begins + EPOCH_S * sampling_rate_hz))
    return (last - first) / (EPOCH_S * sampling_rate_hz)

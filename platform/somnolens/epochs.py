"""Epochs: a night cut into 30-s pieces, prepared for drawing."""

from dataclasses import dataclass

import numpy as np

GOOD, MISSING, FLAT, CLIPPED, NOT_A_NUMBER, DETACHED = range(6)

QUALITY: tuple[str, ...] = ("good", "missing", "flat", "clipped", "not a number", "detached")
"""Words of the quality codes, in the order of the codes."""


@dataclass(frozen=True, eq=False)
class Epochs:
    """Prepared signals of one night.

    Parameters
    ----------
    night : str
        Name of the recording they come from.
    signals_uv : ndarray of float32, shape (n_epochs, n_derivations, n_samples)
        In microvolts, finite everywhere; zero where a derivation is missing.
    derivations : tuple of str
        Canonical names, top to bottom as drawn.
    sampling_rate_hz : float
    quality : ndarray of uint8, shape (n_epochs, n_derivations)
        Codes of `QUALITY`.
    sources : tuple of (str or None), one per derivation
        Label in the file that each derivation was made from, None where missing.
    start_s : float
        Time of the first epoch since the start of the recording.
    step_s : float
        From the beginning of one epoch to that of the next, as in `Hypnogram.step_s`.
    notes : tuple of str
        Sentences a person should read with the result.
    """

    night: str
    signals_uv: np.ndarray
    derivations: tuple[str, ...]
    sampling_rate_hz: float
    quality: np.ndarray
    sources: tuple[str | None, ...]
    start_s: float = 0.0
    notes: tuple[str, ...] = ()
    step_s: float = 30.0

    def __len__(self) -> int:
        return len(self.signals_uv)

    @property
    def present(self) -> np.ndarray:
        """bool, shape (n_derivations,): which derivations the recording has."""
        return np.array([source is not None for source in self.sources])

    @property
    def drawn(self) -> np.ndarray:
        """bool, shape (n_epochs, n_derivations): what a picture shows; see `find_drawn`."""
        return find_drawn(self.quality) & self.present


def find_drawn(quality: np.ndarray) -> np.ndarray:
    """Which derivations a picture shows: neither missing nor flat. Nobody stages by a line that an amplifier drew.

    Parameters
    ----------
    quality : ndarray of uint8, shape (n_epochs, n_derivations)
        Codes of `QUALITY`.

    Returns
    -------
    ndarray of bool, shape (n_epochs, n_derivations)

    Examples
    --------
    >>> find_drawn(np.array([[GOOD, MISSING, FLAT, CLIPPED]])).tolist()
    [[True, False, False, True]]
    """
    return (quality != MISSING) & (quality != FLAT)

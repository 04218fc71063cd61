"""Signals that hold nothing all night, so that another can be drawn in their place."""

from typing import Final

import numpy as np

from somnolens.recording import Recording, Signal

FLAT_SHARE: Final = 0.99
"""Of the samples that equal the one before: coarse digits repeat now and then, a wire without electrode always."""

CLIPPED_SHARE: Final = 0.5
"""Of the samples at the ends of the physical range."""

N_LOOKED_AT: Final = 20_000
"""Samples, spread evenly over the night: enough for a share, and no night's worth of time."""


def find_dead(recording: Recording) -> dict[str, str]:
    """Name the signals that are dead, each with the reason.

    Examples
    --------
    >>> find_dead(Recording("night", (Signal("C4-M1", np.zeros(3000), 100.0),), 30.0))
    {'C4-M1': 'is flat all night'}
    """
    found = {signal.name: _describe(signal) for signal in recording}
    return {name: reason for name, reason in found.items() if reason}


def _describe(signal: Signal) -> str:
    n_pairs = len(signal.samples_uv) - 1
    if n_pairs < 1:
        return ""
    places = np.linspace(0, n_pairs - 1, min(n_pairs, N_LOOKED_AT)).astype(int)
    samples_uv = signal.samples_uv[places]
    if np.mean(samples_uv == signal.samples_uv[places + 1]) > FLAT_SHARE:
        return "is flat all night"
    lowest_uv, highest_uv = signal.physical_range_uv
    if np.mean((samples_uv <= lowest_uv) | (samples_uv >= highest_uv)) > CLIPPED_SHARE:
        return "is at the limits of its range for most of the night"
    return ""

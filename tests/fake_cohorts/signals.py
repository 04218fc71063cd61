"""Signals of fake recordings: sums of simulated derivations, so that every re-referencing can be checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

import numpy as np
from scipy import signal as scipy_signal

from somnolens.simulate.night import simulate_night
from somnolens.simulate.subject import draw_subject

N_EPOCHS = 10
DURATION_S = 30 * N_EPOCHS
RANGE_UV = 3000.0

TRUE_DERIVATIONS = ("F4-M1", "C4-M1", "O2-M1", "E1-M2", "E2-M2", "chin EMG")
MIRROR_OF = {"F3-M2": "F4-M1", "C3-M2": "C4-M1", "O1-M2": "O2-M1"}
"""The left hemisphere is the right one, backwards in time."""

Mix = Mapping[str, float]


@dataclass(frozen=True)
class Channel:
    """One channel of a fake file.

    Parameters
    ----------
    label : str
    rate_hz : int
    mix : mapping of str to float
        Derivations and electrodes to add up: {"C4-M1": 1, "M1": 1} is C4 against a distant reference.
    unit : str
        Samples are stored in it.
    """

    label: str
    rate_hz: int
    mix: Mix = field(default_factory=dict)
    unit: str = "uV"

    def draw(self) -> np.ndarray:
        """Samples in microvolts, shape (300 * rate_hz,); zero for an empty mix."""
        samples_uv = np.zeros(DURATION_S * self.rate_hz)
        for name, factor in self.mix.items():
            samples_uv += factor * draw_component(name, self.rate_hz)
        return samples_uv


@cache
def draw_component(name: str, rate_hz: int) -> np.ndarray:
    """A derivation or the potential of an electrode, in microvolts, at any rate."""
    if name in MIRROR_OF:
        return draw_component(MIRROR_OF[name], rate_hz)[::-1]
    if name not in TRUE_DERIVATIONS:
        return np.random.default_rng(sum(name.encode())).normal(0, 15, DURATION_S * rate_hz)
    signal = _simulate()[TRUE_DERIVATIONS.index(name)]
    ratio = Fraction(rate_hz) / Fraction(signal.sampling_rate_hz)
    return scipy_signal.resample_poly(signal.samples_uv, ratio.numerator, ratio.denominator)[: DURATION_S * rate_hz]


@cache
def _simulate() -> tuple:
    recording, _ = simulate_night(draw_subject(3), hours=DURATION_S / 3600, seed=3)
    return recording.signals

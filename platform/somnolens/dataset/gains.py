"""Gains at which kept signals are drawn anew: amplifiers are set otherwise, and heads differ."""

import math
import zlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Gains:
    """A gain for every epoch, the same whenever it is asked for.

    Parameters
    ----------
    most : float
        Gains lie between its inverse and itself, evenly in their logarithm.
    seed : int

    Examples
    --------
    >>> [f"{gain:.2f}" for gain in Gains(2.0, seed=7).draw("SIM001", np.arange(3))]
    ['0.68', '1.08', '0.70']
    """

    most: float
    seed: int

    def draw(self, night: str, epochs: np.ndarray) -> np.ndarray:
        """Gains of some epochs of a night, by their numbers; float32, shape (n_epochs,)."""
        rng = np.random.default_rng([self.seed, zlib.crc32(night.encode())])
        return draw_gains(int(epochs.max(initial=0)) + 1, self.most, rng)[epochs]


def draw_gains(n: int, most: float, rng: np.random.Generator) -> np.ndarray:
    """Gains between the inverse of `most` and itself, evenly in their logarithm; float32, shape (n,)."""
    return np.exp(rng.uniform(-1, 1, n) * math.log(most)).astype(np.float32)

"""Intervals by resampling subjects: epochs of one night resemble each other and are no separate witnesses.

Source: B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, percentile intervals.
"""

from dataclasses import dataclass

import numpy as np

N_SAMPLES = 2000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval; all NaN where nothing was measured."""

    value: float
    low: float
    high: float

    def to_list(self) -> list[float | None]:
        """Value, low, high; None where there is none."""
        return [None if np.isnan(x) else round(float(x), 5) for x in (self.value, self.low, self.high)]


def divide_sums(numerators: np.ndarray, denominators: np.ndarray, seed: int = 7) -> Interval:
    """Sum over sum, with the interval over resampled subjects.

    Parameters
    ----------
    numerators, denominators : ndarray, shape (n_subjects,)
        Of each subject: what was counted or added up, and over how many epochs.
    seed : int

    Examples
    --------
    >>> divide_sums(np.array([1.0, 1.0]), np.array([2.0, 2.0])).to_list()
    [0.5, 0.5, 0.5]
    """
    numerators, denominators = np.asarray(numerators, float), np.asarray(denominators, float)
    if not denominators.sum():
        return Interval(np.nan, np.nan, np.nan)
    drawn = np.random.default_rng(seed).integers(len(numerators), size=(N_SAMPLES, len(numerators)))
    below = denominators[drawn].sum(axis=1)
    ratios = numerators[drawn].sum(axis=1)[below > 0] / below[below > 0]
    low, high = np.quantile(ratios, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(numerators.sum() / denominators.sum()), float(low), float(high))


def compare_shares(
    first: tuple[np.ndarray, np.ndarray], second: tuple[np.ndarray, np.ndarray], seed: int = 7
) -> Interval:
    """One share less another, both resampled with the same subjects; each a pair as `divide_sums` takes it."""
    sums = np.stack([*first, *second]).astype(float)
    if not sums[1].sum() or not sums[3].sum():
        return Interval(np.nan, np.nan, np.nan)
    drawn = np.random.default_rng(seed).integers(sums.shape[1], size=(N_SAMPLES, sums.shape[1]))
    one, n_one, two, n_two = sums[:, drawn].sum(axis=2)
    both = (n_one > 0) & (n_two > 0)
    low, high = np.quantile(one[both] / n_one[both] - two[both] / n_two[both], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    value = sums[0].sum() / sums[1].sum() - sums[2].sum() / sums[3].sum()
    return Interval(float(value), float(low), float(high))

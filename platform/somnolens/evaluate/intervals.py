"""Confidence intervals and paired tests, by resampling subjects.

Epochs of a night resemble each other and nights of a person do: only subjects are independent. So subjects are
drawn with replacement, each with all of its nights (the cluster bootstrap; A. C. Davison and D. V. Hinkley,
"Bootstrap Methods and their Application", 1997, section 3.8). Every measure follows from sums of the subjects'
confusion matrices, so that two thousand resamples are one product of matrices.

Intervals are BCa, bias-corrected and accelerated (B. Efron, "Better bootstrap confidence intervals", JASA 82,
171-185, 1987): measures such as F1 are skewed near their ends, where plain percentiles lie off the mark. The
acceleration is that of the jackknife over subjects. With fewer than ten subjects every bootstrap interval is too
narrow; tables say how many there were.

Two systems are held against each other by a permutation test, which is exact however few subjects there are: if none
were better, their answers for a person could as well be exchanged (E. J. G. Pitman, Supplement to the JRSS 4, 119-130,
1937). Three subjects allow no probability below 0.25.

A resample that leaves a measure without a value (a stage that none of its subjects has) is left out for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.special import ndtr, ndtri

from somnolens.aasm import STAGES
from somnolens.errors import EvaluationError
from somnolens.evaluate.agreement import N_STAGES
from somnolens.evaluate.evaluation import Evaluation, NightResult, name_person

LEVEL: Final = 0.95
N_RESAMPLES: Final = 2000
FEW_SUBJECTS: Final = 10
"""With fewer the intervals are known to be too narrow."""

EXACT_SUBJECTS: Final = 12
N_EXCHANGES: Final = 9999

MEASURES: Final = ("accuracy", "balanced_accuracy", "macro_f1", "kappa", *(f"f1_{stage}" for stage in STAGES))
"""What has an interval, in this order."""


@dataclass(frozen=True)
class Interval:
    """A measure and the ends of its confidence interval; not a number where it has none.

    Examples
    --------
    >>> str(Interval(0.8, 0.75, 0.84))
    '0.800 (0.750 to 0.840)'
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "-"
        return f"{self.value:.3f}" + ("" if np.isnan(self.low) else f" ({self.low:.3f} to {self.high:.3f})")

    def to_dict(self) -> dict[str, float | None]:
        """Plain values for JSON; None in place of not a number."""
        return {
            name: None if np.isnan(value) else float(value)
            for name, value in (("value", self.value), ("low", self.low), ("high", self.high))
        }


@dataclass(frozen=True)
class Difference(Interval):
    """How much better one system is than another on the same nights.

    Parameters
    ----------
    p : float
        Probability of a difference at least as large, either way, if there were none: share of the exchanges of both
        systems' answers, subject by subject, that make one; all of them with at most `EXACT_SUBJECTS`.
    """

    p: float

    def to_dict(self) -> dict[str, float | None]:
        """As of an interval, with `p`."""
        return super().to_dict() | {"p": None if np.isnan(self.p) else float(self.p)}


def measure_confusions(confusions: np.ndarray) -> np.ndarray:
    """The `MEASURES` of many confusion matrices at once, as `Agreement` defines them.

    Parameters
    ----------
    confusions : ndarray, shape (..., 5, 6)

    Returns
    -------
    ndarray, shape (..., 9)
        Not a number where a measure has no value.

    Examples
    --------
    >>> measure_confusions(np.eye(5, 6))[:4].tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    confusions = np.asarray(confusions, dtype=float)
    right = np.diagonal(confusions, axis1=-2, axis2=-1)
    true, named = confusions.sum(axis=-1), confusions.sum(axis=-2)[..., :N_STAGES]
    total = true.sum(axis=-1)
    accuracy = _divide(right.sum(axis=-1), total)
    f1 = _divide(2 * right, true + named)
    by_chance = _divide((true * named).sum(axis=-1), total**2)
    kappa = np.where(by_chance < 1 - 1e-12, _divide(accuracy - by_chance, 1 - by_chance), np.nan)
    means = np.stack([accuracy, _mean(_divide(right, true)), _mean(f1), kappa], axis=-1)
    return np.concatenate([means, f1], axis=-1)


def _divide(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.where(below != 0, above / np.where(below != 0, below, 1.0), np.nan)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean of those that have a value."""
    known = ~np.isnan(values)
    return _divide(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1))


def sum_by_subject(nights: Sequence[NightResult], confusions: Sequence[np.ndarray] | None = None) -> np.ndarray:
    """Confusion matrices of each subject with a scored epoch, shape (n_subjects, 5, 6).

    Parameters
    ----------
    nights : sequence of NightResult
    confusions : sequence of ndarray, optional
        One for each night, of a part of its epochs; those of whole nights without.
    """
    matrices = [night.agreement.confusion for night in nights] if confusions is None else confusions
    sums: dict[str, np.ndarray] = {}
    for night, matrix in zip(nights, matrices, strict=True):
        person = name_person(night)
        sums[person] = sums.get(person, 0) + np.asarray(matrix)
    held = [matrix for _, matrix in sorted(sums.items()) if matrix.any()]
    return np.stack(held) if held else np.zeros((0, N_STAGES, N_STAGES + 1), dtype=np.int64)


def measure_intervals(
    evaluation: Evaluation, level: float = LEVEL, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """The `MEASURES` of an evaluation over all epochs, with intervals over its subjects.

    Returns
    -------
    dict of str to Interval
        Without ends where there is but one subject.
    """
    return bound_measures(sum_by_subject(evaluation.nights), level, n_resamples, seed)


def bound_measures(
    by_subject: np.ndarray, level: float = LEVEL, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """The same from confusion matrices by subject, shape (n_subjects, 5, 6)."""
    found = resample(by_subject, measure_confusions, n_resamples, seed).bound(level)
    return dict(zip(MEASURES, found, strict=True))


def compare_systems(
    one: Evaluation, other: Evaluation, level: float = LEVEL, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> dict[str, Difference]:
    """By how much `one` is better than `other`: both are resampled together, subject by subject.

    Raises
    ------
    EvaluationError
        Where they have not staged the same nights, or not against the same scorer.
    """
    pairs = np.stack([sum_by_subject(one.nights), sum_by_subject(pair_nights(one, other))], axis=1)
    found = resample(pairs, _subtract, n_resamples, seed).bound(level)
    return {
        name: Difference(interval.value, interval.low, interval.high, float(p))
        for name, interval, p in zip(MEASURES, found, exchange(pairs, seed), strict=True)
    }


def exchange(pairs: np.ndarray, seed: int = 0) -> np.ndarray:
    """Share of the exchanges of two systems that tell them apart as far as they are, or further, for each measure.

    Parameters
    ----------
    pairs : ndarray, shape (n_subjects, 2, 5, 6)
        Confusion matrices of both.
    seed : int
        Of the exchanges that are drawn where there are too many; the one that changes nothing counts as one of them.

    Returns
    -------
    ndarray, shape (9,)
        Not a number where a measure has no value.
    """
    n_subjects = len(pairs)
    if n_subjects <= EXACT_SUBJECTS:
        swaps = (np.arange(2**n_subjects)[:, None] >> np.arange(n_subjects)) & 1
    else:
        drawn = np.random.default_rng(seed).integers(0, 2, (N_EXCHANGES, n_subjects))
        swaps = np.concatenate([np.zeros((1, n_subjects), dtype=int), drawn])
    moved = np.tensordot(swaps, pairs[:, 1] - pairs[:, 0], axes=1)
    differences = _subtract(pairs.sum(axis=0) + np.stack([moved, -moved], axis=1))
    as_far = np.abs(differences) >= np.abs(differences[0]) - 1e-12
    return np.where(np.isnan(differences[0]), np.nan, as_far.mean(axis=0))


def _subtract(pairs: np.ndarray) -> np.ndarray:
    return measure_confusions(pairs[..., 0, :, :]) - measure_confusions(pairs[..., 1, :, :])


def pair_nights(one: Evaluation, other: Evaluation) -> list[NightResult]:
    """Nights of `other` in the order of `one`, where both were held to the same scorers.

    Raises
    ------
    EvaluationError
    """
    there = {(name_person(night), night.night): night for night in other.nights}
    asked = [(name_person(night), night.night) for night in one.nights]
    if set(asked) != set(there) or len(asked) != len(there):
        odd = sorted(name for _, name in {*asked} ^ {*there})
        raise EvaluationError(
            f"{one.system} and {other.system} cannot be compared: {', '.join(odd[:5]) or 'a night'} was not staged "
            "once by each. Evaluate both on the same split of the same dataset."
        )
    paired = [there[key] for key in asked]
    for mine, its in zip(one.nights, paired, strict=True):
        if not np.array_equal(mine.codes[0], its.codes[0]):
            raise EvaluationError(
                f"{one.system} and {other.system} were held to different scorings of night {mine.night}. Evaluate both "
                "on the same dataset folder."
            )
    return paired


@dataclass(frozen=True, eq=False)
class Resampled:
    """Measures of a sample of subjects, of resamples of it, and of the sample without each subject.

    Parameters
    ----------
    value : ndarray, shape (n_measures,)
    drawn : ndarray, shape (n_resamples, n_measures)
    without : ndarray, shape (n_subjects, n_measures)
    """

    value: np.ndarray
    drawn: np.ndarray
    without: np.ndarray

    def bound(self, level: float = LEVEL) -> list[Interval]:
        """A BCa interval for each measure."""
        columns = zip(self.value, self.drawn.T, self.without.T, strict=True)
        return [Interval(float(value), *_bound(value, drawn, without, level)) for value, drawn, without in columns]


def resample(
    by_subject: np.ndarray,
    measure: Callable[[np.ndarray], np.ndarray],
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> Resampled:
    """Draw subjects with replacement and measure the sums of what they add.

    Parameters
    ----------
    by_subject : ndarray, shape (n_subjects, ...)
        What each subject adds to the sums that the measures follow from.
    measure : callable
        From sums, shape (n, ...), or of shape (...), to measures, shape (n, n_measures) or (n_measures,).
    n_resamples, seed : int
    """
    total = by_subject.sum(axis=0)
    n_subjects = len(by_subject)
    if n_subjects < 2:
        value = measure(total)
        return Resampled(value, np.empty((0, len(value))), np.empty((0, len(value))))
    times = np.random.default_rng(seed).multinomial(n_subjects, np.full(n_subjects, 1 / n_subjects), n_resamples)
    sums = np.tensordot(times.astype(float), by_subject.astype(float), axes=1)
    return Resampled(measure(total), measure(sums), measure(total - by_subject))


def _bound(value: float, drawn: np.ndarray, without: np.ndarray, level: float) -> tuple[float, float]:
    drawn, without = drawn[~np.isnan(drawn)], without[~np.isnan(without)]
    if np.isnan(value) or not len(drawn):
        return np.nan, np.nan
    below = ((drawn < value).mean() + (drawn <= value).mean()) / 2
    bias = ndtri(np.clip(below, 0.5 / len(drawn), 1 - 0.5 / len(drawn)))
    ends = ndtri(np.array([(1 - level) / 2, (1 + level) / 2])) + bias
    shares = ndtr(bias + ends / (1 - _accelerate(without) * ends))
    low, high = np.quantile(drawn, shares)
    return float(low), float(high)


def _accelerate(without: np.ndarray) -> float:
    """Acceleration of the jackknife; 0, a bias-corrected interval, where all subjects say the same."""
    if not len(without):
        return 0.0
    steps = without.mean() - without
    spread = (steps**2).sum()
    return float((steps**3).sum() / (6 * spread**1.5)) if spread > 1e-24 else 0.0


def describe_intervals(intervals: dict[str, Interval]) -> dict[str, Any]:
    """Plain values for metrics.json."""
    return {name: interval.to_dict() for name, interval in intervals.items()}

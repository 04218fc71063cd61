"""Bias and limits of agreement of the totals of a night.

J. M. Bland and D. G. Altman, "Statistical methods for assessing agreement between two methods of clinical
measurement", Lancet 327, 307-310, 1986: the differences system minus scorer have a mean, the bias, and 95 % of them
are expected within 1.96 standard deviations of it, the limits of agreement. Whether limits are narrow enough is a
clinical question and no test answers it.

Both are measured over nights. Their intervals are over subjects, as everywhere here, since two nights of a person
are alike. What the scorer left unscored is taken out of the system's hypnogram too, so that both add up the same
epochs; an epoch that the system left without a stage is neither sleep nor wake.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from somnolens.evaluate.evaluation import Evaluation, NightResult, name_person
from somnolens.evaluate.intervals import Interval, resample
from somnolens.evaluate.totals import Totals, measure_totals
from somnolens.hypnogram import Hypnogram

WIDTH: Final = 1.96
"""Standard deviations from the bias to a limit: 95 % of a normal distribution."""

TOTALS: Final[dict[str, str]] = {
    "tst_min": "total sleep time, min",
    "se_pct": "sleep efficiency, %",
    "waso_min": "wake after sleep onset, min",
    "sol_min": "sleep onset latency, min",
    "rem_latency_min": "REM latency, min",
    "N1_min": "N1, min",
    "N2_min": "N2, min",
    "N3_min": "N3, min",
    "R_min": "R, min",
}
"""Totals that are compared, and what they are called."""


@dataclass(frozen=True, eq=False)
class NightTotals:
    """Totals of one night by the scorer and by the system, on the same epochs."""

    night: str
    person: str
    truth: Totals
    scored: Totals


@dataclass(frozen=True, eq=False)
class BlandAltman:
    """Agreement of one total over nights.

    Parameters
    ----------
    name : str
        Of `TOTALS`.
    truth, scored : ndarray, shape (n_nights,)
        Nights in which both have a value.
    bias, low, high : Interval
        Mean difference, lower and upper limit of agreement, each with its interval.
    n_left_out : int
        Nights in which one of the two has none (no R, no sleep).
    """

    name: str
    truth: np.ndarray
    scored: np.ndarray
    bias: Interval
    low: Interval
    high: Interval
    n_left_out: int

    def to_dict(self) -> dict[str, Any]:
        """One line of a table."""
        line: dict[str, Any] = {"total": self.name, "nights": len(self.truth), "left_out": self.n_left_out}
        for name, interval in (("bias", self.bias), ("limit_low", self.low), ("limit_high", self.high)):
            ends = interval.to_dict()
            line |= {name: ends["value"], f"{name}_from": ends["low"], f"{name}_to": ends["high"]}
        return line


def add_up_nights(evaluation: Evaluation) -> list[NightTotals]:
    """Totals of every night with a scored epoch."""
    return [_add_up(night) for night in evaluation.nights if night.agreement.n_epochs]


def _add_up(night: NightResult) -> NightTotals:
    truth, named = night.codes
    pair = [truth, np.where(truth >= 0, named, -1)]
    totals = [measure_totals(_restore(codes, night.truth)) for codes in pair]
    return NightTotals(night.night, name_person(night), *totals)


def _restore(codes: np.ndarray, like: Hypnogram) -> Hypnogram:
    return Hypnogram(Hypnogram.from_codes(codes).stages, like.scorer, like.start_s, step_s=like.step_s)


def compare_totals(nights: Sequence[NightTotals], seed: int = 0) -> list[BlandAltman]:
    """Bias and limits of agreement of every total of `TOTALS`."""
    return [_compare(name, nights, seed) for name in TOTALS]


def _compare(name: str, nights: Sequence[NightTotals], seed: int) -> BlandAltman:
    pairs = np.array([(night.truth.flatten()[name], night.scored.flatten()[name]) for night in nights]).reshape(-1, 2)
    known = ~np.isnan(pairs).any(axis=1)
    persons = np.array([night.person for night in nights])[known]
    truth, scored = pairs[known].T
    bias, low, high = bound_differences(scored - truth, persons, seed)
    return BlandAltman(name, truth, scored, bias, low, high, int((~known).sum()))


def bound_differences(
    differences: np.ndarray, persons: np.ndarray, seed: int = 0
) -> tuple[Interval, Interval, Interval]:
    """Bias, lower and upper limit of agreement, with intervals over the persons.

    Parameters
    ----------
    differences : ndarray, shape (n_nights,)
    persons : ndarray of str, shape (n_nights,)

    Returns
    -------
    bias, low, high : Interval
        Without a value where there is no night; limits without one where there is but one.
    """
    _, place = np.unique(persons, return_inverse=True)
    powers = np.stack([np.ones_like(differences), differences, differences**2], axis=1)
    by_person = np.zeros((place.max(initial=-1) + 1, 3))
    np.add.at(by_person, place, powers)
    bias, low, high = resample(by_person, _measure_limits, seed=seed).bound()
    return bias, low, high


def _measure_limits(sums: np.ndarray) -> np.ndarray:
    """From count, sum and sum of squares, shape (..., 3), to bias and limits, shape (..., 3)."""
    n, total, squares = np.moveaxis(np.asarray(sums, dtype=float), -1, 0)
    bias = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    variance = np.where(n > 1, (squares - n * np.where(n > 0, bias, 0) ** 2) / np.maximum(n - 1, 1), np.nan)
    reach = WIDTH * np.sqrt(np.maximum(variance, 0))
    return np.stack([bias, bias - reach, bias + reach], axis=-1)


def list_totals(nights: Sequence[NightTotals]) -> list[dict[str, Any]]:
    """A line for each night and total: the scorer's value, the system's, and the difference."""
    lines = []
    for night in nights:
        truth, scored = night.truth.flatten(), night.scored.flatten()
        for name in TOTALS:
            pair = {"scorer": truth[name], "system": scored[name], "difference": scored[name] - truth[name]}
            rounded = {key: None if np.isnan(value) else round(value, 3) for key, value in pair.items()}
            lines.append({"night": night.night, "total": name, **rounded})
    return lines

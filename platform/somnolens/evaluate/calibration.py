"""Whether probabilities mean what they say, and what is gained by leaving the doubtful epochs to a person.

- **Confidence** is the probability of the stage that was named.
- **Reliability**: epochs in bins of confidence; in each, how many were right. Fifteen bins of equal width.
- **ECE**, expected calibration error: the mean over epochs of how far the two lie apart in their bin (M. P. Naeini,
  G. F. Cooper and M. Hauskrecht, AAAI 2015; fifteen bins as C. Guo et al., ICML 2017). With few epochs it is above
  zero for perfect probabilities too: about 0.01 with five thousand epochs, 0.02 with a thousand.
- **Brier** score: the mean squared distance between the five probabilities and the truth, 0 to 2 (G. W. Brier,
  Monthly Weather Review 78(1), 1950).
- **Risk and coverage**: the share of wrong epochs among the most confident ones, for every share that is kept
  (R. El-Yaniv and Y. Wiener, JMLR 11, 2010); the area under the curve is its mean over all shares.

An epoch without a stage has a row of zeros: confidence 0, wrong, and in the denominator.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from somnolens.aasm import EPOCH_S, STAGES
from somnolens.errors import EvaluationError
from somnolens.evaluate.evaluation import Evaluation

N_BINS: Final = 15
GOALS: Final = (0.85, 0.9, 0.95, 0.98)
"""Accuracies that somebody may want to reach by looking at epochs again."""


@dataclass(frozen=True, eq=False)
class Confidence:
    """Scored epochs of an evaluation, as far as calibration sees them.

    Parameters
    ----------
    confidence : ndarray, shape (n_epochs,)
    right : ndarray of bool, shape (n_epochs,)
    brier : ndarray, shape (n_epochs,)
        Squared distance of each epoch.
    """

    confidence: np.ndarray
    right: np.ndarray
    brier: np.ndarray

    def __len__(self) -> int:
        return len(self.confidence)


@dataclass(frozen=True)
class Bin:
    """Epochs of one stretch of confidence; means are not a number where there is none."""

    low: float
    high: float
    n_epochs: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class CalibrationFigures:
    """How far probabilities are from what they say.

    Parameters
    ----------
    ece, brier : float
    area : float
        Under the risk-coverage curve.
    accuracy, confidence : float
        Means over all epochs: confidence above accuracy is too sure.
    n_epochs : int
    bins : tuple of Bin
    """

    ece: float
    brier: float
    area: float
    accuracy: float
    confidence: float
    n_epochs: int
    bins: tuple[Bin, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for metrics.json, without the bins."""
        names = ("ece", "brier", "accuracy", "confidence", "n_epochs")
        return {name: getattr(self, name) for name in names} | {"risk_coverage_area": self.area, "n_bins": N_BINS}


def gather_confidence(evaluation: Evaluation, alone: bool = False) -> Confidence | None:
    """Confidence of every scored epoch; None where the system gives no probabilities.

    Parameters
    ----------
    evaluation : Evaluation
    alone : bool
        Of each picture by itself, in place of the answer after the night-level step.
    """
    pairs = []
    for night in evaluation.nights:
        probabilities = night.alone if alone else night.probabilities
        if probabilities is None:
            return None
        pairs.append((night.codes[0], probabilities))
    return pair_confidence(pairs)


def pair_confidence(nights: Sequence[tuple[np.ndarray, np.ndarray]]) -> Confidence:
    """The same of stage codes, shape (n_epochs,), and probabilities, shape (n_epochs, 5), of each night.

    Raises
    ------
    EvaluationError
        Where not one epoch is scored.
    """
    codes = np.concatenate([codes for codes, _ in nights]) if nights else np.empty(0, dtype=int)
    scored = codes >= 0
    if not scored.any():
        raise EvaluationError("Not one epoch is scored, so that no probability can be held to anything. Add scorings.")
    probabilities = np.concatenate([said for _, said in nights])[scored]
    truth = np.eye(len(STAGES))[codes[scored]]
    right = (probabilities.argmax(axis=1) == codes[scored]) & probabilities.any(axis=1)
    return Confidence(probabilities.max(axis=1), right, ((probabilities - truth) ** 2).sum(axis=1))


def measure_calibration(told: Confidence) -> CalibrationFigures:
    """ECE, Brier score, reliability and the area under the risk-coverage curve.

    Examples
    --------
    >>> half = Confidence(np.full(4, 0.8), np.array([True, True, False, False]), np.zeros(4))
    >>> round(measure_calibration(half).ece, 6)
    0.3
    """
    bins = tuple(_measure_bins(told))
    gaps = [one.n_epochs * abs(one.accuracy - one.confidence) for one in bins if one.n_epochs]
    _, risk = trace_risk(told)
    return CalibrationFigures(
        ece=float(sum(gaps) / len(told)),
        brier=float(told.brier.mean()),
        area=float(risk.mean()),
        accuracy=float(told.right.mean()),
        confidence=float(told.confidence.mean()),
        n_epochs=len(told),
        bins=bins,
    )


def _measure_bins(told: Confidence) -> list[Bin]:
    """A confidence on a border is of the lower bin, as in the papers; 0 is of the first."""
    place = np.clip(np.ceil(told.confidence * N_BINS - 1e-12).astype(int) - 1, 0, N_BINS - 1)
    made = []
    for number in range(N_BINS):
        inside = place == number
        n_epochs = int(inside.sum())
        confidence, accuracy = (
            (float(told.confidence[inside].mean()), float(told.right[inside].mean())) if n_epochs else (np.nan, np.nan)
        )
        made.append(Bin(number / N_BINS, (number + 1) / N_BINS, n_epochs, confidence, accuracy))
    return made


def trace_risk(told: Confidence) -> tuple[np.ndarray, np.ndarray]:
    """Coverage and risk, shape (n_epochs,) each: of the k most confident epochs, the share of all and of wrong ones.

    Epochs of equal confidence are kept or left together: what they share is their mean.
    """
    order = np.argsort(-told.confidence, kind="stable")
    wrong = _level_ties(told.confidence[order], (~told.right[order]).astype(float))
    numbers = np.arange(1, len(told) + 1)
    return numbers / len(told), np.cumsum(wrong) / numbers


def _level_ties(keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values of equal keys, which lie together, replaced by their mean."""
    _, group, sizes = np.unique(-keys, return_inverse=True, return_counts=True)
    return (np.bincount(group, values) / sizes)[group]


@dataclass(frozen=True, eq=False)
class ReviewCurve:
    """What becomes of the accuracy if a person corrects the least confident epochs.

    Parameters
    ----------
    accuracy : ndarray, shape (n_epochs + 1,)
        After 0, 1, 2, ... of the least confident epochs were corrected.
    """

    accuracy: np.ndarray

    @property
    def n_epochs(self) -> int:
        return len(self.accuracy) - 1

    def find_effort(self, goal: float) -> int:
        """Least number of epochs to look at for an accuracy.

        Examples
        --------
        >>> ReviewCurve(np.array([0.5, 0.75, 0.75, 1.0, 1.0])).find_effort(0.9)
        3
        """
        return int(np.argmax(self.accuracy >= goal - 1e-12))


def trace_review(told: Confidence) -> ReviewCurve:
    """Accuracy against the number of epochs looked at, the least confident first, and set right where wrong.

    The person is taken to be right: the scorer's own stage is what they would put.
    """
    order = np.argsort(told.confidence, kind="stable")
    mended = _level_ties(-told.confidence[order], (~told.right[order]).astype(float))
    return ReviewCurve((told.right.sum() + np.concatenate([[0.0], np.cumsum(mended)])) / len(told))


def list_efforts(curve: ReviewCurve, n_nights: int, goals: Sequence[float] = GOALS) -> list[dict[str, Any]]:
    """A line for each goal: epochs to look at in all, their share, and how many and how many minutes of signal a night.

    Minutes are of the night, 30 s an epoch; how long a person looks at one is theirs to say.
    """
    lines = []
    for goal in goals:
        n_epochs = curve.find_effort(goal)
        a_night = n_epochs / max(n_nights, 1)
        lines.append(
            {"accuracy": goal, "epochs": n_epochs, "share": round(n_epochs / max(curve.n_epochs, 1), 4)}
            | {"epochs_a_night": round(a_night, 1), "minutes_a_night": round(a_night * EPOCH_S / 60, 1)}
        )
    return lines

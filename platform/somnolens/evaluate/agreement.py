"""How far two hypnograms of the same night match.

Everything is derived from one confusion matrix, so nights are pooled by adding matrices.

Rules
-----
- An epoch that the truth leaves unscored is left out, and counted.
- An epoch that the truth scores and the prediction does not (UNSCORED, or beyond its end)
  stays in the denominator as wrong: a scorer gains nothing by keeping silent.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from somnolens.aasm import EPOCH_S, STAGES
from somnolens.errors import MismatchedHypnogramError
from somnolens.hypnogram import Hypnogram

N_STAGES = len(STAGES)
NO_STAGE = N_STAGES
"""Column of the confusion matrix for epochs without a predicted stage."""


@dataclass(frozen=True, eq=False)
class Agreement:
    """Agreement of a prediction with the truth, over one night or many.

    Parameters
    ----------
    confusion : ndarray of int, shape (5, 6)
        Epochs by true stage (row) and predicted stage (column), both in the order of
        `aasm.STAGES`; the last column counts epochs without a predicted stage.
    n_left_out : int
        Epochs that the truth leaves unscored.

    Notes
    -----
    A measure that its definition leaves without a value (no epochs, a stage that neither
    scorer uses) is NaN, and None in `to_dict`.

    References
    ----------
    J. Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological
    Measurement 20(1), 37-46, 1960.

    Examples
    --------
    >>> agreement = measure_agreement(np.array([0, 2, 2, 4]), np.array([0, 2, 3, -1]))
    >>> agreement.accuracy, agreement.n_invalid, round(agreement.kappa, 4)
    (0.5, 1, 0.3846)
    """

    confusion: np.ndarray
    n_left_out: int = 0

    @property
    def n_epochs(self) -> int:
        """Epochs in the denominator: all that the truth scores."""
        return int(self.confusion.sum())

    @property
    def n_invalid(self) -> int:
        """Epochs of these without a predicted stage."""
        return int(self.confusion[:, NO_STAGE].sum())

    @property
    def support(self) -> dict[str, int]:
        """Epochs of each stage in the truth."""
        return dict(zip(STAGES, self.confusion.sum(axis=1).tolist(), strict=True))

    @property
    def accuracy(self) -> float:
        """Share of epochs with the same stage."""
        return float(np.trace(self.confusion) / self.n_epochs) if self.n_epochs else np.nan

    @cached_property
    def balanced_accuracy(self) -> float:
        """Mean recall of the stages that occur in the truth."""
        present = [code for code, count in enumerate(self.confusion.sum(axis=1)) if count]
        if not present:
            return np.nan
        from sklearn.metrics import recall_score  # takes a second to import, and a service measures nothing

        truth, prediction, counts = self._cells()
        recalls = recall_score(truth, prediction, labels=present, average=None, sample_weight=counts)
        return float(np.mean(recalls))

    @property
    def kappa(self) -> float:
        """Cohen's kappa, unweighted: agreement beyond chance, 1 at best.

        A missing prediction is a category of its own that the truth never uses: it lowers
        the observed agreement and adds nothing to the one expected by chance.
        """
        if not self.n_epochs:
            return np.nan
        shares = self.confusion / self.n_epochs
        by_chance = float(shares.sum(axis=1) @ shares[:, :N_STAGES].sum(axis=0))
        return (self.accuracy - by_chance) / (1 - by_chance) if by_chance < 1 - 1e-12 else np.nan

    @cached_property
    def f1(self) -> dict[str, float]:
        """F1 of each stage; NaN where neither scorer uses it."""
        if not self.n_epochs:
            return dict.fromkeys(STAGES, np.nan)
        from sklearn.metrics import f1_score

        truth, prediction, counts = self._cells()
        scores = f1_score(
            truth, prediction, labels=range(N_STAGES), average=None, sample_weight=counts, zero_division=np.nan
        )
        return dict(zip(STAGES, scores.tolist(), strict=True))

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the stages that either scorer uses."""
        scores = [score for score in self.f1.values() if not np.isnan(score)]
        return float(np.mean(scores)) if scores else np.nan

    def _cells(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """True code, predicted code and count of each cell: all epochs, for scikit-learn."""
        truth, prediction = np.indices(self.confusion.shape)
        return truth.ravel(), prediction.ravel(), self.confusion.ravel()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for metrics.json; None where a measure has no value."""
        return {
            "n_epochs": self.n_epochs,
            "n_invalid": self.n_invalid,
            "n_left_out": self.n_left_out,
            "accuracy": _none_if_nan(self.accuracy),
            "balanced_accuracy": _none_if_nan(self.balanced_accuracy),
            "macro_f1": _none_if_nan(self.macro_f1),
            "kappa": _none_if_nan(self.kappa),
            "f1": {stage: _none_if_nan(score) for stage, score in self.f1.items()},
            "support": self.support,
            "confusion": self.confusion.tolist(),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Agreement":
        """Build from what `to_dict` made."""
        return cls(np.array(content["confusion"], dtype=np.int64), content["n_left_out"])


def measure_agreement(truth: Hypnogram | np.ndarray, prediction: Hypnogram | np.ndarray) -> Agreement:
    """Compare a prediction with the truth, epoch by epoch.

    Two hypnograms are laid over each other by their start; two arrays by their first entry.

    Parameters
    ----------
    truth, prediction : Hypnogram, or ndarray of int, shape (n_epochs,)
        Integers index `aasm.STAGES`; any other is UNSCORED. They need not be equally long.

    Raises
    ------
    MismatchedHypnogramError
        The two cut the night into epochs at different times.

    Examples
    --------
    >>> expert = Hypnogram(("W", "N1", "N2", "UNSCORED"))
    >>> model = Hypnogram(("W", "N2", "N2", "N2"))
    >>> agreement = measure_agreement(expert, model)
    >>> agreement.n_epochs, agreement.n_left_out, agreement.f1["N2"]
    (3, 1, 0.6666666666666666)
    """
    from sklearn.metrics import confusion_matrix

    true_codes, paired = pair_codes(truth, prediction)
    scored = true_codes >= 0
    paired = np.where(paired >= 0, paired, NO_STAGE)
    cells = confusion_matrix(true_codes[scored], paired[scored], labels=range(N_STAGES + 1)) if scored.any() else 0
    confusion = np.zeros((N_STAGES + 1, N_STAGES + 1), dtype=np.int64) + cells
    return Agreement(confusion[:N_STAGES], n_left_out=int(len(true_codes) - scored.sum()))


def pair_codes(truth: Hypnogram | np.ndarray, prediction: Hypnogram | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes of both scorers on the epochs of the truth, shape (n_epochs,) each; -1 where there is none.

    Examples
    --------
    >>> pair_codes(Hypnogram(("N1", "N2"), start_s=30), Hypnogram(("W", "N1")))
    (array([1, 2]), array([ 1, -1]))
    """
    true_codes = _codes(truth)
    return true_codes, _lay_over(_codes(prediction), _offset_epochs(truth, prediction), len(true_codes))


def pair_probabilities(truth: Hypnogram, prediction: Hypnogram) -> np.ndarray | None:
    """Probabilities of the prediction on the epochs of the truth, shape (n_epochs, 5); None where it gives none.

    A row of zeros stands where no stage was named: sure of nothing, right never, and in the denominator.

    Examples
    --------
    >>> said = Hypnogram(("W", "N1"), probabilities=np.array([[0.9, 0.1, 0, 0, 0], [0.3, 0.7, 0, 0, 0]]))
    >>> pair_probabilities(Hypnogram(("N1", "N2"), start_s=30), said).max(axis=1).tolist()
    [0.7, 0.0]
    """
    if prediction.probabilities is None:
        return None
    named = np.flatnonzero(prediction.codes() >= 0)
    places = named + _offset_epochs(truth, prediction)
    inside = (places >= 0) & (places < len(truth))
    laid = np.zeros((len(truth), N_STAGES))
    laid[places[inside]] = np.asarray(prediction.probabilities)[named[inside]]
    return laid


def pool(agreements: Iterable[Agreement]) -> Agreement:
    """Agreement over all epochs of several nights: every epoch weighs the same.

    Examples
    --------
    >>> one, two = measure_agreement(np.array([0]), np.array([0])), measure_agreement(np.array([2]), np.array([3]))
    >>> pool([one, two]).accuracy
    0.5
    """
    agreements = list(agreements)
    confusion = sum((one.confusion for one in agreements), np.zeros((N_STAGES, N_STAGES + 1), dtype=np.int64))
    return Agreement(confusion, sum(one.n_left_out for one in agreements))


def format_measure(value: float, pattern: str) -> str:
    """A measure for a person to read; a dash where it has no value.

    Examples
    --------
    >>> format_measure(0.8125, ".2f"), format_measure(float("nan"), ".2f")
    ('0.81', '-')
    """
    return "-" if np.isnan(value) else format(value, pattern)


def _codes(scoring: Hypnogram | np.ndarray) -> np.ndarray:
    codes = scoring.codes() if isinstance(scoring, Hypnogram) else np.asarray(scoring, dtype=np.int64)
    return np.where((codes >= 0) & (codes < N_STAGES), codes, -1)


def _offset_epochs(truth: Hypnogram | np.ndarray, prediction: Hypnogram | np.ndarray) -> int:
    """Epochs by which the prediction starts after the truth."""
    if not (isinstance(truth, Hypnogram) and isinstance(prediction, Hypnogram)):
        return 0
    offset_s = prediction.start_s - truth.start_s
    offset = round(offset_s / EPOCH_S)
    if abs(offset_s - offset * EPOCH_S) > 0.5:
        raise MismatchedHypnogramError(
            f"The hypnogram of {prediction.scorer} starts {offset_s:g} s after that of {truth.scorer}. "
            f"Looked for a whole number of {EPOCH_S}-s epochs. Stage the night from the scorer's first epoch."
        )
    return offset


def _lay_over(codes: np.ndarray, offset: int, n_epochs: int) -> np.ndarray:
    """The codes that fall on `n_epochs` epochs, the first code on epoch `offset`; -1 elsewhere."""
    laid = np.full(n_epochs, -1, dtype=np.int64)
    first, last = max(0, offset), min(n_epochs, offset + len(codes))
    if first < last:
        laid[first:last] = codes[first - offset : last - offset]
    return laid


def _none_if_nan(value: float) -> float | None:
    return None if np.isnan(value) else value

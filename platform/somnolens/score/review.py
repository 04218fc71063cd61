"""Which epochs a person should look at, and why.

A scored night of 960 epochs is read in minutes if the reader knows where to look. An epoch is listed for any of
three reasons: the model is in doubt, the signals are poor, or whoever calls has a reason of their own, as a rule
of the manual that the measured signal contradicts.

The priority of an epoch is how likely its stage is to be wrong, as far as that is known, 0 to 1. Doubt is one
minus the calibrated probability of the stage named. Poor signals and reasons of the caller set a floor: a sure
answer from a signal that is not one is no answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from somnolens.aasm import RECOMMENDED_DERIVATIONS, STAGES
from somnolens.epochs import GOOD, MISSING, QUALITY

DOUBTFUL: Final = 0.6
"""An epoch whose stage is less likely is in doubt: two in five such are wrong, if the probabilities are right."""

NO_EEG: Final = 0.9
"""Floor where no EEG derivation is good: the manual stages by the EEG."""

POOR: Final = 0.4
"""Floor where half or more of the derivations that the recording has are poor."""

REASONED: Final = 0.5
"""Floor where the caller gives a reason."""


@dataclass(frozen=True)
class Review:
    """An epoch to look at.

    Parameters
    ----------
    epoch : int
        Counted from 0.
    priority : float
        0 to 1; the most urgent is the highest.
    reason : str
        In words, for the person who looks.
    """

    epoch: int
    priority: float
    reason: str


def list_reviews(
    probabilities: np.ndarray,
    quality: np.ndarray,
    derivations: Sequence[str],
    reasons: Mapping[int, str] | None = None,
) -> list[Review]:
    """List the epochs of a night that a person should look at, the most urgent first.

    Parameters
    ----------
    probabilities : ndarray, shape (n_epochs, 5)
        Calibrated, in the order of `aasm.STAGES`; a row of zeros is an epoch without a stage.
    quality : ndarray of uint8, shape (n_epochs, n_derivations)
        Codes of `epochs.QUALITY`.
    derivations : sequence of str
        Their names.
    reasons : mapping of int to str, optional
        Reasons of the caller by epoch.

    Returns
    -------
    list of Review
        By falling priority; epochs of equal priority in the order of the night.

    Examples
    --------
    >>> sure, torn = [0.02, 0.02, 0.92, 0.02, 0.02], [0.05, 0.45, 0.4, 0.05, 0.05]
    >>> good = np.zeros((3, 1), dtype=np.uint8)
    >>> for review in list_reviews(np.array([sure, torn, sure]), good, ["C4-M1"], {2: "no spindle in N2"}):
    ...     print(review.epoch, review.priority, review.reason)
    1 0.55 in doubt: N1 45 %, N2 40 %
    2 0.5 no spindle in N2
    """
    given = reasons or {}
    found = [
        _judge(epoch, row, codes, derivations, given.get(epoch, ""))
        for epoch, (row, codes) in enumerate(zip(np.asarray(probabilities), quality, strict=True))
    ]
    return sorted((review for review in found if review), key=lambda review: -review.priority)


def _judge(epoch: int, row: np.ndarray, codes: np.ndarray, derivations: Sequence[str], given: str) -> Review | None:
    doubt = 1.0 - float(row.max())
    floors = [(REASONED, given)] if given else []
    if 1.0 - doubt < DOUBTFUL:
        floors.insert(0, (doubt, _tell_doubt(row)))
    floors += _judge_signals(codes, derivations)
    if not floors:
        return None
    priority = max([doubt, *(floor for floor, _ in floors)])
    return Review(epoch, round(priority, 3), "; ".join(text for _, text in floors))


def _tell_doubt(row: np.ndarray) -> str:
    """The two likeliest stages."""
    if not row.any():
        return "no stage was named"
    first, second = np.argsort(-row, kind="stable")[:2]
    return f"in doubt: {STAGES[first]} {100 * row[first]:.0f} %, {STAGES[second]} {100 * row[second]:.0f} %"


def _judge_signals(codes: np.ndarray, derivations: Sequence[str]) -> list[tuple[float, str]]:
    """Floor and words where signals are poor. What was never recorded is told once for the night, not here."""
    is_eeg = np.array([RECOMMENDED_DERIVATIONS.get(name) == "EEG" for name in derivations])
    poor, recorded = (codes != GOOD) & (codes != MISSING), codes != MISSING
    if not (codes[is_eeg] == GOOD).any():
        return [(NO_EEG, "no EEG that can be read" + _list_poor(codes, poor, derivations))]
    if recorded.any() and poor.sum() >= recorded.sum() / 2:
        return [(POOR, "poor signals" + _list_poor(codes, poor, derivations))]
    return []


def _list_poor(codes: np.ndarray, poor: np.ndarray, derivations: Sequence[str]) -> str:
    named = [f"{derivations[place]} {QUALITY[codes[place]]}" for place in np.flatnonzero(poor)]
    return f": {', '.join(named)}" if named else ""

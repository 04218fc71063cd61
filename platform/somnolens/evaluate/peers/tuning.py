"""What fitted peers share: rows of scored epochs, and a choice among settings by validation nights."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np
from sklearn.metrics import cohen_kappa_score

from somnolens.aasm import STAGES
from somnolens.evaluate.systems import LabelledNight, Shown

Fitted = TypeVar("Fitted")

HIDE_SHARE = 0.25
"""Every peer that learns has as many of its training rows with hidden derivations as the adapter: nobody is hobbled
in the test of lost channels."""


def measure_kappa(codes: np.ndarray, probabilities: np.ndarray) -> float:
    """Cohen's kappa of the most probable stages; 0 where either uses one stage alone."""
    named = probabilities.argmax(1)
    return float(cohen_kappa_score(codes, named, labels=range(len(STAGES)))) if len({*codes, *named}) > 1 else 0.0


def gather(
    nights: Sequence[LabelledNight], measure: Callable[[Shown], np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of the scored epochs of some nights, night by night in order.

    Returns
    -------
    rows : ndarray, shape (n_rows, ...)
        What `measure` made of each night, unscored epochs left out.
    codes : ndarray of int, shape (n_rows,)
    places : ndarray of int, shape (n_rows,)
        Which night each row is from.
    """
    rows, codes, places = [], [], []
    for place, night in enumerate(nights):
        scored = night.codes >= 0
        rows.append(measure(night.read())[scored])
        codes.append(night.codes[scored])
        places.append(np.full(int(scored.sum()), place))
    return np.concatenate(rows), np.concatenate(codes), np.concatenate(places)


def take_best(candidates: Iterable[tuple[float, Fitted]]) -> Fitted:
    """The candidate with the best validation kappa, the first of equals."""
    return max(candidates, key=lambda candidate: candidate[0])[1]


def fill_stages(probabilities: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Probabilities of all five stages, shape (n, 5), from those of the stages that the training nights have."""
    filled = np.zeros((len(probabilities), len(STAGES)))
    filled[:, classes.astype(int)] = probabilities
    return filled

"""Temperatures that make probabilities mean what they say: of epochs given 0.8, eight in ten should be right.

Each probability is raised to the power of 1 / temperature and the row brought back to a sum of one, which is the
temperature scaling of logits (C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural
networks", ICML 2017). One number is fitted, by the likelihood of the scorers' stages on validation subjects. The
order of the stages in a row stays, and so does every hypnogram.

Two temperatures, because there are two kinds of answer. That of a picture by itself is about as sure as training
left it. The night-level step multiplies what neighbours say as if each had judged alone; they share their errors,
so that its answer is surer than it should be, and by an amount that the temperature of a picture cannot tell. The
chain itself is given the probabilities as the model said them: its `weight` was chosen with those.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from scipy.optimize import minimize_scalar

from somnolens.errors import AdapterError

_LEAST = 1e-12
_LIMITS: Final = (0.1, 20.0)
"""Temperatures looked at: beyond them the fit tells of something broken, not of confidence."""

Nights = Sequence[tuple[np.ndarray, np.ndarray]]
"""Stage codes, shape (n_epochs,), -1 where unscored, and probabilities, shape (n_epochs, 5), of each night."""


@dataclass(frozen=True)
class Calibration:
    """What an adapter's probabilities are divided by before they are told.

    Parameters
    ----------
    picture, night : float
        Temperature of one picture by itself, and of the answer of the night-level step. 1 changes nothing.
    n_subjects, n_epochs : int
        What they were fitted on.
    """

    picture: float = 1.0
    night: float = 1.0
    n_subjects: int = 0
    n_epochs: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As the adapter's card holds it."""
        numbers = asdict(self)
        return {"temperature": {name: numbers.pop(name) for name in ("picture", "night")}, **numbers}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Calibration":
        """Of a card; temperatures of 1 where the card is older than calibration.

        Raises
        ------
        AdapterError
            Where the card tells something else.

        Examples
        --------
        >>> Calibration.from_dict({}).night, Calibration.from_dict({"temperature": {"night": 1.4}}).night
        (1.0, 1.4)
        """
        counts = {name: value for name, value in content.items() if name != "temperature"}
        try:
            return cls(**content.get("temperature", {}), **counts)
        except TypeError:
            raise AdapterError(
                f"The adapter's card tells of its calibration {content!r}. Looked for 'temperature' with 'picture' and "
                "'night', 'n_subjects' and 'n_epochs'. Calibrate it again with jobs/calibrate_adapter.py."
            ) from None


def scale(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities at a temperature: above 1 less sure, below 1 surer.

    Parameters
    ----------
    probabilities : ndarray, shape (n_epochs, 5)
        A row of zeros, an epoch without a stage, stays so.
    temperature : float

    Examples
    --------
    >>> scale(np.array([[0.8, 0.2]]), 2.0).round(3).tolist()
    [[0.667, 0.333]]
    """
    probabilities = np.asarray(probabilities, dtype=float)
    if temperature == 1.0:
        return probabilities
    top = probabilities.max(axis=-1, keepdims=True)
    powers = (probabilities / np.where(top > 0, top, 1.0)) ** (1.0 / temperature)
    return np.where(top > 0, powers / np.where(top > 0, powers.sum(axis=-1, keepdims=True), 1.0), 0.0)


def fit_temperature(nights: Nights) -> float:
    """The temperature at which the scorers' stages are likeliest; 1 where no epoch is scored.

    Every scored epoch counts the same.

    Examples
    --------
    >>> codes, said = np.arange(10) % 5, 0.04 * np.ones((10, 5)) + 0.8 * np.eye(5)[np.arange(10) % 5]
    >>> codes[:5] = (codes[:5] + 1) % 5  # half of them wrong, all said with 0.84
    >>> calm = scale(said, fit_temperature([(codes, said)]))
    >>> bool(0.45 < calm.max() < 0.55)
    True
    """
    codes = np.concatenate([codes for codes, _ in nights]) if nights else np.empty(0, dtype=int)
    scored = codes >= 0
    if not scored.any():
        return 1.0
    logs = np.log(np.maximum(np.concatenate([said for _, said in nights])[scored], _LEAST))
    rows = np.arange(len(logs))

    def surprise(log_temperature: float) -> float:
        tempered = logs / np.exp(log_temperature)
        top = tempered.max(axis=1, keepdims=True)
        total = top[:, 0] + np.log(np.exp(tempered - top).sum(axis=1))
        return float(np.mean(total - tempered[rows, codes[scored]]))

    found = minimize_scalar(surprise, bounds=tuple(np.log(_LIMITS)), method="bounded", options={"xatol": 1e-6})
    return round(float(np.exp(found.x)), 4)


def fit_calibration(pictures: Nights, nights: Nights, n_subjects: int) -> Calibration:
    """Both temperatures of an adapter.

    Parameters
    ----------
    pictures, nights : sequence of (codes, probabilities)
        Of each picture by itself, and after the night-level step, as the model said them.
    n_subjects : int
        Whose nights they are.
    """
    n_epochs = int(sum((codes >= 0).sum() for codes, _ in pictures))
    return Calibration(fit_temperature(pictures), fit_temperature(nights), n_subjects, n_epochs)

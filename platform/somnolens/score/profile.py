"""What an adapter says of nights when all is well: the profile of its validation nights, and how far others are off.

Each night becomes a few figures: the share of each stage, how sure the model is, how many epochs a person should
look at, how good the signals are. A profile holds their mean and their spread from night to night. Newer nights are
off where their mean differs from that of the profile by more standard errors than chance would do; both means have
one, since a profile of few nights is not certain itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from somnolens.aasm import STAGES
from somnolens.epochs import GOOD, MISSING
from somnolens.score.review import DOUBTFUL

FLOOR: Final = 0.02
"""Least spread of a share: nights that happen to agree must not make the next one an alarm."""

FIGURES: Final = (*(f"share of {stage}" for stage in STAGES), "confidence", "doubtful", "poor signals", "missing")
"""Shares of epochs by stage named; mean probability of the stage named; share of epochs in doubt; of the signals
that are there, the share of epochs that are poor; share of derivations that the recordings lack."""


@dataclass(frozen=True)
class Departure:
    """How far one figure of newer nights is off the profile.

    Parameters
    ----------
    figure : str
        Of `FIGURES`.
    expected, seen : float
    z : float
        Difference in standard errors of both means.
    """

    figure: str
    expected: float
    seen: float
    z: float


def measure_night(probabilities: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """The figures of one night, shape (9,), in the order of `FIGURES`.

    Parameters
    ----------
    probabilities : ndarray, shape (n_epochs, 5)
        As they are told.
    quality : ndarray of uint8, shape (n_epochs, n_derivations)
        Codes of `epochs.QUALITY`.

    Examples
    --------
    >>> measure_night(np.eye(5)[[2, 2, 0, 3]], np.zeros((4, 6), dtype=np.uint8)).tolist()
    [0.25, 0.0, 0.5, 0.25, 0.0, 1.0, 0.0, 0.0, 0.0]
    """
    named, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    there = quality != MISSING
    poor = (there & (quality != GOOD)).sum() / max(there.sum(), 1)
    shares = np.bincount(named, minlength=len(STAGES)) / len(named)
    return np.array([*shares, sure.mean(), (sure < DOUBTFUL).mean(), poor, 1 - there.mean()])


def describe_profile(nights: Sequence[np.ndarray]) -> dict[str, Any]:
    """A profile as the adapter's card holds it, from the figures of its nights; empty for fewer than two."""
    if len(nights) < 2:
        return {}
    figures = np.array(nights)
    mean, spread = figures.mean(axis=0), figures.std(axis=0, ddof=1)
    return {
        "n_nights": len(nights),
        "figures": {
            name: {"mean": round(float(mean[place]), 5), "sd": round(float(spread[place]), 5)}
            for place, name in enumerate(FIGURES)
        },
    }


def find_departures(nights: Sequence[np.ndarray], profile: dict[str, Any]) -> list[Departure]:
    """Hold newer nights to a profile, figure by figure; one that the profile does not know is left out.

    Examples
    --------
    >>> usual = [measure_night(np.eye(5)[[0, 1, 2, stage]], np.zeros((4, 6), np.uint8)) for stage in (2, 3, 4, 2)]
    >>> asleep = [measure_night(np.eye(5)[[2, 2, 2, 2]], np.zeros((4, 6), np.uint8))] * 10
    >>> [(one.figure, round(one.z)) for one in find_departures(asleep, describe_profile(usual)) if abs(one.z) > 6]
    [('share of W', -21), ('share of N1', -21), ('share of N2', 7)]
    """
    known = profile.get("figures", {})
    if not nights or not known:
        return []
    seen = np.mean(nights, axis=0)
    by_chance = np.sqrt(1 / len(nights) + 1 / profile["n_nights"])
    return [
        Departure(
            figure=name,
            expected=known[name]["mean"],
            seen=round(float(seen[place]), 5),
            z=float((seen[place] - known[name]["mean"]) / (max(known[name]["sd"], FLOOR) * by_chance)),
        )
        for place, name in enumerate(FIGURES)
        if name in known
    ]

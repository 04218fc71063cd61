"""Whether the nights of late look like those the adapter was validated on."""

import logging
from collections import deque
from collections.abc import Callable
from typing import Final

import numpy as np

from somnolens.score.profile import Departure, find_departures, measure_night
from somnolens.serve.schema import Drift, DriftFigure

LEAST_NIGHTS: Final = 10
"""Fewer are told, but raise no alarm: people differ."""

LEAST_EPOCHS: Final = 60
"""Half an hour; less is not a night, and has no mix of stages."""

logger = logging.getLogger("ray.serve")


class DriftWatch:
    """The newest nights of an adapter, held against its validation profile.

    Parameters
    ----------
    n_nights : int
        Looked at; older ones are forgotten.
    limit_z : float
        Standard errors off the profile that raise the alarm.
    report : callable
        Gets every departure after each night, and whether it is an alarm.
    """

    def __init__(
        self,
        n_nights: int,
        limit_z: float,
        report: Callable[[Departure, bool], None] = lambda departure, alarm: None,
    ) -> None:
        self._n_nights, self._limit_z, self._report = n_nights, limit_z, report
        self._adapter, self._profile = "", {}
        self._nights: deque[np.ndarray] = deque(maxlen=n_nights)
        self._alarms: frozenset[str] = frozenset()

    def follow(self, adapter: str, profile: dict) -> None:
        """Watch another adapter from now on; what the one before said tells nothing of it."""
        if adapter != self._adapter:
            self._adapter, self._profile = adapter, profile
            self._nights.clear()
            self._alarms = frozenset()

    def note(self, adapter: str, probabilities: np.ndarray, quality: np.ndarray) -> None:
        """Take in a night, unless it is too short or another adapter's.

        Parameters
        ----------
        adapter : str
        probabilities : ndarray, shape (n_epochs, 5)
        quality : ndarray of uint8, shape (n_epochs, n_derivations)
        """
        if adapter != self._adapter or len(probabilities) < LEAST_EPOCHS:
            return
        self._nights.append(measure_night(probabilities, quality))
        departures = self._find()
        for departure in departures:
            self._report(departure, self._is_alarm(departure))
        alarms = frozenset(one.figure for one in departures if self._is_alarm(one))
        for one in departures:
            if one.figure in alarms - self._alarms:
                logger.warning("Drift: %s", _tell(one, len(self._nights)))
        self._alarms = alarms

    def tell(self) -> Drift:
        """How things stand."""
        departures = self._find()
        figures = [
            DriftFigure(name=one.figure, expected=one.expected, seen=one.seen, z=one.z, alarm=self._is_alarm(one))
            for one in departures
        ]
        alarms = [_tell(one, len(self._nights)) for one in departures if self._is_alarm(one)]
        known = "" if self._profile else "The adapter's card has no profile: calibrate it again to have one."
        return Drift(
            n_nights=len(self._nights), alarm=bool(alarms), figures=figures, notes=alarms or [known] * bool(known)
        )

    def _find(self) -> list[Departure]:
        return find_departures(self._nights, self._profile)

    def _is_alarm(self, departure: Departure) -> bool:
        return len(self._nights) >= LEAST_NIGHTS and abs(departure.z) >= self._limit_z


def _tell(one: Departure, n_nights: int) -> str:
    return (
        f"{one.figure} is {one.seen:.3f} in the last {n_nights} nights, and {one.expected:.3f} in those the adapter "
        f"was validated on ({one.z:+.1f} standard errors)."
    )

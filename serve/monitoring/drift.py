"""Whether the nights of late look like those the adapter was validated on."""

import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from somnolens.score.profile import Departure, find_departures, measure_night
from somnolens.serve.messages.schema import Drift, DriftFigure

LEAST_NIGHTS: Final = 10
"""Fewer are told, but raise no alarm: people differ."""

LEAST_EPOCHS: Final = 60
"""Half an hour; less is not a night, and has no mix of stages."""

logger = logging.getLogger("ray.serve")


class DriftWatch:
    """The newest nights of one adapter, held against its validation profile.

    Parameters
    ----------
    profile : dict
        Of the adapter's card; empty where it has none.
    n_nights : int
        Looked at; older ones are forgotten.
    limit_z : float
        Standard errors off the profile that raise the alarm.
    report : callable
        Gets every departure after each night, and whether it is an alarm.
    """

    def __init__(
        self,
        profile: dict[str, Any],
        n_nights: int,
        limit_z: float,
        report: Callable[[Departure, bool], None] = lambda departure, alarm: None,
    ) -> None:
        self._profile, self._limit_z, self._report = profile, limit_z, report
        self._nights: deque[np.ndarray] = deque(maxlen=n_nights)
        self._alarms: frozenset[str] = frozenset()

    def note(self, probabilities: np.ndarray, quality: np.ndarray) -> None:
        """Take in a night, unless it is too short.

        Parameters
        ----------
        probabilities : ndarray, shape (n_epochs, 5)
        quality : ndarray of uint8, shape (n_epochs, n_derivations)
        """
        if len(probabilities) < LEAST_EPOCHS:
            return
        self._nights.append(measure_night(probabilities, quality))
        departures = self._find()
        for departure in departures:
            self._report(departure, self._is_alarm(departure))
        alarms = frozenset(one.figure for one in departures if self._is_alarm(one))
        for one in departures:
            if one.figure in alarms - self._alarms:
                logger.warning("Drift: %s", self._tell(one))
        self._alarms = alarms

    def tell(self) -> Drift:
        """How things stand."""
        departures = self._find()
        figures = [
            DriftFigure(name=one.figure, expected=one.expected, seen=one.seen, z=one.z, alarm=self._is_alarm(one))
            for one in departures
        ]
        notes = [self._tell(one) for one in departures if self._is_alarm(one)]
        alarm = bool(notes)
        if not self._profile:
            notes = ["The adapter's card has no profile: jobs/calibrate_adapter.py writes one."]
        return Drift(n_nights=len(self._nights), alarm=alarm, figures=figures, notes=notes)

    def _find(self) -> list[Departure]:
        return find_departures(self._nights, self._profile)

    def _is_alarm(self, departure: Departure) -> bool:
        return len(self._nights) >= LEAST_NIGHTS and abs(departure.z) >= self._limit_z

    def _tell(self, one: Departure) -> str:
        return (
            f"{one.figure} is {one.seen:.3f} in the last {len(self._nights)} nights, and {one.expected:.3f} in those "
            f"the adapter was validated on ({one.z:+.1f} standard errors)."
        )

"""What a worker sees of the nights it finishes: for the meters, and for the drift alarm of each adapter."""

from collections.abc import Callable
from typing import Protocol

from somnolens.config import ServeSettings
from somnolens.score.night import ScoredNight
from somnolens.score.profile import Departure
from somnolens.score.reader import NightReader
from somnolens.serve.adapters.catalogue import name_adapter
from somnolens.serve.messages.schema import Drift
from somnolens.serve.monitoring.drift import DriftWatch


class Meters(Protocol):
    """What counts nights."""

    def note_night(self, adapter: str, night: ScoredNight) -> None:
        """A night was staged."""

    def note_departure(self, adapter: str, departure: Departure, alarm: bool) -> None:
        """One figure of the newest nights was held against the profile."""


class NoMeters:
    """Where nobody counts."""

    def note_night(self, adapter: str, night: ScoredNight) -> None:
        """Nothing."""

    def note_departure(self, adapter: str, departure: Departure, alarm: bool) -> None:
        """Nothing."""


class Watch:
    """Every adapter's newest nights.

    Parameters
    ----------
    settings : ServeSettings
    meters : Meters
    """

    def __init__(self, settings: ServeSettings, meters: Meters | None = None) -> None:
        self._settings, self._meters = settings, meters or NoMeters()
        self._drifts: dict[str, DriftWatch] = {}

    def note(self, adapter: str, reader: NightReader, night: ScoredNight) -> None:
        """A night was staged by an adapter."""
        self._meters.note_night(name_adapter(adapter), night)
        self._find(adapter, reader).note(night.hypnogram.probabilities, night.quality)

    def tell(self, adapter: str, reader: NightReader) -> Drift:
        """How the nights of an adapter stand to its profile."""
        return self._find(adapter, reader).tell()

    def _find(self, adapter: str, reader: NightReader) -> DriftWatch:
        if adapter not in self._drifts:
            settings = self._settings
            self._drifts[adapter] = DriftWatch(
                reader.card.profile, settings.drift_nights, settings.drift_z, self._reporter(name_adapter(adapter))
            )
        return self._drifts[adapter]

    def _reporter(self, name: str) -> Callable[[Departure, bool], None]:
        return lambda departure, alarm: self._meters.note_departure(name, departure, alarm)

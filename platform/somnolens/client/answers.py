"""What the service answers, as typed values. What a newer service says besides is passed over."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from somnolens.aasm import Stage


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Night(_Answer):
    """A scored night: a stage and five probabilities for each epoch of 30 s; `id` where it is kept."""

    id: str | None = None
    scorer: str
    start_s: float
    start_time: str | None
    epoch_s: int
    stages: list[Stage]
    probability_order: list[str]
    probabilities: list[list[float]]
    quality: list[str]
    notes: list[str]
    derivations: dict[str, str | None]
    made_by: dict[str, Any]


class NightStatus(_Answer):
    """How far a night is; the night once it is done, the problem where it has failed."""

    id: str
    state: Literal["queued", "running", "done", "failed"]
    progress: float
    night: Night | None
    problem: dict[str, Any] | None
    expires_at: datetime


@dataclass(frozen=True)
class Progress:
    """A step of a night that is being scored.

    Parameters
    ----------
    state : str
        'reading', 'looking' or 'finishing'.
    progress : float
        0 to 1.
    """

    state: str
    progress: float


class Cells(_Answer):
    """What the answer loses without each second of each derivation; positive speaks for the stage."""

    derivations: list[str]
    seconds: int
    values: list[list[float]]
    unit: str


class Explanation(_Answer):
    """Why an epoch got its stage."""

    epoch: int
    stage: Stage
    probabilities: dict[str, float]
    cells: Cells | None = None
    evidence_for: list[str]
    evidence_against: list[str]
    rules: list[dict[str, str]]
    disagrees: bool


class Doubt(_Answer):
    """An epoch that a person should look at."""

    index: int
    stage: Stage
    confidence: float
    priority: float
    reasons: list[str]


class Statistic(_Answer):
    """One statistic of a night, and what is usual: from, to, an open end being None."""

    name: str
    value: float | None
    unit: str
    normal: tuple[float | None, float | None] | None
    definition: str
    source: str | None


class Spectrogram(_Answer):
    """Power of one derivation by time and frequency, decibels of microvolts squared per hertz."""

    derivation: str
    times_s: list[float]
    frequencies_hz: list[float]
    power_db: list[list[float]]
    limits_db: list[float]

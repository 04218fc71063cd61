"""What goes in and comes out over HTTP about nights that are kept, as OpenAPI shows it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from somnolens.aasm import Stage
from somnolens.serve.messages.schema import Problem, StagedNight

ID = "3f6c0a8f9d5e4b1c8a7e2d90c4b5f613"


def _show(example: object, **more: object) -> ConfigDict:
    return ConfigDict(json_schema_extra={"example": example}, **more)


class NamedRecording(BaseModel):
    """A recording in a bucket that the service may fetch from."""

    model_config = _show({"url": "s3://lab/nights/night-7.edf"}, extra="forbid")

    url: str = Field(min_length=1, max_length=2000)


class NightStatus(BaseModel):
    """How far a night is; the answer once it is done, the problem where it has failed."""

    model_config = _show(
        {
            "id": ID,
            "state": "running",
            "progress": 0.42,
            "night": None,
            "problem": None,
            "expires_at": "2026-11-24T04:48:00+00:00",
        }
    )

    id: str
    state: Literal["queued", "running", "done", "failed"]
    progress: float = Field(ge=0, le=1)
    night: StagedNight | None = None
    problem: Problem | None = None
    expires_at: datetime = Field(description="then it is emptied")


class Cells(BaseModel):
    """What the answer loses without each second of each derivation."""

    derivations: list[str]
    seconds: int
    values: list[list[float]] = Field(description="per derivation and second; positive speaks for the stage")
    unit: str = Field(description="what a value is")


class RuleSaid(BaseModel):
    """What one rule of the AASM manual says of an epoch."""

    name: str
    stage: Stage
    verdict: Literal["defines", "agrees", "against", "rules out"]
    sentence: str


class EpochExplanation(BaseModel):
    """Why an epoch got its stage."""

    model_config = _show(
        {
            "epoch": 12,
            "stage": "N2",
            "probabilities": {"W": 0.01, "N1": 0.11, "N2": 0.83, "N3": 0.04, "R": 0.01},
            "cells": {
                "derivations": ["C4-M1"],
                "seconds": 30,
                "values": [[0.0, 0.02, 1.31, *[0.0] * 27]],
                "unit": "log-odds of the stage that are lost without this part",
            },
            "evidence_for": ["For N2: a spindle at 4.2 s, 0.9 s long, 13.1 Hz [N2.1]"],
            "evidence_against": [],
            "rules": [
                {
                    "name": "N2.1",
                    "stage": "N2",
                    "verdict": "defines",
                    "sentence": "For N2: a spindle at 4.2 s, 0.9 s long, 13.1 Hz [N2.1]",
                }
            ],
            "disagrees": False,
        }
    )

    epoch: int
    stage: Stage
    probabilities: dict[str, float] = Field(description="of the night-level step; those of the answer")
    cells: Cells | None = Field(description="null where heat was not wanted")
    evidence_for: list[str]
    evidence_against: list[str]
    rules: list[RuleSaid] = Field(description="everything that was found, of all stages")
    disagrees: bool = Field(description="the measured evidence supports another stage than this one")


class DoubtfulEpoch(BaseModel):
    """An epoch that a person should look at."""

    index: int
    stage: Stage
    confidence: float = Field(description="probability of the likeliest stage, by the model")
    priority: float = Field(description="how likely its stage is to be wrong, as far as that is known")
    reasons: list[str]


class ReviewList(BaseModel):
    """Epochs to look at, the most doubtful first."""

    model_config = _show(
        {
            "epochs": [
                {
                    "index": 31,
                    "stage": "N1",
                    "confidence": 0.45,
                    "priority": 0.55,
                    "reasons": ["In doubt: N1 45 %, N2 40 %."],
                }
            ]
        }
    )

    epochs: list[DoubtfulEpoch]


class NightStatistic(BaseModel):
    """One statistic of a night beside what is usual of adults."""

    model_config = _show(
        {
            "name": "Sleep efficiency",
            "value": 88.4,
            "unit": "%",
            "normal": [85.0, None],
            "definition": "of the time in bed",
            "source": "M. Ohayon et al., Sleep Health 3(1), 2017",
        }
    )

    name: str
    value: float | None = Field(description="null where the night has none")
    unit: str
    normal: Annotated[list[float | None], Field(min_length=2, max_length=2)] | None = Field(
        description="from, to; an end that is null is open; null where a short record is not compared"
    )
    definition: str
    source: str | None


class NightSpectrogram(BaseModel):
    """Multitaper power of one derivation over the night, thinned out to what a page can show."""

    model_config = _show(
        {
            "derivation": "C4-M1",
            "times_s": [15.0, 45.0],
            "frequencies_hz": [0.4, 1.0, 1.6],
            "power_db": [[21.3, 18.0, 12.4], [24.9, 19.1, 11.0]],
            "limits_db": [-8.1, 26.4],
        }
    )

    derivation: str
    times_s: list[float] = Field(description="middle of each column since the start of the recording")
    frequencies_hz: list[float]
    power_db: list[list[float]] = Field(description="per time and frequency, decibels of microvolts squared per hertz")
    limits_db: Annotated[list[float], Field(min_length=2, max_length=2)] = Field(description="ends of a good scale")


class Corrections(BaseModel):
    """Stages that a person gave in the place of the model's."""

    model_config = _show({"scorer": "AB", "stages": {"12": "N2", "13": "N2"}}, extra="forbid")

    scorer: str = Field(max_length=40, pattern=r"^[\w .,-]*$", description="initials of the person")
    stages: dict[Annotated[str, Field(pattern=r"^\d{1,6}$")], Stage] = Field(
        description="by the number of the epoch, counted from 0; all that is not here is the model's"
    )

"""What goes in and comes out over HTTP, as OpenAPI shows it."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from somnolens.aasm import RECOMMENDED_DERIVATIONS, STAGES, Stage

_MADE_BY = {
    "base_model": {"name": "embedded", "revision": None, "fingerprint": "0f3a9c51d2e7", "model_type": "qwen3_vl"},
    "render_hash": "5d1c0f7a9b3e",
    "trained_on": ["simulated"],
    "dataset_fingerprint": "a1b2c3d4e5f6",
    "sequence_step": True,
    "code": {"version": "0.1.0", "revision": "9fc276550e1c"},
}
_METRICS = {"validation.night.kappa": 0.79, "validation.night.accuracy": 0.85}


class EpochSignals(BaseModel):
    """Epochs of 30 s as numbers."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "sampling_rate_hz": 100,
                "derivations": {"C4-M1": [[1.5, -2.25, 3.0]], "chin EMG": [[0.5, 0.25, -0.5]]},
            }
        },
    )

    sampling_rate_hz: float = Field(
        description="samples per second, the same for all derivations", gt=0, le=20_000, allow_inf_nan=False
    )
    derivations: dict[str, list[list[float]]] = Field(
        description="per derivation a list of epochs, each of 30 s of samples in microvolts (the example is cut short)",
        min_length=1,
    )
    consecutive: bool = Field(
        True,
        description="the epochs follow each other without a gap: they are filtered and read together, as a night is",
    )


class StagedNight(BaseModel):
    """One stage and five probabilities per epoch."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": None,
                "scorer": "somnolens",
                "start_s": 0.0,
                "start_time": "22:41:07",
                "epoch_s": 30,
                "stages": ["W", "N1"],
                "probability_order": list(STAGES),
                "probabilities": [[0.91, 0.06, 0.01, 0.0, 0.02], [0.22, 0.61, 0.11, 0.0, 0.06]],
                "quality": ["", "chin EMG flat"],
                "notes": ["O2-M1 is missing: looked for 'O2-M1', 'O1-M2', 'Cz-Oz', 'Pz-Oz'."],
                "derivations": {"F4-M1": "EEG F4-A1", "C4-M1": "C4 - M1", "O2-M1": None},
                "made_by": _MADE_BY,
            }
        }
    )

    id: str | None = Field(None, description="under which the night is kept; null where it is not")
    scorer: str
    start_s: float = Field(description="time of the first epoch since the start of the recording")
    start_time: str | None = Field(description="clock time of the start of the recording; null where it is unknown")
    epoch_s: int
    stages: list[Stage]
    probability_order: list[str]
    probabilities: list[Annotated[list[float], Field(min_length=5, max_length=5)]]
    quality: list[str] = Field(description="per epoch what is wrong with its signals; empty where nothing is")
    notes: list[str] = Field(description="sentences a person should read with the result")
    derivations: dict[str, str | None] = Field(description="per derivation the label it came from; null where missing")
    made_by: dict[str, Any] = Field(description="adapter, base model, render hash and code, to make it again")


class ModelCard(BaseModel):
    """What the service scores with."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "adapter": "embedded",
                "adapter_fingerprint": "77aa01bc93f2",
                **_MADE_BY,
                "derivations": list(RECOMMENDED_DERIVATIONS),
                "picture_px": {"height": 224, "width": 448},
                "bands_px": [[0, 48], [48, 48], [96, 32], [128, 32], [160, 32], [192, 32]],
                "epochs_shown": 1,
                "sampling_rate_hz": 100.0,
                "stages": list(STAGES),
                "metrics": _METRICS,
            }
        }
    )

    adapter: str
    adapter_fingerprint: str = Field(description="of the adapter's weights")
    base_model: dict[str, Any]
    render_hash: str = Field(description="names how pictures are drawn; an adapter sees no others")
    trained_on: list[str] = Field(description="cohorts; 'simulated' alone means: for demonstration")
    dataset_fingerprint: str | None
    sequence_step: bool = Field(description="whether an epoch is weighed with its neighbours")
    code: dict[str, str]
    derivations: list[str] = Field(description="drawn top to bottom; any may be missing")
    picture_px: dict[str, int]
    bands_px: list[Annotated[list[int], Field(min_length=2, max_length=2)]] = Field(
        description="top and height of each derivation in a picture"
    )
    epochs_shown: int = Field(description="3: an epoch stands between its neighbours")
    sampling_rate_hz: float = Field(description="signals are resampled to it")
    stages: list[str]
    metrics: dict[str, Any] = Field(description="reached on subjects that were not trained on")
    notes: list[str] = Field([], description="sentences a person should read, as that a promotion was taken back")


class DriftFigure(BaseModel):
    """One figure of the newest nights beside that of the validation nights."""

    name: str = Field(examples=["share of N2"])
    expected: float
    seen: float
    z: float = Field(description="difference in standard errors")
    alarm: bool


class Drift(BaseModel):
    """The newest nights of the default adapter against its validation profile, as seen by one process."""

    n_nights: int
    alarm: bool
    figures: list[DriftFigure] = Field(description="empty where the adapter has no profile, or no night came yet")
    notes: list[str] = Field(description="sentences for a person")


class PromotionRequest(BaseModel):
    """Which adapter is to serve."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"model": "wide-2026", "why": "kappa of N1"}}
    )

    model: str = Field(min_length=1, max_length=200)
    why: str = Field("", max_length=500, description="a sentence that is kept with the promotion; name no person")


class PromotionTold(BaseModel):
    """A promotion that holds."""

    model: str
    previous: str | None
    number: int


class Health(BaseModel):
    """The process answers (`alive`), or a scorer has just answered a forward pass (`ready`)."""

    status: str = Field(examples=["alive", "ready"])


class Problem(BaseModel):
    """Problem details after RFC 9457."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:somnolens:problem:UnreadableRecording",
                "title": "The file is not a recording that can be read, or only a part of one.",
                "status": 422,
                "detail": "upload.edf is cut short: it holds 812 of 10800 records (0:13:32 h of 3:00:00 h).",
            }
        }
    )

    type: str = Field(description="what kind of problem, for programs")
    title: str
    status: int
    detail: str = Field(description="what is wrong with this request and what to do, for people")

"""The requests of every path of the service, written once for both clients."""

import secrets
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter

from somnolens.aasm import Stage
from somnolens.client.answers import Doubt, Explanation, Night, NightStatus, Progress, Spectrogram, Statistic
from somnolens.client.retrying import RefusedError

Answer = TypeVar("Answer")
ExportFormat = Literal["json", "csv", "edf", "bids"]
ReportFormat = Literal["html", "pdf"]
Source = Path | str | bytes
"""A recording: a file, a URL of a bucket that the service may read, or the bytes themselves."""

Signals = Mapping[str, Sequence[Sequence[float]]]
"""Per derivation its epochs, each of 30 s of samples in microvolts; arrays of shape (n_epochs, n_samples) will do."""


class _Review(BaseModel):
    epochs: list[Doubt]


class _Corrections(BaseModel):
    scorer: str
    stages: dict[int, Stage]


class _Epochs(BaseModel):
    sampling_rate_hz: float
    derivations: dict[str, list[list[float]]]
    consecutive: bool


class _Named(BaseModel):
    url: str


_STATISTICS = TypeAdapter(list[Statistic])
_DICT = TypeAdapter(dict[str, Any])
_DICTS = TypeAdapter(list[dict[str, Any]])


@dataclass(frozen=True)
class Asked(Generic[Answer]):
    """One request, which may be sent several times.

    Parameters
    ----------
    method, path : str
    parse : callable
        From the bytes of the answer.
    params, headers : mapping
    body : Path, bytes or None
        A file is opened anew for each try.
    """

    method: str
    path: str
    parse: Callable[[bytes], Answer]
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Path | bytes | None = None

    def describe(self) -> dict[str, Any]:
        """All but the body, as httpx takes it; a file says its size, so that one too large is refused at once."""
        headers = dict(self.headers)
        if isinstance(self.body, Path):
            headers["content-length"] = str(self.body.stat().st_size)
        return {"method": self.method, "url": self.path, "params": dict(self.params), "headers": headers}


@cache
def load_certificates() -> ssl.SSLContext:
    """Whom to trust, read once for all clients of a process: each would take some 70 ms to read it for itself."""
    return httpx.create_ssl_context()


def authorise(key: str | None) -> dict[str, str]:
    """Headers of an API key."""
    return {"authorization": f"Bearer {key}"} if key else {}


def ask_score(source: Source, wait: str, keep: bool | None, model: str, parse: Callable[[bytes], Answer]) -> Asked:
    """Score a recording; tries of one call share a key, so that it is scored once."""
    body, kind = _give(source)
    params = _leave_out(wait=wait, keep=keep if keep is None else str(keep).lower(), model=model)
    return Asked("POST", "/v1/nights", parse, params, {"content-type": kind, "idempotency-key": _draw_key()}, body)


def ask_epochs(signals: Signals, sampling_rate_hz: float, consecutive: bool, model: str) -> Asked[Night]:
    """Score epochs sent as numbers."""
    derivations = {name: [list(map(float, epoch)) for epoch in epochs] for name, epochs in signals.items()}
    sent = _Epochs(sampling_rate_hz=sampling_rate_hz, derivations=derivations, consecutive=consecutive)
    headers, body = {"content-type": "application/json"}, sent.model_dump_json().encode()
    return Asked("POST", "/v1/epochs", Night.model_validate_json, _leave_out(model=model), headers, body)


def ask_simulated(seed: int, hours: float, wait: str, model: str, parse: Callable[[bytes], Answer]) -> Asked:
    """Have a night simulated and scored."""
    params = _leave_out(seed=seed, hours=hours, wait=wait, model=model)
    return Asked("POST", "/v1/nights/simulated", parse, params, {"idempotency-key": _draw_key()})


def ask_status(id: str) -> Asked[NightStatus]:
    """How far a night is."""
    return Asked("GET", f"/v1/nights/{id}", NightStatus.model_validate_json)


def ask_delete(id: str) -> Asked[None]:
    """Empty a night."""
    return Asked("DELETE", f"/v1/nights/{id}", lambda content: None)


def ask_picture(id: str, epoch: int) -> Asked[bytes]:
    """One epoch as the model saw it, PNG."""
    return Asked("GET", f"/v1/nights/{id}/epochs/{epoch}/picture", bytes)


def ask_explanation(id: str, epoch: int, stage: Stage | None, heat: bool) -> Asked[Explanation]:
    """Why an epoch got its stage."""
    path = f"/v1/nights/{id}/epochs/{epoch}/explanation"
    params = _leave_out(stage=stage, heat=None if heat else "false")
    return Asked("GET", path, Explanation.model_validate_json, params)


def ask_review(id: str) -> Asked[list[Doubt]]:
    """Epochs to look at."""
    return Asked("GET", f"/v1/nights/{id}/review", lambda content: _Review.model_validate_json(content).epochs)


def ask_statistics(id: str, corrected: bool) -> Asked[list[Statistic]]:
    """Statistics of the night."""
    params = {"corrected": str(corrected).lower()}
    return Asked("GET", f"/v1/nights/{id}/statistics", _STATISTICS.validate_json, params)


def ask_spectrogram(id: str) -> Asked[Spectrogram]:
    """The spectrogram of the night."""
    return Asked("GET", f"/v1/nights/{id}/spectrogram", Spectrogram.model_validate_json)


def ask_report(id: str, format: ReportFormat, age: int | None) -> Asked[bytes]:
    """The morning report."""
    return Asked("GET", f"/v1/nights/{id}/report", bytes, _leave_out(format=format, age=age))


def ask_export(id: str, format: ExportFormat, corrected: bool) -> Asked[bytes]:
    """The hypnogram for other programs."""
    params = {"format": format, "corrected": str(corrected).lower()}
    return Asked("GET", f"/v1/nights/{id}/hypnogram", bytes, params)


def ask_corrections(id: str) -> Asked[dict[int, Stage]]:
    """Stages that a person gave."""
    return Asked("GET", f"/v1/nights/{id}/corrections", _read_corrections)


def ask_correct(id: str, scorer: str, stages: Mapping[int, Stage]) -> Asked[dict[int, Stage]]:
    """Replace all corrections."""
    body = _Corrections(scorer=scorer, stages=dict(stages)).model_dump_json().encode()
    headers = {"content-type": "application/json"}
    return Asked("PUT", f"/v1/nights/{id}/corrections", _read_corrections, headers=headers, body=body)


def ask_model() -> Asked[dict[str, Any]]:
    """What the service scores with."""
    return Asked("GET", "/v1/model", _DICT.validate_json)


def ask_models() -> Asked[list[dict[str, Any]]]:
    """The adapters that may be named."""
    return Asked("GET", "/v1/models", _DICTS.validate_json)


def ask_drift(model: str) -> Asked[dict[str, Any]]:
    """Whether nights look like those of the validation."""
    return Asked("GET", "/v1/drift", _DICT.validate_json, _leave_out(model=model))


def read_line(line: str) -> Progress | Night:
    """One line of a stream.

    Raises
    ------
    RefusedError
        Of a night that failed.
    """
    told = _DICT.validate_json(line)
    if told["state"] == "failed":
        raise RefusedError(told["problem"])
    return Night(**told["night"]) if told["state"] == "done" else Progress(told["state"], told["progress"])


def _give(source: Source) -> tuple[Path | bytes, str]:
    """Body and media type of a recording."""
    if isinstance(source, str) and "://" in source:
        return _Named(url=source).model_dump_json().encode(), "application/json"
    return source if isinstance(source, bytes) else Path(source), "application/octet-stream"


def _draw_key() -> str:
    return secrets.token_hex(16)


def _leave_out(**params: Any) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value not in (None, "")}


def _read_corrections(content: bytes) -> dict[int, Stage]:
    return _Corrections.model_validate_json(content).stages

"""The paths of the service and what OpenAPI says of them."""

import asyncio
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from somnolens import __version__
from somnolens.config import ServeSettings
from somnolens.errors import ServiceError
from somnolens.score.night import ScoredNight
from somnolens.serve.answers import Format, choose_format, describe_model, describe_night, write_night
from somnolens.serve.problems import MEDIA_TYPE, UnsupportedContentError, add_problem_handlers
from somnolens.serve.schema import EpochSignals, Health, ModelCard, Problem, StagedNight
from somnolens.serve.signals import parse_json, parse_npy
from somnolens.serve.staging import Stager
from somnolens.serve.uploads import keep_upload, read_body, read_content_type

ABOUT = """Stages sleep from pictures of polysomnography. A research tool, not a medical device.

Errors are problem details (RFC 9457) whose `detail` says what is wrong and what to do.
Nothing that is sent is kept, and header fields that name a person are never read."""

BYTES = {"schema": {"type": "string", "format": "binary"}}
FORM = {"schema": {"type": "object", "required": ["file"], "properties": {"file": BYTES["schema"]}}}
PROBLEM = {
    "description": "What is wrong, and what to do",
    "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
}


def create_api(stager: Stager, settings: ServeSettings) -> FastAPI:
    """The ASGI application over a stager."""
    api = FastAPI(title="somnolens", version=__version__, description=ABOUT)
    add_problem_handlers(api)
    _add_health(api, stager, settings)
    _add_model(api, stager, settings)
    _add_nights(api, stager, settings)
    _add_epochs(api, stager, settings)
    return api


def _add_health(api: FastAPI, stager: Stager, settings: ServeSettings) -> None:
    @api.get("/healthz", tags=["service"])
    async def tell_alive() -> Health:
        """Whether the process answers."""
        return Health(status="alive")

    @api.get("/readyz", tags=["service"], responses=_problems(503))
    async def tell_ready() -> Health:
        """Whether a scorer answers a forward pass, tried now; wakes one where all are scaled away."""
        try:
            await asyncio.wait_for(stager.try_look(), settings.ready_timeout_s)
        except TimeoutError:
            raise ServiceError(
                f"No scorer answered a forward pass within {settings.ready_timeout_s:g} s. Ask again later."
            ) from None
        return Health(status="ready")


def _add_model(api: FastAPI, stager: Stager, settings: ServeSettings) -> None:
    card = describe_model(stager.reader, settings.adapter)

    @api.get("/v1/model", tags=["service"])
    async def tell_model() -> ModelCard:
        """What the service scores with, and how good it is."""
        return card


def _add_nights(api: FastAPI, stager: Stager, settings: ServeSettings) -> None:
    body = {"required": True, "content": {"application/octet-stream": BYTES, "multipart/form-data": FORM}}

    @api.post(
        "/v1/nights",
        tags=["scoring"],
        response_model=StagedNight,
        responses=_night_formats() | _problems(400, 406, 413, 422, 503),
        openapi_extra={"requestBody": body},
    )
    async def score_night(
        request: Request,
        format: Annotated[Format | None, Query(description="before the Accept header")] = None,
    ) -> Any:
        """Score a recording: EDF, EDF+ or BDF as the body, or as the field `file` of a form.

        Needs any of F4-M1, C4-M1, O2-M1, E1-M2, E2-M2 and chin EMG, or what stands for them.
        """
        wanted = choose_format(format, request.headers.get("accept", ""))
        async with keep_upload(request, settings.max_upload_mb) as path:
            night = await stager.stage_recording(path)
        return await _answer(night, wanted)


def _add_epochs(api: FastAPI, stager: Stager, settings: ServeSettings) -> None:
    json_body = {"schema": EpochSignals.model_json_schema()}
    body = {"required": True, "content": {"application/json": json_body, "application/x-npy": BYTES}}

    @api.post(
        "/v1/epochs",
        tags=["scoring"],
        response_model=StagedNight,
        responses=_night_formats() | _problems(400, 406, 413, 415, 422, 503),
        openapi_extra={"requestBody": body},
    )
    async def score_epochs(
        request: Request,
        format: Annotated[Format | None, Query(description="before the Accept header")] = None,
        sampling_rate_hz: Annotated[float, Query(gt=0, le=20_000, allow_inf_nan=False, description="of an npy")] = 100,
        derivations: Annotated[str, Query(description="of an npy: names along its second axis")] = "C4-M1",
        consecutive: Annotated[bool, Query(description="of an npy: its epochs follow each other")] = True,
    ) -> Any:
        """Score epochs of 30 s in microvolts, as JSON, or as an npy of shape (epochs, derivations, samples)."""
        wanted = choose_format(format, request.headers.get("accept", ""))
        kind = read_content_type(request)
        if kind == "application/json":
            advice = "Send npy (application/x-npy), or fewer epochs."
            sent = await read_body(request, settings.max_json_mb, advice)
            parsed = await run_in_threadpool(parse_json, sent)
        elif kind in ("application/x-npy", "application/octet-stream"):
            sent = await read_body(request, settings.max_upload_mb, "Send fewer epochs at once.")
            names = [name.strip() for name in derivations.split(",")]
            parsed = await run_in_threadpool(parse_npy, sent, names, sampling_rate_hz, consecutive)
        else:
            raise UnsupportedContentError(
                "Signals come as application/json or application/x-npy. Name one in the Content-Type header; "
                "recordings go to /v1/nights."
            )
        return await _answer(await stager.stage_signals(*parsed), wanted)


async def _answer(night: ScoredNight, wanted: Format) -> Response | StagedNight:
    if wanted == "json":
        return describe_night(night)
    return await run_in_threadpool(write_night, night, wanted)


def _problems(*statuses: int) -> dict[int | str, Any]:
    return dict.fromkeys(statuses, PROBLEM)


def _night_formats() -> dict[int | str, Any]:
    return {200: {"content": {"text/csv": {"schema": {"type": "string"}}, "image/png": BYTES}}}

"""The paths of the service and what OpenAPI says of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request

from somnolens import __version__
from somnolens.config import ServeSettings
from somnolens.errors import ServiceError
from somnolens.serve.adapters.choice import Choice
from somnolens.serve.ingress.docs import add_docs
from somnolens.serve.ingress.document import DocumentedApi
from somnolens.serve.ingress.keeper import Keeper
from somnolens.serve.ingress.kept_paths import add_kept
from somnolens.serve.ingress.model_paths import add_model_paths
from somnolens.serve.ingress.night_paths import add_nights
from somnolens.serve.ingress.page import add_page
from somnolens.serve.ingress.parameters import Chosen
from somnolens.serve.ingress.readiness import Readiness
from somnolens.serve.ingress.responses import BYTES, NIGHT_FORMATS, answer, list_problems
from somnolens.serve.ingress.uploads import read_body, read_content_type
from somnolens.serve.messages.answers import Format, choose_format
from somnolens.serve.messages.problems import UnsupportedContentError, add_problem_handlers
from somnolens.serve.messages.schema import EpochSignals, Health, StagedNight
from somnolens.serve.nights.store import NightStore
from somnolens.serve.worker.signal_work import SentSignals, Work

ABOUT = """Stages sleep from pictures of polysomnography. A research tool, not a medical device.

Errors are problem details (RFC 9457) whose `detail` says what is wrong and what to do.
Nothing that is sent is kept unless you ask for it (`keep=true`), and then not for long. Header fields that name a
person are never read."""


def create_api(work: Work, store: NightStore, choice: Choice, settings: ServeSettings) -> FastAPI:
    """The ASGI application over whoever works on signals.

    Parameters
    ----------
    work : Work
    store : NightStore
        The one that the work is done on.
    choice : Choice
        Which adapter scores.
    settings : ServeSettings
    """
    keeper = Keeper(work, store, settings.max_night_s)

    @asynccontextmanager
    async def live(api: FastAPI) -> AsyncIterator[None]:
        sweeping = asyncio.create_task(keeper.sweep_for_ever())
        yield
        sweeping.cancel()

    api = DocumentedApi(
        title="somnolens", version=__version__, description=ABOUT, lifespan=live, docs_url=None, redoc_url=None
    )
    add_problem_handlers(api)
    _add_health(api, Readiness(work, choice), settings)
    add_nights(api, keeper, settings)
    _add_epochs(api, work, settings)
    add_kept(api, keeper)
    add_model_paths(api, work, choice)
    add_page(api)
    add_docs(api)
    return api


def _add_health(api: FastAPI, readiness: Readiness, settings: ServeSettings) -> None:
    @api.get("/healthz", tags=["service"])
    async def tell_alive() -> Health:
        """Whether the process answers."""
        return Health(status="alive")

    @api.get("/readyz", tags=["service"], responses=list_problems(503))
    async def tell_ready() -> Health:
        """Whether a scorer answers a forward pass, tried now; wakes one where all are scaled away."""
        try:
            await asyncio.wait_for(readiness.check(), settings.ready_timeout_s)
        except TimeoutError:
            raise ServiceError(
                f"No scorer answered a forward pass within {settings.ready_timeout_s:g} s. Ask again later."
            ) from None
        return Health(status="ready")


def _add_epochs(api: FastAPI, work: Work, settings: ServeSettings) -> None:
    json_body = {"schema": EpochSignals.model_json_schema()}
    body = {"required": True, "content": {"application/json": json_body, "application/x-npy": BYTES}}

    @api.post(
        "/v1/epochs",
        tags=["scoring"],
        response_model=StagedNight,
        responses=NIGHT_FORMATS | list_problems(400, 401, 404, 406, 408, 413, 415, 422, 429, 503, 504),
        openapi_extra={"requestBody": body},
    )
    async def score_epochs(
        request: Request,
        served: Chosen,
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
            signals = SentSignals(sent, served.address)
        elif kind in ("application/x-npy", "application/octet-stream"):
            sent = await read_body(request, settings.max_upload_mb, "Send fewer epochs at once.")
            names = tuple(name.strip() for name in derivations.split(","))
            signals = SentSignals(sent, served.address, names, sampling_rate_hz, consecutive)
        else:
            raise UnsupportedContentError(
                "Signals come as application/json or application/x-npy. Name one in the Content-Type header; "
                "recordings go to /v1/nights."
            )
        return answer(await work.stage_signals(signals, wanted))

"""Paths about adapters: which there are, which one is the default, how its nights drift, and one picture as a chat."""

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from fastapi import Depends, FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool

from somnolens.score.engine import load_reader
from somnolens.serve.chat import ChatRequest, describe_completion, find_picture, parse_chat, read_picture
from somnolens.serve.choice import Choice, Served
from somnolens.serve.drift import DriftWatch
from somnolens.serve.problems import MEDIA_TYPE
from somnolens.serve.schema import Drift, ModelCard, Problem, PromotionRequest, PromotionTold
from somnolens.serve.staging import Look
from somnolens.serve.uploads import read_body

CHAT_MB = 4
"""A picture is 20 kB."""

PROBLEM = {
    "description": "What is wrong, and what to do",
    "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
}


async def choose(
    request: Request,
    model: Annotated[str | None, Query(description="adapter by name, of /v1/models; the default without")] = None,
) -> Served:
    """The adapter of a request, for as long as it lasts."""
    return await request.app.state.choice.find(model)


Chosen = Annotated[Served, Depends(choose)]
"""In the signature of every path that scores."""


def add_model_paths(api: FastAPI, choice: Choice, drift: DriftWatch, look: Callable[[str], Look]) -> None:
    """Add the paths to an application.

    Parameters
    ----------
    api : FastAPI
    choice : Choice
    drift : DriftWatch
    look : callable
        From an adapter's address to what looks at pictures with it.
    """
    api.state.choice = choice
    _add_models(api, choice)
    _add_drift(api, choice, drift)
    _add_promotion(api, choice)
    _add_chat(api, choice, look)


def _add_models(api: FastAPI, choice: Choice) -> None:
    @api.get("/v1/model", tags=["models"])
    async def tell_model() -> ModelCard:
        """What the service scores with, and how good it is."""
        return choice.default.card.model_copy(update={"notes": [choice.refused] if choice.refused else []})

    @api.get("/v1/models", tags=["models"], responses=_problems(401, 503))
    async def tell_models() -> list[ModelCard]:
        """All adapters that may be named as `model`, the default first."""
        return [one.card for one in await choice.list_all()]


def _add_drift(api: FastAPI, choice: Choice, drift: DriftWatch) -> None:
    @api.get("/v1/drift", tags=["models"], responses=_problems(401))
    async def tell_drift() -> Drift:
        """Whether the newest nights look like those that the default adapter was validated on."""
        drift.follow(choice.default.address, choice.default.profile)
        return drift.tell()


def _add_promotion(api: FastAPI, choice: Choice) -> None:
    @api.post("/v1/admin/promote", tags=["admin"], responses=_problems(401, 403, 404, 409, 503))
    async def promote(asked: PromotionRequest) -> PromotionTold:
        """Have another adapter serve: it is loaded beside, asked known pictures, promoted, and only then taken."""
        made = await choice.promote(asked.model, asked.why)
        return PromotionTold(model=made.adapter, previous=made.previous, number=made.number)


def _add_chat(api: FastAPI, choice: Choice, look: Callable[[str], Look]) -> None:
    body = {"required": True, "content": {"application/json": {"schema": ChatRequest.model_json_schema()}}}

    @api.post(
        "/v1/chat/completions",
        tags=["scoring"],
        responses=_problems(400, 401, 404, 413, 422, 429, 503),
        openapi_extra={"requestBody": body},
    )
    async def complete_chat(request: Request) -> dict[str, Any]:
        """The stage of one picture, in the way of OpenAI's chat completions."""
        asked = parse_chat(await read_body(request, CHAT_MB, "Send one picture."))
        served = await choice.find(asked.model)
        reader = await run_in_threadpool(load_reader, served.address)
        pictures = await run_in_threadpool(read_picture, find_picture(asked), reader.style)
        told = reader.calibrate_pictures((await look(served.address)(pictures))[:, :5])
        return describe_completion(asked, served.name, np.asarray(told)[0])


def _problems(*statuses: int) -> dict[int | str, Any]:
    return dict.fromkeys(statuses, PROBLEM)

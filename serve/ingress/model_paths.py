"""Paths about adapters: which there are, which one is the default, how its nights drift, and one picture as a chat."""

from typing import Any

from fastapi import FastAPI, Request, Response

from somnolens.serve.adapters.choice import Choice
from somnolens.serve.ingress.parameters import Chosen
from somnolens.serve.ingress.responses import answer, list_problems
from somnolens.serve.ingress.uploads import read_body
from somnolens.serve.messages.chat import ChatRequest, parse_chat
from somnolens.serve.messages.schema import Drift, ModelCard, PromotionRequest, PromotionTold
from somnolens.serve.worker.signal_work import Work

CHAT_MB = 4
"""A picture is 20 kB."""


def add_model_paths(api: FastAPI, work: Work, choice: Choice) -> None:
    """Add the paths to an application."""
    api.state.choice = choice
    _add_models(api, choice)
    _add_drift(api, work)
    _add_promotion(api, choice)
    _add_chat(api, work, choice)


def _add_models(api: FastAPI, choice: Choice) -> None:
    @api.get("/v1/model", tags=["models"])
    async def tell_model() -> ModelCard:
        """What the service scores with, and how good it is."""
        return choice.default.card.model_copy(update={"notes": [choice.refused] if choice.refused else []})

    @api.get("/v1/models", tags=["models"], responses=list_problems(401, 503))
    async def tell_models() -> list[ModelCard]:
        """All adapters that may be named as `model`, the default first."""
        return [one.card for one in await choice.list_all()]


def _add_drift(api: FastAPI, work: Work) -> None:
    @api.get("/v1/drift", tags=["models"], responses=list_problems(401, 404, 422, 503))
    async def tell_drift(served: Chosen) -> Drift:
        """Whether the newest nights look like those the adapter was validated on, as one worker has seen them."""
        return await work.tell_drift(served.address)


def _add_promotion(api: FastAPI, choice: Choice) -> None:
    @api.post("/v1/admin/promote", tags=["admin"], responses=list_problems(401, 403, 404, 409, 422, 503))
    async def promote(asked: PromotionRequest) -> PromotionTold:
        """Have another adapter serve: it is loaded beside, asked known pictures, promoted, and only then taken."""
        made = await choice.promote(asked.model, asked.why)
        return PromotionTold(model=made.adapter, previous=made.previous, number=made.number)


def _add_chat(api: FastAPI, work: Work, choice: Choice) -> None:
    body = {"required": True, "content": {"application/json": {"schema": ChatRequest.model_json_schema()}}}

    @api.post(
        "/v1/chat/completions",
        tags=["scoring"],
        response_model=dict[str, Any],
        responses=list_problems(400, 401, 404, 408, 413, 422, 429, 503),
        openapi_extra={"requestBody": body},
    )
    async def complete_chat(request: Request) -> Response:
        """The stage of one picture, in the way of OpenAI's chat completions."""
        asked = parse_chat(await read_body(request, CHAT_MB, "Send one picture."))
        served = await choice.find(asked.model)
        return answer(await work.answer_chat(asked, served.address))

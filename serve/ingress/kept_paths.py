"""Paths that ask about a night that is kept, and take the corrections of a person."""

import json
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from somnolens.serve.ingress.keeper import Keeper
from somnolens.serve.ingress.parameters import NightId, name_client
from somnolens.serve.ingress.responses import BYTES, answer, list_problems
from somnolens.serve.messages.night_schema import (
    Corrections,
    EpochExplanation,
    NightSpectrogram,
    NightStatistic,
    ReviewList,
)
from somnolens.serve.messages.problems import RequestError
from somnolens.serve.nights.store import ANSWER, CORRECTIONS, ConflictError

EpochNumber = Annotated[int, Path(ge=0, lt=1_000_000, description="counted from 0", examples=[12])]
StageName = Literal["W", "N1", "N2", "N3", "R"]
Corrected = Annotated[bool, Query(description="with the corrections of a person in the place of the model's stages")]


class UnknownCorrectionError(RequestError):
    """The corrections are of epochs that the night has not."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


def add_kept(api: FastAPI, keeper: Keeper) -> None:
    """Add the paths below `/v1/nights/{id}/`."""
    _add_epochs(api, keeper)
    _add_overviews(api, keeper)
    _add_files(api, keeper)
    _add_corrections(api, keeper)


async def _ask(request: Request, keeper: Keeper, id: str, question: str, **wanted: Any) -> Response:
    await _open_done(request, keeper, id)
    return answer(await keeper.work.answer(id, question, wanted))


async def _open_done(request: Request, keeper: Keeper, id: str) -> None:
    record = await run_in_threadpool(keeper.store.open, id, name_client(request))
    outcome = await run_in_threadpool(keeper.store.tell_outcome, record.id)
    if outcome is None or outcome.problem:
        how = "has failed" if outcome else "is not done yet"
        raise ConflictError(f"The night {how}, so that nothing can be asked about it. GET /v1/nights/{id} says more.")


def _add_epochs(api: FastAPI, keeper: Keeper) -> None:
    @api.get(
        "/v1/nights/{id}/epochs/{index}/picture",
        tags=["nights"],
        response_class=Response,
        responses={200: {"content": {"image/png": BYTES}}} | list_problems(401, 404, 409, 422, 429, 503, 504),
    )
    async def draw_epoch(request: Request, id: NightId, index: EpochNumber) -> Response:
        """One epoch as the model saw it."""
        return await _ask(request, keeper, id, "picture", epoch=index)

    @api.get(
        "/v1/nights/{id}/epochs/{index}/explanation",
        tags=["nights"],
        response_model=EpochExplanation,
        responses=list_problems(401, 404, 409, 422, 429, 503, 504),
    )
    async def explain_epoch(
        request: Request,
        id: NightId,
        index: EpochNumber,
        stage: Annotated[StageName | None, Query(description="without: the one that the epoch was given")] = None,
        heat: Annotated[bool, Query(description="without it no model is asked: the reasons alone, at once")] = True,
    ) -> Response:
        """Why an epoch got its stage: the heat of derivation and second, and what was measured for and against it."""
        return await _ask(request, keeper, id, "explanation", epoch=index, stage=stage, heat=heat)


def _add_overviews(api: FastAPI, keeper: Keeper) -> None:
    @api.get(
        "/v1/nights/{id}/review",
        tags=["nights"],
        response_model=ReviewList,
        responses=list_problems(401, 404, 409, 422, 429, 503, 504),
    )
    async def list_review(request: Request, id: NightId) -> Response:
        """Epochs that a person should look at, the most doubtful first, each with reasons."""
        return await _ask(request, keeper, id, "review")

    @api.get(
        "/v1/nights/{id}/statistics",
        tags=["nights"],
        response_model=list[NightStatistic],
        responses=list_problems(401, 404, 409, 422, 429, 503, 504),
    )
    async def tell_statistics(request: Request, id: NightId, corrected: Corrected = True) -> Response:
        """Statistics of the night beside what is usual of adults."""
        return await _ask(request, keeper, id, "statistics", corrected=corrected)

    @api.get(
        "/v1/nights/{id}/spectrogram",
        tags=["nights"],
        response_model=NightSpectrogram,
        responses=list_problems(401, 404, 409, 422, 429, 503, 504),
    )
    async def tell_spectrogram(request: Request, id: NightId) -> Response:
        """Power by time and frequency of the most central EEG derivation."""
        return await _ask(request, keeper, id, "spectrogram")


def _add_files(api: FastAPI, keeper: Keeper) -> None:
    pages = {"text/html": {"schema": {"type": "string"}}, "application/pdf": BYTES}

    @api.get(
        "/v1/nights/{id}/report",
        tags=["nights"],
        response_class=Response,
        responses={200: {"content": pages}} | list_problems(401, 404, 409, 422, 429, 503, 504),
    )
    async def write_report(
        request: Request,
        id: NightId,
        format: Literal["html", "pdf"] = "html",
        age: Annotated[int | None, Query(ge=0, le=120, description="in years, for what is usual; not shown")] = None,
    ) -> Response:
        """The morning report, with corrections where there are some."""
        return await _ask(request, keeper, id, "report", format=format, age=age)

    files = {
        "application/json": {"schema": {"type": "object"}},
        "text/csv": {"schema": {"type": "string"}},
        "application/octet-stream": BYTES,
        "application/zip": BYTES,
    }

    @api.get(
        "/v1/nights/{id}/hypnogram",
        tags=["nights"],
        response_class=Response,
        responses={200: {"content": files}} | list_problems(401, 404, 409, 422, 429, 503, 504),
    )
    async def export_hypnogram(
        request: Request,
        id: NightId,
        format: Literal["json", "csv", "edf", "bids"] = "json",
        corrected: Corrected = True,
    ) -> Response:
        """The stages for other programs: JSON, CSV, EDF+ annotations, or a zip of the files of BIDS."""
        return await _ask(request, keeper, id, "hypnogram", format=format, corrected=corrected)


def _add_corrections(api: FastAPI, keeper: Keeper) -> None:
    @api.get("/v1/nights/{id}/corrections", tags=["nights"], responses=list_problems(401, 404, 409, 422, 429))
    async def read_corrections(request: Request, id: NightId) -> Corrections:
        """Stages that a person gave in the place of the model's."""
        await _open_done(request, keeper, id)
        return Corrections(**await run_in_threadpool(keeper.store.read_corrections, id))

    @api.put("/v1/nights/{id}/corrections", tags=["nights"], responses=list_problems(401, 404, 409, 422, 429))
    async def replace_corrections(request: Request, id: NightId, corrections: Corrections) -> Corrections:
        """Replace all corrections; none at all gives the model's stages back."""
        await _open_done(request, keeper, id)
        stages = json.loads(await run_in_threadpool(keeper.store.read, id, ANSWER))["stages"]
        _check_epochs(corrections, len(stages))
        content = corrections.model_dump_json().encode()
        await run_in_threadpool(keeper.store.write, id, CORRECTIONS, content)
        return corrections


def _check_epochs(corrections: Corrections, n_epochs: int) -> None:
    beyond = sorted(int(epoch) for epoch in corrections.stages if int(epoch) >= n_epochs)
    if beyond:
        raise UnknownCorrectionError(
            f"There is no epoch {beyond[0]}: the night has epochs 0 to {n_epochs - 1}. Nothing was changed."
        )

"""Paths that take a night, follow it, and give its answer."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import ValidationError

from somnolens.config import ServeSettings
from somnolens.serve.access.limits import check_duration
from somnolens.serve.adapters.choice import Served
from somnolens.serve.ingress.keeper import Keeper, Order, Run
from somnolens.serve.ingress.parameters import Chosen, NightId, name_client
from somnolens.serve.ingress.responses import BYTES, FORM, NIGHT_FORMATS, answer, list_problems
from somnolens.serve.ingress.uploads import keep_upload, read_body, read_content_type
from somnolens.serve.messages.answers import Format, choose_format
from somnolens.serve.messages.night_schema import NamedRecording, NightStatus
from somnolens.serve.messages.problems import RequestError, UnsupportedContentError
from somnolens.serve.messages.schema import StagedNight
from somnolens.serve.nights.store import ANSWER, Step
from somnolens.serve.worker.fetching import check_url

NDJSON = "application/x-ndjson"
Wait = Literal["answer", "stream", "none"]

WaitFor = Annotated[Wait, Query(description="for the answer, for a line of JSON at each step, or for an id alone")]
Keep = Annotated[
    bool | None,
    Query(description="whether the night can be asked about later; without: unless the answer is waited for"),
]
Named = Annotated[Format | None, Query(description="before the Accept header")]
Key = Annotated[
    str, Header(max_length=200, description="the same key with the same body gets the same answer, scored once")
]


def add_nights(api: FastAPI, keeper: Keeper, settings: ServeSettings) -> None:
    """Add the paths under which nights are sent, simulated, asked for and deleted."""
    _add_sending(api, keeper, settings)
    _add_simulating(api, keeper, settings.max_simulated_h)
    _add_asking(api, keeper)


def _add_sending(api: FastAPI, keeper: Keeper, settings: ServeSettings) -> None:
    content = {
        "application/octet-stream": BYTES,
        "multipart/form-data": FORM,
        "application/json": {"schema": NamedRecording.model_json_schema()},
    }

    @api.post(
        "/v1/nights",
        tags=["scoring"],
        response_model=StagedNight,
        responses=_waited(list_problems(400, 401, 403, 404, 406, 408, 409, 413, 422, 429, 503, 504)),
        openapi_extra={"requestBody": {"required": True, "content": content}},
    )
    async def score_night(
        request: Request,
        served: Chosen,
        format: Named = None,
        wait: WaitFor = "answer",
        keep: Keep = None,
        idempotency_key: Key = "",
    ) -> Any:
        """Score a recording: EDF, EDF+ or BDF as the body, as the field `file` of a form, or named by a URL in JSON.

        Needs any of F4-M1, C4-M1, O2-M1, E1-M2, E2-M2 and chin EMG, or what stands for them.
        """
        wanted = choose_format(format, request.headers.get("accept", "") if wait == "answer" else "")
        order = _order(request, wait, keep, served, idempotency_key)
        if read_content_type(request) == "application/json":
            sent = await read_body(request, 1, "Name one URL.")
            source = {"url": check_url(_parse_url(sent), settings).geturl()}
            return await _respond(keeper, await keeper.accept(order, source=source), wait, wanted)
        async with keep_upload(request, settings.max_upload_mb) as path:
            await run_in_threadpool(check_duration, path, getattr(request.state, "limits", None))
            run = await keeper.accept(order, path)
        return await _respond(keeper, run, wait, wanted)


def _add_simulating(api: FastAPI, keeper: Keeper, longest_h: float) -> None:
    @api.post(
        "/v1/nights/simulated",
        tags=["scoring"],
        response_model=StagedNight,
        responses=_waited(list_problems(401, 404, 406, 409, 422, 429, 503, 504)),
    )
    async def simulate_night(
        request: Request,
        served: Chosen,
        seed: Annotated[int, Query(ge=0, lt=2**32, description="the same seed gives the same night")] = 7,
        hours: Annotated[float, Query(gt=0, le=longest_h, allow_inf_nan=False)] = min(1.0, longest_h),
        wait: WaitFor = "answer",
        idempotency_key: Key = "",
    ) -> Any:
        """Simulate a night and score it, to try everything without a recording. It is kept."""
        order = _order(request, wait, True, served, idempotency_key)
        run = await keeper.accept(order, source={"seed": seed, "hours": hours})
        return await _respond(keeper, run, wait, "json")


def _add_asking(api: FastAPI, keeper: Keeper) -> None:
    @api.get(
        "/v1/nights/{id}", tags=["nights"], response_model=NightStatus, responses=list_problems(401, 404, 422, 429)
    )
    async def tell_night(request: Request, id: NightId) -> Response:
        """How far a night is, with the answer once it is done."""
        record = await run_in_threadpool(keeper.store.open, id, name_client(request))
        run = await keeper.join(record, is_followed=False)
        answer = await run_in_threadpool(keeper.store.read, id, ANSWER) if run.step.state == "done" else None
        return Response(json.dumps(_describe_run(run, answer)), media_type="application/json")

    @api.delete("/v1/nights/{id}", tags=["nights"], status_code=204, responses=list_problems(401, 404, 422, 429))
    async def delete_night(request: Request, id: NightId) -> None:
        """Empty a night at once, and stop its staging if it goes on."""
        await run_in_threadpool(keeper.store.open, id, name_client(request))
        await keeper.remove(id)


def _order(request: Request, wait: Wait, keep: bool | None, served: Served, key: str) -> Order:
    if wait == "none" and keep is False:
        raise RequestError("wait=none with keep=false would throw the answer away. Leave one of them out.")
    is_waited_for = wait == "answer"
    keeps, named = not is_waited_for if keep is None else keep, request.query_params.get("model", "")
    return Order(name_client(request), keeps, named, served.address, key, is_waited_for)


def _parse_url(body: bytes) -> str:
    try:
        return NamedRecording.model_validate_json(body).url
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise UnsupportedContentError(
            f"The JSON names no recording: {'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}. Send "
            '{"url": "s3://..."}, or the recording itself as application/octet-stream.'
        ) from None


async def _respond(keeper: Keeper, run: Run, wait: Wait, wanted: Format) -> Response:
    """The answer in the way it is waited for; a night that nobody keeps is emptied with it."""
    if wait == "none":
        headers = {"Location": f"/v1/nights/{run.record.id}"}
        return Response(json.dumps(_describe_run(run, None)), 202, headers, "application/json")
    if wait == "stream":
        return StreamingResponse(_stream(keeper, run), media_type=NDJSON)
    try:
        return answer(await keeper.tell(run, wanted))
    finally:
        await keeper.release(run)


async def _stream(keeper: Keeper, run: Run) -> AsyncIterator[bytes]:
    try:
        async for step in run.follow():
            if not step.is_last:
                yield _write_line({"state": _name(step), "progress": step.progress})
        told = await keeper.tell(run, "json")
        if told.status == 200:
            yield b'{"state": "done", "night": ' + told.content + b"}\n"
        else:
            yield _write_line({"state": "failed", "problem": json.loads(told.content)})
    finally:
        await keeper.release(run)


def _describe_run(run: Run, answer: bytes | None) -> dict[str, Any]:
    step, record = run.step, run.record
    return {
        "id": record.id,
        "state": step.state if step.is_last or step.state == "queued" else "running",
        "progress": step.progress,
        "night": json.loads(answer) if answer else None,
        "problem": step.problem,
        "expires_at": datetime.fromtimestamp(record.expires_at, UTC).isoformat(timespec="seconds"),
    }


def _name(step: Step) -> str:
    """A stream knows no queue: who waits for a worker waits for the reading."""
    return "reading" if step.state == "queued" else step.state


def _write_line(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode() + b"\n"


def _waited(problems: dict[int | str, Any]) -> dict[int | str, Any]:
    """Answers of a path that can be waited for in three ways."""
    lines = {NDJSON: {"schema": {"type": "string", "description": "an object a line: state, progress; last the night"}}}
    accepted = {"description": "Accepted; ask for it under Location", "model": NightStatus}
    formats = {200: {"content": NIGHT_FORMATS[200]["content"] | lines}}
    return formats | {202: accepted} | problems

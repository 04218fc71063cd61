"""The client against the service over HTTP, and against one that fails now and then."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from somnolens.client import AsyncClient, Client, Night, Progress, RefusedError, Retries
from somnolens.client import answers as client_answers
from somnolens.errors import ServiceError
from somnolens.serve.messages import night_schema, schema

FAST = Retries(most=3, first_s=0.01)

Fault = Callable[[Scope, Receive, Send], Awaitable[None]]


class Flaky:
    """The service behind a network and a gateway that fail as often as there are faults in the list."""

    def __init__(self, api: ASGIApp, faults: list[Fault]) -> None:
        self.api, self.faults, self.paths = api, faults, []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.api(scope, receive, send)
            return
        self.paths.append(scope["path"])
        if not self.faults:
            await self.api(scope, receive, send)
            return
        fault = self.faults.pop(0)
        await fault(self.api, scope, receive, send)


def refuse(status: int, retry_after: str = "0"):
    """Answer with a status, the body unread."""

    async def fault(api: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"retry-after", retry_after.encode()), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    return fault


async def lose_the_answer(api: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """The night is scored, and the connection breaks in the middle of its answer."""

    async def send_half(message: dict) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"x-cut", b"1")]
        if message["type"] == "http.response.body":
            message = message | {"body": message["body"][: len(message["body"]) // 2], "more_body": True}
        await send(message)

    await api(scope, receive, send_half)


@pytest.fixture
def flaky(make_api, serve_asgi):
    """The address of a service with these faults, and what was asked of it."""
    closing = []

    def start(*faults: Fault) -> tuple[str, Flaky]:
        served = Flaky(make_api(), list(faults))
        context = serve_asgi(served)
        closing.append(context)
        return context.__enter__(), served

    yield start
    for context in closing:
        context.__exit__(None, None, None)


@pytest.fixture
def service(url):
    with Client(url, retries=FAST) as service:
        yield service


def test_a_night_is_scored_followed_and_polled(service, short_path):
    night = service.score(short_path)
    assert (len(night.stages), night.id) == (4, None)
    *steps, streamed = service.stream(str(short_path), keep=False)
    assert {type(step) for step in steps} == {Progress}
    assert streamed == night
    id = service.submit(short_path.read_bytes())
    waited = service.wait(id, every_s=0.02)
    assert waited == night.model_copy(update={"id": id})
    assert service.poll(id).state == "done"
    service.delete(id)
    with pytest.raises(RefusedError, match="There is no night"):
        service.poll(id)


def test_epochs_are_scored_as_numbers(service):
    signals = {"C4-M1": np.random.default_rng(0).normal(0, 20, (3, 3000))}
    night = service.score_epochs(signals, sampling_rate_hz=100)
    assert (len(night.stages), night.derivations["C4-M1"], night.derivations["F4-M1"]) == (3, "C4-M1", None)


def test_everything_of_a_kept_night_comes_typed(service, lean_path):
    assert len(service.simulate(seed=5, hours=0.05).stages) == 6
    night = service.score(lean_path, keep=True)
    assert service.picture(night.id, 2).startswith(b"\x89PNG")
    assert service.explain(night.id, 2, "N2").stage == "N2"
    assert service.explain(night.id, 2, heat=False).cells is None
    assert {one.index for one in service.review(night.id)} <= set(range(20))
    assert service.statistics(night.id)[0].name == "Time in bed"
    assert len(service.spectrogram(night.id).times_s) == 20
    assert service.report(night.id, "pdf").startswith(b"%PDF")
    assert service.correct(night.id, "AB", {3: "N1"}) == {3: "N1"}
    assert service.corrections(night.id) == {3: "N1"}
    assert b"Sleep stage" in service.export(night.id, "edf")
    assert service.export(night.id, "csv") != service.export(night.id, "csv", corrected=False)
    assert service.model()["adapter"] == "adapter"
    assert [card["adapter"] for card in service.models()] == ["adapter"]
    with pytest.raises(RefusedError, match="other") as caught:
        service.score(lean_path, model="other")
    assert caught.value.status == 404


def test_many_nights_at_once(url, short_path, n_looked):
    async def score_all() -> list[Night]:
        async with AsyncClient(url, retries=FAST) as service:
            nights = await asyncio.gather(*[service.score(short_path) for _ in range(3)])
            told = [told async for told in service.stream(short_path)]
            status = await service.poll(told[-1].id)
            assert await service.wait(await service.submit(short_path), every_s=0.02)
            return [*nights, told[-1].model_copy(update={"id": None}), status.night.model_copy(update={"id": None})]

    before = n_looked()
    nights = asyncio.run(score_all())
    assert all(night == nights[0] for night in nights)
    assert n_looked() - before == 5 * 4


def test_what_is_wrong_with_a_recording_is_not_asked_again(flaky):
    url, served = flaky()
    with Client(url, retries=FAST) as service, pytest.raises(RefusedError, match=r"upload\.edf") as caught:
        service.score(b"no EDF")
    assert (caught.value.status, caught.value.problem_kind) == (422, "UnreadableRecording")
    assert len(served.paths) == 1


def test_a_busy_service_is_asked_again(flaky, short_path):
    url, served = flaky(refuse(503), refuse(429), refuse(502))
    with Client(url, retries=FAST) as service:
        assert len(service.score(short_path).stages) == 4
    assert served.paths == ["/v1/nights"] * 4


def test_a_service_that_stays_busy_is_given_up(flaky):
    url, served = flaky(*[refuse(503)] * 9)
    with Client(url, retries=FAST) as service, pytest.raises(RefusedError, match="Answered with 503"):
        service.poll("0" * 32)
    assert len(served.paths) == 4


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_night_whose_answer_was_lost_is_scored_once(flaky, short_path, n_looked, asynchronous):
    url, served = flaky(lose_the_answer, lose_the_answer)

    async def score() -> Night:
        async with AsyncClient(url, retries=FAST) as service:
            return await service.score(short_path)

    before = n_looked()
    if asynchronous:
        night = asyncio.run(score())
    else:
        with Client(url, retries=FAST) as service:
            night = service.score(short_path)
    assert len(night.stages) == 4
    assert len(served.paths) == 3
    assert n_looked() - before == 4


def test_a_stream_that_breaks_is_taken_up_again(flaky, short_path, n_looked):
    url, served = flaky(lose_the_answer)
    before = n_looked()
    with Client(url, retries=FAST) as service:
        *_, night = service.stream(short_path)
    assert len(night.stages) == 4
    assert len(served.paths) == 2
    assert n_looked() - before == 4


def test_a_service_that_is_not_there_is_told():
    with Client("http://127.0.0.1:9", retries=FAST) as service, pytest.raises(ServiceError, match="after 4 tries"):
        service.model()


def test_waits_grow_and_never_fall_below_what_the_service_names():
    retries = Retries(first_s=0.5, longest_s=8.0)
    assert [retries.draw_wait_s(n, lambda: 1.0) for n in range(6)] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    assert retries.draw_wait_s(0, lambda: 0.0, retry_after="3") == 3.0
    assert retries.draw_wait_s(0, lambda: 0.0, retry_after="3600") == 8.0
    assert retries.draw_wait_s(0, lambda: 0.0, retry_after="Wed, 21 Oct 2026 07:28:00 GMT") == 0.0


def test_both_clients_can_do_the_same():
    def list_methods(kind: type) -> dict[str, list[str]]:
        found = inspect.getmembers(kind, inspect.isfunction)
        return {name: list(inspect.signature(one).parameters) for name, one in found if not name.startswith("_")}

    assert list_methods(Client) == list_methods(AsyncClient)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (client_answers.Night, schema.StagedNight),
        (client_answers.NightStatus, night_schema.NightStatus),
        (client_answers.Explanation, night_schema.EpochExplanation),
        (client_answers.Cells, night_schema.Cells),
        (client_answers.Doubt, night_schema.DoubtfulEpoch),
        (client_answers.Statistic, night_schema.NightStatistic),
        (client_answers.Spectrogram, night_schema.NightSpectrogram),
    ],
)
def test_the_client_knows_what_the_service_says(ours, theirs):
    assert set(ours.model_fields) == set(theirs.model_fields)
    example = theirs.model_config.get("json_schema_extra", {}).get("example")
    if example:
        ours.model_validate(example)


def test_a_file_is_read_anew_for_each_try(flaky, tmp_path):
    url, _ = flaky(refuse(503))
    path = Path(tmp_path) / "night.edf"
    path.write_bytes(b"no EDF")
    with (
        Client(url, retries=FAST, timeout=httpx.Timeout(10)) as service,
        pytest.raises(RefusedError, match=r"upload\.edf"),
    ):
        service.score(path)

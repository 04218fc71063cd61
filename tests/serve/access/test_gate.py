"""The gate: who is let in, how many at once, for how long, and what every answer carries."""

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from somnolens.config import ServeSettings
from somnolens.serve.access.gate import Gate, Passage
from somnolens.serve.access.keys import KeyLimits, KeySource, add_key
from somnolens.serve.access.limits import Client, Counters
from somnolens.serve.ingress.uploads import count_bytes
from somnolens.serve.messages.problems import BusyError, TooManyRequestsError, add_problem_handlers
from somnolens.serve.messages.schema import Problem

LIMITS = ServeSettings(
    requests_at_once=3, requests_per_key=2, nights_per_hour=2, max_upload_mb=1, request_timeout_s=5, upload_idle_s=0.2
)


def build_app(settings: ServeSettings, keys: KeySource, seen: list[Passage]) -> FastAPI:
    app = FastAPI()
    add_problem_handlers(app)

    @app.get("/v1/model")
    @app.get("/healthz")
    async def tell() -> dict:
        return {}

    @app.post("/v1/nights")
    @app.post("/v1/epochs")
    @app.post("/v1/admin/promote")
    async def take(request: Request) -> dict:
        n_bytes = sum([len(chunk) async for chunk in count_bytes(request, 8)])
        return {"client": request.state.client, "n_bytes": n_bytes}

    @app.post("/v1/slow")
    async def wait(request: Request, seconds: float) -> dict:
        await asyncio.sleep(seconds)
        return {}

    @app.post("/v1/held")
    async def hold() -> dict:
        while not app.state.release.is_set():
            await asyncio.sleep(0.01)
        return {}

    app.state.release = threading.Event()
    app.state.counters = counters = Counters(settings.requests_at_once)
    app.add_middleware(
        Gate, settings=settings, keys=keys, counters=counters, report=lambda passage, seconds: seen.append(passage)
    )
    return app


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory):
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def texts(keys_file) -> dict[str, str]:
    small = KeyLimits(max_upload_mb=1, nights_per_hour=1)
    return {
        "page": add_key(keys_file, "page"),
        "other": add_key(keys_file, "other", limits=small),
        "boss": add_key(keys_file, "boss", admin=True),
    }


@pytest.fixture
def seen() -> list[Passage]:
    return []


@pytest.fixture
def client(texts, keys_file, seen) -> Iterator[TestClient]:
    with TestClient(build_app(LIMITS, KeySource(str(keys_file)), seen), raise_server_exceptions=False) as client:
        yield client


def bear(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def expect_problem(answer, status: int, sentence: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert sentence in Problem(**answer.json()).detail


def test_without_a_key_nothing_but_what_is_open_is_told(client, texts):
    assert client.get("/v1/model").status_code == client.get("/healthz").status_code == 200
    for path in ("/v1/nights", "/v1/admin/promote", "/v1/nothing", "/metrics", "/anything"):
        answer = client.post(path)
        expect_problem(answer, 401, "The request has no key")
        assert answer.headers["www-authenticate"] == "Bearer"
    expect_problem(client.post("/v1/nights", headers=bear(texts["page"] + "x")), 401, "The key is not known here")
    expect_problem(client.post("/v1/nights", headers={"Authorization": texts["page"]}), 401, "has no key")


@pytest.mark.parametrize("kind", ["Authorization", "authorization", "X-API-Key"])
def test_the_path_learns_whose_the_key_is(client, texts, kind):
    shown = texts["page"] if kind == "X-API-Key" else f"Bearer {texts['page']}"
    assert client.post("/v1/epochs", headers={kind: shown}).json() == {"client": "page", "n_bytes": 0}


def test_only_an_admin_changes_the_service(client, texts):
    expect_problem(client.post("/v1/admin/promote", headers=bear(texts["page"])), 403, "Use an admin's key")
    assert client.post("/v1/admin/promote", headers=bear(texts["boss"])).status_code == 200


def test_nights_are_counted_by_the_hour_and_by_the_key(client, texts):
    page = bear(texts["page"])
    assert [client.post("/v1/nights", headers=page).status_code for _ in range(3)] == [200, 200, 429]
    refused = client.post("/v1/nights", headers=page)
    expect_problem(refused, 429, "has sent 2 nights within an hour")
    assert 3500 < int(refused.headers["retry-after"]) <= 3601
    assert client.post("/v1/epochs", headers=page).status_code == 200
    other = bear(texts["other"])
    assert [client.post("/v1/nights", headers=other).status_code for _ in range(2)] == [200, 429]


def test_too_many_at_once_are_told_to_come_back_while_the_others_go_on(client, texts):
    state = client.app.state

    def hold(threads: ThreadPoolExecutor, key: str) -> Future:
        n_before = state.counters.n_under_way
        held = threads.submit(client.post, "/v1/held", headers=bear(texts[key]))
        while state.counters.n_under_way == n_before and not held.done():
            time.sleep(0.002)
        return held

    with ThreadPoolExecutor() as threads, ExitStack() as release:
        release.callback(state.release.set)
        mine = [hold(threads, "page") for _ in range(2)]
        refused = client.post("/v1/epochs", headers=bear(texts["page"]))
        expect_problem(refused, 429, "2 requests of this key are under way")
        third = hold(threads, "other")
        full = client.post("/v1/epochs", headers=bear(texts["boss"]))
        expect_problem(full, 503, "3 requests are under way")
        state.release.set()
        assert refused.headers["retry-after"] == full.headers["retry-after"] == "5"
        assert [one.result().status_code for one in (*mine, third)] == [200] * 3
    assert client.post("/v1/epochs", headers=bear(texts["page"])).status_code == 200


def test_what_was_counted_is_forgotten_after_an_hour_and_after_an_error():
    now = [0.0]
    counters = Counters(1, clock=lambda: now[0])
    client = Client("a", False, 1, requests_at_once=1, nights_per_hour=1, max_night_hours=1)

    def fail() -> None:
        with counters.admit(client, is_night=True):
            assert counters.n_under_way == 1
            with pytest.raises(BusyError), counters.admit(client, is_night=False):
                pass
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert counters.n_under_way == 0
    now[0] = 3599.0
    with pytest.raises(TooManyRequestsError) as error, counters.admit(client, is_night=True):
        pass
    assert error.value.retry_after_s == 2
    now[0] = 3600.0
    with counters.admit(client, is_night=True):
        pass


def test_a_body_that_is_too_large_for_its_key_is_refused(client, texts):
    large = b"0" * 1_000_001
    expect_problem(client.post("/v1/epochs", content=large, headers=bear(texts["other"])), 413, "larger than 1 MB")
    pieces = (large[first : first + 100_000] for first in range(0, len(large), 100_000))
    expect_problem(client.post("/v1/epochs", content=pieces, headers=bear(texts["other"])), 413, "larger than 1 MB")


def send_by_hand(app: FastAPI, key: str, receive) -> list[dict]:
    """What an application answers to a client that sends its body as `receive` says."""
    sent: list[dict] = []

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/epochs",
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {key}".encode())],
    }
    asyncio.run(app(scope, receive, send))
    return sent


def test_a_body_that_stands_still_is_given_up(texts, keys_file, seen):
    pieces = iter([{"type": "http.request", "body": b"0", "more_body": True}])

    async def receive() -> dict:
        for piece in pieces:
            return piece
        await asyncio.sleep(60)
        return None

    sent = send_by_hand(build_app(LIMITS, KeySource(str(keys_file)), seen), texts["page"], receive)
    assert sent[0]["status"] == 408
    assert b"Nothing of the body came for 0.2 s" in sent[1]["body"]
    assert seen[0].problem == "SlowUpload"


def test_an_answer_that_takes_too_long_is_given_up(texts, keys_file, seen):
    settings = LIMITS.model_copy(update={"request_timeout_s": 0.1})
    with TestClient(build_app(settings, KeySource(str(keys_file)), seen)) as client:
        answer = client.post("/v1/slow", params={"seconds": 30}, headers=bear(texts["page"]))
    expect_problem(answer, 504, "The answer was not there after 0.1 s")


def test_without_keys_this_machine_alone_is_answered(keys_file, seen):
    settings = LIMITS.model_copy(update={"insecure": True})
    app = build_app(settings, KeySource(), seen)
    here, there = ("127.0.0.1", 50000), ("192.0.2.7", 50000)
    host = "http://localhost:8000"
    assert TestClient(app, host, client=here).post("/v1/epochs").status_code == 200
    expect_problem(TestClient(app, host, client=there).post("/v1/epochs"), 403, "answers this machine only")
    rebound = TestClient(app, "http://evil.example", client=here)
    expect_problem(rebound.post("/v1/epochs"), 403, "answers this machine only")
    page = TestClient(app, host, client=here)
    assert page.post("/v1/epochs", headers={"Origin": host}).status_code == 200
    for origin in ("https://evil.example", "null"):
        expect_problem(page.post("/v1/epochs", headers={"Origin": origin}), 403, "answers this machine only")


def test_every_answer_is_safe_in_a_browser(client):
    for answer in (client.get("/healthz"), client.post("/v1/nights")):
        assert answer.headers["content-security-policy"].startswith("default-src 'self';")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "unsafe" not in answer.headers["content-security-policy"]


def test_the_id_of_a_request_comes_back_and_cannot_be_a_sentence(client):
    assert client.get("/healthz", headers={"X-Request-ID": "night-7"}).headers["x-request-id"] == "night-7"
    made = [client.get("/healthz").headers["x-request-id"] for _ in range(2)]
    assert made[0] != made[1]
    assert re.fullmatch("[0-9a-f]{12}", made[0])
    expect_problem(client.get("/healthz", headers={"X-Request-ID": "Jane Doe"}), 400, "The X-Request-ID may have")


def test_every_request_is_reported_once_with_what_went_wrong(client, texts, seen):
    client.post("/v1/epochs", content=b"abc", headers=bear(texts["page"]))
    client.post("/v1/epochs")
    client.post("/v1/nothing", headers=bear(texts["page"]))
    assert [(one.status, one.problem, one.n_body_bytes) for one in seen] == [
        (200, "", 3),
        (401, "UnknownKey", 0),
        (404, "", 0),
    ]
    assert seen[0].client.name == "page"

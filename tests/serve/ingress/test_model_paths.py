"""Adapters over HTTP: their list, the default and its change, drift, and one picture as a chat; without Ray."""

import base64
from collections.abc import Iterator

import numpy as np
import pytest
from fastapi.testclient import TestClient

from somnolens.aasm import STAGES
from somnolens.config import ServeSettings
from somnolens.model.additions import add_adapter
from somnolens.model.promotions import promote_adapter
from somnolens.model.registry import open_registry
from somnolens.render.png import encode_png
from somnolens.score.probe import draw_known_pictures
from somnolens.serve.adapters.catalogue import Catalogue
from somnolens.serve.adapters.choice import Choice
from somnolens.serve.ingress.api import create_api
from somnolens.serve.messages.schema import Drift, ModelCard, Problem
from somnolens.serve.monitoring.watch import Watch
from somnolens.serve.nights.store import open_store
from somnolens.serve.scorer.engines import Engines
from somnolens.serve.worker.signal_work import SignalWork
from somnolens.serve.worker.staging import Stagers


@pytest.fixture(scope="module")
def registry(adapter_folder, tmp_path_factory):
    place = tmp_path_factory.mktemp("registry")
    for name in ("old", "new"):
        add_adapter(place, adapter_folder, name)
    promote_adapter(open_registry(place), "old")
    return place


@pytest.fixture(scope="module")
def http(registry, tmp_path_factory) -> Iterator[TestClient]:
    settings = ServeSettings(
        adapter=f"{registry}#promoted", nights_folder=str(tmp_path_factory.mktemp("kept")), ready_timeout_s=60
    )
    engines = Engines(settings.max_batch_size, 0.0, settings.models_in_memory)

    async def rehearse(address: str) -> list[str]:
        return [await engines.rehearse(address)]

    def look(adapter: str):
        return lambda pictures: engines.look(pictures, adapter)

    store = open_store(settings)
    work = SignalWork(Stagers(look, settings), store, settings, Watch(settings))
    choice = Choice(Catalogue.from_settings(settings), rehearse)
    with TestClient(create_api(work, store, choice, settings), raise_server_exceptions=False) as client:
        yield client


def expect_problem(answer, status: int, sentence: str) -> None:
    assert answer.status_code == status, answer.text
    assert sentence in Problem(**answer.json()).detail


def ask_chat(picture: np.ndarray, palette: np.ndarray, **more) -> dict:
    url = f"data:image/png;base64,{base64.b64encode(encode_png(picture, palette)).decode()}"
    return {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]} | more


def test_adapters_are_listed_the_default_first(http):
    told = [ModelCard(**one).adapter for one in http.get("/v1/models").json()]
    assert told == ["old", "new"]
    assert http.get("/v1/model").json()["adapter"] == "old"


def test_a_night_is_scored_by_the_adapter_that_was_named(http, night_path):
    body = night_path.read_bytes()
    for name in ("old", "new"):
        answer = http.post("/v1/nights", content=body, params={"model": name})
        assert answer.status_code == 200, answer.text
    expect_problem(http.post("/v1/nights", content=body, params={"model": "none"}), 404, "no adapter 'none' here")
    expect_problem(http.post("/v1/nights", content=body, params={"model": "../old"}), 404, "no adapter '../old' here")


def test_a_chat_answers_the_stage_that_the_engine_says(http, engine):
    picture = draw_known_pictures(engine.style)[0]
    asked = ask_chat(picture, engine.style.palette, model="new", logprobs=True)
    answer = http.post("/v1/chat/completions", json=asked)
    assert answer.status_code == 200, answer.text
    expected = engine.calibrate_pictures(engine.score_pictures(picture[None], 1))[0]
    (choice,) = answer.json()["choices"]
    assert choice["message"]["content"] == STAGES[expected.argmax()]
    told = {one["token"]: np.exp(one["logprob"]) for one in choice["logprobs"]["content"][0]["top_logprobs"]}
    np.testing.assert_allclose([told[stage] for stage in STAGES], expected, atol=1e-4)
    assert answer.json()["model"] == "new"


def test_a_chat_that_cannot_be_answered_gets_a_sentence(http, engine):
    small = draw_known_pictures(engine.style)[0][:100, :200]
    expect_problem(http.post("/v1/chat/completions", json=ask_chat(small, engine.style.palette)), 422, "200 x 100 px")
    expect_problem(http.post("/v1/chat/completions", json={"messages": []}), 422, "at least 1 item")
    asked = ask_chat(small, engine.style.palette, model="none")
    expect_problem(http.post("/v1/chat/completions", json=asked), 404, "no adapter 'none'")


def test_drift_says_that_an_adapter_has_no_profile(http):
    told = Drift(**http.get("/v1/drift").json())
    assert not told.alarm
    assert "no profile" in told.notes[0]


def test_another_adapter_is_promoted_and_serves(http, registry):
    answer = http.post("/v1/admin/promote", json={"model": "new", "why": "kappa of N1"})
    assert answer.json() == {"model": "new", "previous": "old", "number": 2}
    assert http.get("/v1/model").json()["adapter"] == "new"
    assert open_registry(registry).find_promoted().why == "kappa of N1"
    expect_problem(http.post("/v1/admin/promote", json={"model": "none"}), 404, "no adapter 'none' here")
    assert http.post("/v1/admin/promote", json={"name": "old"}).status_code == 422


def test_the_service_is_ready_when_a_scorer_has_answered(http):
    assert http.get("/readyz").json() == {"status": "ready"}

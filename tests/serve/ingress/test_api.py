"""Every path of the service, with a real model and without Ray."""

import csv
import io
import logging
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from somnolens.aasm import RECOMMENDED_DERIVATIONS, STAGES
from somnolens.prepare.night import prepare_epochs
from somnolens.read.edf import read_recording
from somnolens.read.json_scoring import read_json
from somnolens.read.montage import find_montage
from somnolens.score.night import score_epochs, score_recording
from somnolens.serve.messages.answers import choose_format
from somnolens.serve.messages.night_schema import (
    Corrections,
    EpochExplanation,
    NightSpectrogram,
    NightStatistic,
    NightStatus,
    ReviewList,
)
from somnolens.serve.messages.problems import UnavailableFormatError, add_problem_handlers
from somnolens.serve.messages.schema import EpochSignals, ModelCard, Problem, StagedNight

PROBLEM = "application/problem+json"
PNG = b"\x89PNG\r\n\x1a\n"


def post_night(client, content, **options):
    return client.post("/v1/nights", content=content, **options)


def expect_problem(answer, status: int, sentence: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    assert sentence in Problem(**answer.json()).detail
    assert "Traceback" not in answer.text
    assert answer.json()["status"] == status


@pytest.fixture(scope="module")
def offline(night_path, engine):
    return score_recording(night_path, engine, batch_size=8)


@pytest.fixture(scope="module")
def answer(client, night_path):
    return post_night(client, night_path.read_bytes())


def test_the_answer_is_that_of_offline_scoring(answer, offline):
    assert answer.status_code == 200, answer.text
    night = StagedNight(**answer.json())
    assert night.stages == list(offline.hypnogram.stages)
    np.testing.assert_allclose(night.probabilities, offline.hypnogram.probabilities, atol=2e-5)
    assert night.quality == offline.flags
    assert night.notes == list(offline.hypnogram.notes)
    assert night.derivations == offline.derivations
    assert night.made_by["render_hash"] == offline.made_by["render_hash"]
    assert night.start_time == offline.start.strftime("%H:%M:%S")


def test_the_answer_says_that_the_adapter_knows_only_simulated_nights(answer):
    assert any("trained on simulated nights only" in note for note in answer.json()["notes"])


def test_the_answer_tells_no_date_and_no_path(answer, offline, adapter_folder):
    assert offline.start.strftime("%Y") not in answer.text.replace(answer.json()["made_by"]["render_hash"], "")
    assert str(adapter_folder.parent) not in answer.text


def test_the_library_reads_the_answer(answer, tmp_path):
    path = tmp_path / "night.json"
    path.write_bytes(answer.content)
    assert read_json(path).stages == tuple(answer.json()["stages"])


def test_a_form_gives_the_same_answer_and_the_name_of_its_file_is_never_told(client, answer, night_path):
    files = {"file": ("Doe_Jane_1970-01-01.edf", night_path.read_bytes())}
    form = client.post("/v1/nights", files=files)
    assert form.json() == answer.json()
    assert "Doe" not in form.text
    broken = client.post("/v1/nights", files={"file": ("Doe_Jane.edf", b"not an EDF")})
    expect_problem(broken, 422, "upload.edf")
    assert "Doe" not in broken.text


@pytest.mark.parametrize("asked", [{"params": {"format": "png"}}, {"headers": {"accept": "image/png"}}])
def test_the_night_comes_as_a_picture(client, night_path, asked):
    answer = post_night(client, night_path.read_bytes(), **asked)
    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(PNG)


def test_the_night_comes_as_a_table(client, night_path, offline):
    answer = post_night(client, night_path.read_bytes(), headers={"accept": "text/csv"})
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["stage"] for row in rows] == list(offline.hypnogram.stages)


@pytest.mark.parametrize(
    ("named", "accept", "expected"),
    [
        (None, "", "json"),
        (None, "*/*", "json"),
        ("csv", "image/png", "csv"),
        (None, "text/html, image/*;q=0.9, */*;q=0.1", "png"),
        (None, "image/png;q=0.2, text/csv;q=oops, application/json;q=0.3", "json"),
    ],
)
def test_the_format_is_what_was_asked_for(named, accept, expected):
    assert choose_format(named, accept) == expected


def test_a_format_that_there_is_not_is_refused(client, night_path):
    with pytest.raises(UnavailableFormatError):
        choose_format(None, "application/xml")
    expect_problem(post_night(client, b"x", headers={"accept": "application/xml"}), 406, "There are application/json")
    expect_problem(post_night(client, b"x", params={"format": "xml"}), 422, "'json', 'csv' or 'png'")


@pytest.mark.parametrize("cut", [10, 256, 2000, -50_000])
def test_a_truncated_recording_is_refused_with_the_sentence_of_the_reader(client, night_path, cut):
    expect_problem(post_night(client, night_path.read_bytes()[:cut]), 422, "upload.edf")


@pytest.mark.parametrize("garbage", [b"garbage", b"\0" * 5000, b"{}", bytes(range(256)) * 20, "käse".encode() * 200])
def test_what_is_no_recording_is_refused(client, garbage):
    expect_problem(post_night(client, garbage), 422, "upload.edf")


def test_nothing_is_refused_with_what_to_do(client):
    expect_problem(post_night(client, b""), 400, "curl --data-binary")
    expect_problem(client.post("/v1/nights", files={"file": ("night.edf", b"")}), 400, "The upload is empty")
    expect_problem(client.post("/v1/epochs", headers={"content-type": "application/json"}), 400, "The body is empty")


def test_a_form_without_the_field_is_refused(client):
    expect_problem(client.post("/v1/nights", files={"night": ("a.edf", b"x")}), 400, "no file in the field 'file'")
    expect_problem(client.post("/v1/nights", files={"file": (None, b"x")}), 400, "no file in the field 'file'")
    boundary = {"content-type": "multipart/form-data"}
    expect_problem(post_night(client, b"--x", headers=boundary), 400, "The multipart form cannot be read")


def test_too_large_is_refused_by_its_announced_size_and_by_what_comes(client, service_settings):
    too_large = b"0" * (service_settings.max_upload_mb * 1_000_000 + 1)
    expect_problem(post_night(client, too_large), 413, "larger than 8 MB")
    chunks = (too_large[first : first + 2**20] for first in range(0, len(too_large), 2**20))
    expect_problem(post_night(client, chunks), 413, "larger than 8 MB")
    expect_problem(client.post("/v1/nights", files={"file": ("a.edf", too_large)}), 413, "larger than 8 MB")
    json_body = {"content": b"1" * 1_000_001, "headers": {"content-type": "application/json"}}
    expect_problem(client.post("/v1/epochs", **json_body), 413, "Send npy")


def test_no_upload_outlives_its_request(client, night_path, tmp_path, monkeypatch, service_settings):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    nights = Path(service_settings.nights_folder) / "nights"
    before = {path.name for path in nights.glob("*")}
    assert post_night(client, night_path.read_bytes()).status_code == 200
    assert post_night(client, night_path.read_bytes()[:5000]).status_code == 422
    assert client.post("/v1/nights", files={"file": ("a.edf", night_path.read_bytes())}).status_code == 200
    assert list(tmp_path.iterdir()) == []
    assert {path.name for path in nights.glob("*")} == before
    assert not list(nights.glob("*/upload.edf"))


def test_epochs_as_npy_are_staged_as_the_same_signals_in_a_file(client, night_path, engine, to_npy):
    whole = read_recording(night_path)
    night = replace(whole, signals=tuple(signal for signal in whole if signal.name.startswith("EEG")))
    settings = engine.style.prepare
    epochs = prepare_epochs(night, find_montage(night), settings.sampling_rate_hz, settings.mains_hz)
    offline = score_epochs(epochs, engine, batch_size=8)
    rate_hz = night.signals[0].sampling_rate_hz
    stacked = np.stack([signal.samples_uv.reshape(len(epochs), -1) for signal in night], axis=1)
    answer = client.post(
        "/v1/epochs",
        content=to_npy(stacked),
        headers={"content-type": "application/x-npy"},
        params={"sampling_rate_hz": rate_hz, "derivations": ", ".join(night.names)},
    )
    assert answer.status_code == 200, answer.text
    staged = StagedNight(**answer.json())
    assert staged.stages == list(offline.hypnogram.stages)
    np.testing.assert_allclose(staged.probabilities, offline.hypnogram.probabilities, atol=2e-5)
    assert staged.derivations == offline.derivations
    assert any("chin EMG is missing" in note for note in staged.notes)


def test_epochs_that_do_not_follow_each_other_are_staged_as_if_sent_one_by_one(client):
    epochs = np.random.default_rng(0).normal(0, 20, (3, 3000)).round(3)
    together = client.post("/v1/epochs", json=build_signals(epochs, consecutive=False)).json()
    alone = [client.post("/v1/epochs", json=build_signals(epoch[None])).json() for epoch in epochs]
    assert together["stages"] == [answer["stages"][0] for answer in alone]
    np.testing.assert_allclose(together["probabilities"], [answer["probabilities"][0] for answer in alone], atol=2e-5)
    assert together["notes"] == alone[0]["notes"]


def build_signals(epochs: np.ndarray, **more: object) -> dict:
    return {"sampling_rate_hz": 100, "derivations": {"C4-M1": epochs.tolist()}} | more


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        ({"json": {}}, 422, "sampling_rate_hz: Field required"),
        ({"json": build_signals(np.zeros((1, 2999)))}, 422, "2,999 samples"),
        ({"json": build_signals(np.zeros((1, 3000)), sampling_rate_hz=1e308)}, 422, "less than or equal to 20000"),
        ({"content": b"junk", "headers": {"content-type": "application/x-npy"}}, 422, "not an npy file"),
        ({"content": b"junk", "params": {"sampling_rate_hz": "nan"}}, 422, "sampling_rate_hz"),
        ({"content": b"junk", "headers": {"content-type": "text/plain"}}, 415, "application/x-npy"),
        ({"content": b"junk"}, 415, "application/json"),
    ],
)
def test_signals_that_cannot_be_used_are_refused(client, options, status, sentence):
    expect_problem(client.post("/v1/epochs", **options), status, sentence)


def test_flat_epochs_are_staged_and_flagged(client):
    answer = client.post("/v1/epochs", json=build_signals(np.zeros((2, 3000)))).json()
    assert answer["quality"] == ["C4-M1 flat", "C4-M1 flat"]


def test_health_and_readiness(client):
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_the_model_is_described_without_its_paths(client, adapter_folder, engine):
    answer = client.get("/v1/model")
    card = ModelCard(**answer.json())
    assert (card.adapter, card.base_model["name"]) == ("adapter", "base")
    assert card.render_hash == engine.style.hash
    assert card.metrics == engine.card.metrics
    assert card.trained_on == ["simulated"]
    assert card.derivations == list(RECOMMENDED_DERIVATIONS)
    assert str(adapter_folder.parent) not in answer.text


def test_unknown_paths_and_methods_are_problems_too(client):
    expect_problem(client.get("/v1/nothing"), 404, "GET /docs shows what there is")
    expect_problem(client.get("/v1/nights"), 405, "Method Not Allowed")


def test_an_error_nobody_expected_is_told_without_its_message(caplog, monkeypatch):
    api = FastAPI()
    add_problem_handlers(api)

    @api.get("/")
    async def fail() -> None:
        raise ValueError("patient name in an error of another library")

    monkeypatch.setattr(logging.getLogger("ray.serve"), "propagate", True)
    answer = TestClient(api).get("/")
    expect_problem(answer, 500, "a fault of the service")
    assert "patient name" not in answer.text + caplog.text
    assert "Unexpected ValueError in fail, test_api.py line" in caplog.text


def test_openapi_shows_examples_that_its_own_schemas_take(client):
    document = client.get("/openapi.json").json()
    assert {"/healthz", "/readyz", "/v1/model", "/v1/nights", "/v1/epochs"} < set(document["paths"])
    kept = (NightStatus, EpochExplanation, ReviewList, NightStatistic, NightSpectrogram, Corrections)
    for schema in (StagedNight, ModelCard, *kept):
        schema.model_validate(document["components"]["schemas"][schema.__name__]["example"])
    body = document["paths"]["/v1/epochs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    EpochSignals.model_validate(body["example"])
    night = document["paths"]["/v1/nights"]["post"]
    formats = {"application/json", "text/csv", "image/png", "application/x-ndjson"}
    assert set(night["responses"]["200"]["content"]) == formats
    (media_type, content), *more = night["responses"]["413"]["content"].items()
    assert (media_type, more) == (PROBLEM, [])
    Problem.model_validate(content["schema"]["example"])
    assert document["components"]["schemas"]["StagedNight"]["example"]["probability_order"] == list(STAGES)


def test_every_reference_of_the_openapi_document_leads_somewhere(client):
    document = client.get("/openapi.json").json()
    found = list(list_references(document))
    assert {"#/components/schemas/ImagePart", "#/components/schemas/StagedNight"} < set(found)
    for reference in found:
        root, *names = reference.split("/")
        assert root == "#"
        reduce(lambda part, name: part[name], names, document)


def list_references(part: object) -> Iterator[str]:
    if isinstance(part, str) and part.startswith("#/"):
        yield part
    elif isinstance(part, dict | list):
        for one in part.values() if isinstance(part, dict) else part:
            yield from list_references(one)

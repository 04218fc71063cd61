"""Nights that are followed, kept, deleted and asked for again, with a real model and without Ray."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from somnolens.config import SimulateSettings
from somnolens.score.night import score_recording
from somnolens.serve.messages.night_schema import NightStatus
from somnolens.serve.messages.schema import Problem, StagedNight
from somnolens.simulate.night import simulate_subject

NAME = b"Doe Jane Secret"


def wait_until_done(client, id: str) -> dict:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        status = client.get(f"/v1/nights/{id}").json()
        if status["state"] in ("done", "failed"):
            return status
        time.sleep(0.02)
    raise AssertionError(f"night {id} is not done")


def expect_problem(answer, status: int, sentence: str) -> None:
    assert answer.status_code == status, answer.text
    assert sentence in Problem(**answer.json()).detail


def test_a_kept_night_can_be_asked_for(client, kept, night_path):
    status = NightStatus(**client.get(f"/v1/nights/{kept}").json())
    assert (status.state, status.progress, status.problem) == ("done", 1.0, None)
    again = client.post("/v1/nights", content=night_path.read_bytes()).json()
    assert again["id"] is None
    assert status.night == StagedNight(**again | {"id": kept})


def test_a_night_that_nobody_waits_for_is_accepted_and_done(client, short_path):
    answer = client.post("/v1/nights", content=short_path.read_bytes(), params={"wait": "none"})
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/nights/{answer.json()['id']}"
    assert wait_until_done(client, answer.json()["id"])["night"]["stages"]


def test_a_night_that_fails_later_tells_why(client):
    id = client.post("/v1/nights", content=b"no EDF", params={"wait": "none"}).json()["id"]
    status = NightStatus(**wait_until_done(client, id))
    assert (status.state, status.night) == ("failed", None)
    assert "upload.edf" in status.problem.detail
    expect_problem(client.get(f"/v1/nights/{id}/review"), 409, "has failed")


def test_steps_of_a_night_come_as_lines(client, short_path):
    with client.stream("POST", "/v1/nights", content=short_path.read_bytes(), params={"wait": "stream"}) as answer:
        lines = [json.loads(line) for line in answer.iter_lines()]
    assert answer.headers["content-type"] == "application/x-ndjson"
    states = [line["state"] for line in lines]
    assert list(dict.fromkeys(states)) == ["reading", "looking", "finishing", "done"]
    progress = [line["progress"] for line in lines[:-1]]
    assert progress == sorted(progress)
    assert client.get(f"/v1/nights/{lines[-1]['night']['id']}").json()["state"] == "done"


def test_a_stream_of_a_bad_file_ends_with_its_sentence(client):
    answer = client.post("/v1/nights", content=b"no EDF", params={"wait": "stream", "keep": "false"})
    last = json.loads(answer.text.splitlines()[-1])
    assert (answer.status_code, last["state"], last["problem"]["status"]) == (200, "failed", 422)


def test_an_answer_that_nobody_could_fetch_is_not_computed(client, short_path):
    answer = client.post("/v1/nights", content=b"x", params={"wait": "none", "keep": "false"})
    expect_problem(answer, 400, "would throw the answer away")


def test_a_deleted_night_is_gone_with_its_files(client, short_path, service_settings):
    id = client.post("/v1/nights", content=short_path.read_bytes(), params={"keep": "true"}).json()["id"]
    assert (Path(service_settings.nights_folder) / "nights" / id / "signals.npy").exists()
    assert client.delete(f"/v1/nights/{id}").status_code == 204
    assert not (Path(service_settings.nights_folder) / "nights" / id).exists()
    for path in ("", "/review", "/epochs/0/picture", "/corrections"):
        expect_problem(client.get(f"/v1/nights/{id}{path}"), 404, "There is no night")
    expect_problem(client.delete(f"/v1/nights/{id}"), 404, "There is no night")


@pytest.mark.parametrize("id", ["0" * 32, "nonsense", "..%2f..%2fetc", "A" * 32])
def test_an_id_that_nobody_was_given_is_no_night(client, id):
    answer = client.get(f"/v1/nights/{id}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_simulated_night_is_the_simulators(client, engine, tmp_path):
    answer = client.post("/v1/nights/simulated", params={"seed": 3, "hours": 0.04})
    night = StagedNight(**answer.json())
    path = simulate_subject(0, SimulateSettings(n_subjects=1, seed=3, hours=0.04), tmp_path)
    assert night.stages == list(score_recording(path, engine, batch_size=8).hypnogram.stages)
    assert client.get(f"/v1/nights/{night.id}/epochs/0/picture").status_code == 200
    expect_problem(client.post("/v1/nights/simulated", params={"hours": 0.3}), 422, "less than or equal to 0.1")


def test_a_recording_is_fetched_from_nowhere_that_is_not_allowed(client):
    answer = client.post("/v1/nights", json={"url": "http://169.254.169.254/latest"})
    assert answer.status_code == 403
    answer = client.post("/v1/nights", json={"path": "/etc/passwd"})
    expect_problem(answer, 415, "url: Field required")


def test_nothing_kept_holds_a_name_of_the_header(client, short_path, service_settings):
    whole = short_path.read_bytes()
    named = whole[:8] + NAME.ljust(80) + NAME.ljust(80) + whole[168:]
    id = client.post("/v1/nights", content=named, params={"keep": "true"}).json()["id"]
    client.get(f"/v1/nights/{id}/report", params={"format": "html"})
    files = list((Path(service_settings.nights_folder) / "nights" / id).iterdir())
    assert {"signals.npy", "scored.json", "answer.json"} <= {path.name for path in files}
    assert not [path.name for path in files for word in NAME.split() if word in path.read_bytes()]


class CountingClient:
    """The API, and how many pictures were looked at since."""

    def __init__(self, client, n_looked) -> None:
        self.client, self.n_looked, self.n_before = client, n_looked, n_looked()

    def post(self, content: bytes, key: str, **params):
        return self.client.post("/v1/nights", content=content, headers={"idempotency-key": key}, params=params)

    @property
    def n_pictures(self) -> int:
        return self.n_looked() - self.n_before


@pytest.fixture
def counting(client, n_looked) -> CountingClient:
    return CountingClient(client, n_looked)


def test_the_same_key_gets_the_same_answer_scored_once(counting, short_path):
    answers = [counting.post(short_path.read_bytes(), "once") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.text for answer in answers}) == 1
    assert counting.n_pictures == 4


def test_requests_with_one_key_at_once_are_one_night(counting, short_path):
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: counting.post(short_path.read_bytes(), "at once", keep="true"), range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert counting.n_pictures == 4


def test_a_key_with_another_body_is_refused(counting, short_path):
    whole = short_path.read_bytes()
    assert counting.post(whole, "other body").status_code == 200
    expect_problem(counting.post(whole[:-5_000], "other body"), 409, "came with another body")
    expect_problem(counting.post(whole, "other body", keep="true"), 409, "came with another body")


def test_a_bad_file_gets_its_answer_again(counting):
    answers = [counting.post(b"no EDF", "bad") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].text == answers[1].text


def test_a_night_of_another_client_is_one_that_there_is_not(client, kept):
    other = FastAPI()
    other.mount("/", client.app)

    @other.middleware("http")
    async def name_client(request, call_next):
        request.state.client = request.headers["x-client"]
        return await call_next(request)

    strangers = TestClient(other)
    expect_problem(strangers.get(f"/v1/nights/{kept}", headers={"x-client": "stranger"}), 404, "There is no night")
    assert strangers.get(f"/v1/nights/{kept}", headers={"x-client": "anyone"}).status_code == 200

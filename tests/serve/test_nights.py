"""Nights that are followed, kept, asked about and corrected, with a real model and without Ray."""

import json
import time

import pytest

from somnolens.serve.night_schema import NightStatus
from somnolens.serve.schema import StagedNight


@pytest.fixture(scope="module")
def kept(client, night_path) -> str:
    """The id of a night that is kept."""
    answer = client.post("/v1/nights", content=night_path.read_bytes(), params={"keep": "true"})
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def wait_until_done(client, id: str) -> dict:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        status = client.get(f"/v1/nights/{id}").json()
        if status["state"] in ("done", "failed"):
            return status
        time.sleep(0.02)
    raise AssertionError(f"night {id} is not done")


def test_a_kept_night_can_be_asked_for(client, kept, night_path):
    status = NightStatus(**client.get(f"/v1/nights/{kept}").json())
    assert (status.state, status.progress, status.problem) == ("done", 1.0, None)
    again = client.post("/v1/nights", content=night_path.read_bytes()).json()
    assert again["id"] is None
    assert status.night == StagedNight(**again | {"id": kept})


def test_a_night_that_nobody_waits_for_is_accepted_and_done(client, night_path):
    answer = client.post("/v1/nights", content=night_path.read_bytes(), params={"wait": "none"})
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/nights/{answer.json()['id']}"
    assert wait_until_done(client, answer.json()["id"])["night"]["stages"]


def test_steps_of_a_night_come_as_lines(client, night_path):
    with client.stream("POST", "/v1/nights", content=night_path.read_bytes(), params={"wait": "stream"}) as answer:
        lines = [json.loads(line) for line in answer.iter_lines()]
    assert answer.headers["content-type"] == "application/x-ndjson"
    states = [line["state"] for line in lines]
    assert list(dict.fromkeys(states)) == ["reading", "looking", "finishing", "done"]
    progress = [line["progress"] for line in lines[:-1]]
    assert progress == sorted(progress)
    assert client.get(f"/v1/nights/{lines[-1]['night']['id']}").json()["state"] == "done"

"""The whole service on a small cluster, over HTTP; and its scorer alone, in this process."""

import json
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
import ray
from ray import serve
from ray.util.state import list_actors

from somnolens.client import Client, RefusedError, Retries
from somnolens.errors import AdapterError, ServiceError
from somnolens.score.night import score_recording
from somnolens.serve.app import Scorer
from somnolens.serve.running import start_service, stop_service
from tests.processes import wait_for

NAME = b"Doe Jane Secret"


@pytest.fixture(scope="module")
def service(ray_cluster, service_settings):
    url = start_service(service_settings, port=0)
    yield url
    stop_service()


@pytest.fixture(scope="module")
def http(service):
    with httpx.Client(base_url=service, timeout=120) as http:
        yield http


def plant_name(recording: bytes) -> bytes:
    """Patient and recording fields of the header, filled with a name."""
    return recording[:8] + NAME.ljust(80) + NAME.ljust(80) + recording[168:]


def read_logs() -> bytes:
    """Everything Ray has written to its log files in this session."""
    folder = Path(ray._private.worker._global_node.get_logs_dir_path())
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def test_the_scorer_scores_as_the_engine_does(service_settings, engine):
    pictures = np.random.default_rng(0).integers(0, 100, (3, *engine.style.shape_px), dtype=np.uint8)
    handle = serve.run(Scorer.bind(service_settings), name="scorer", _local_testing_mode=True)
    adapter = service_settings.adapter
    answers = [handle.score.remote(pictures[:2], adapter), handle.score.remote(pictures[2:], adapter)]
    scored = np.concatenate([answer.result() for answer in answers])
    np.testing.assert_allclose(scored, engine.score_pictures(pictures, 8), atol=1e-5)


def test_a_port_that_is_taken_is_told_before_anything_starts(service_settings):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ServiceError, match=r"Port \d+ cannot be used: Address already in use"):
            start_service(service_settings, taken.getsockname()[1])


def test_a_missing_adapter_is_told_before_anything_starts(service_settings, tmp_path):
    with pytest.raises(AdapterError, match="There is no adapter folder"):
        start_service(service_settings.model_copy(update={"adapter": str(tmp_path / "none")}), port=0)


@pytest.mark.ray
def test_a_night_over_http_is_staged_as_offline(http, night_path, engine):
    offline = score_recording(night_path, engine, batch_size=8)
    answer = http.post("/v1/nights", content=night_path.read_bytes())
    assert answer.status_code == 200, answer.text
    assert answer.json()["stages"] == list(offline.hypnogram.stages)
    np.testing.assert_allclose(answer.json()["probabilities"], offline.hypnogram.probabilities, atol=2e-5)
    assert answer.json()["notes"] == list(offline.hypnogram.notes)


@pytest.mark.ray
def test_the_service_is_ready_and_says_what_it_is(http, engine):
    assert http.get("/healthz").json() == {"status": "alive"}
    assert http.get("/readyz").json() == {"status": "ready"}
    assert http.get("/v1/model").json()["render_hash"] == engine.style.hash
    assert http.get("/openapi.json").status_code == 200


@pytest.mark.ray
def test_bad_requests_get_sentences_and_the_service_goes_on(http, night_path, service_settings):
    whole, too_large = night_path.read_bytes(), b"0" * (service_settings.max_upload_mb * 1_000_000 + 1)
    npy = {"content-type": "application/x-npy"}
    for options, status, sentence in [
        ({"url": "/v1/nights", "content": b"garbage"}, 422, "upload.edf"),
        ({"url": "/v1/nights", "content": b""}, 400, "The upload is empty"),
        ({"url": "/v1/nights", "content": whole[:-50_000]}, 422, "is cut short"),
        ({"url": "/v1/nights", "content": too_large}, 413, "larger than 8 MB"),
        ({"url": "/v1/nights", "files": {"file": ("a.edf", too_large)}}, 413, "larger than 8 MB"),
        ({"url": "/v1/epochs", "content": b"\x93NUMPY junk", "headers": npy}, 422, "not an npy file"),
    ]:
        answer = http.post(**options)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert sentence in answer.json()["detail"]
    assert http.get("/readyz").status_code == 200


@pytest.mark.ray
def test_a_name_in_the_header_is_in_no_answer_and_no_log(http, night_path):
    named = plant_name(night_path.read_bytes())
    form = {"files": {"file": (f"{NAME.decode()}.edf", named)}}
    answers = [
        http.post("/v1/nights", content=named),
        http.post("/v1/nights", **form),
        http.post("/v1/nights", content=named, params={"format": "csv"}),
        http.post("/v1/nights", content=named, params={"format": "png"}),
        http.post("/v1/nights", content=named[:-50_000]),
        http.post("/v1/nights", content=named[:200]),
        http.post("/v1/nights", content=named.replace(b"uV  ", b"kV\xff ")),
        http.post("/v1/epochs", content=named, headers={"content-type": "application/x-npy"}),
    ]
    assert [answer.status_code for answer in answers[:4]] == [200] * 4
    said = b"".join(answer.content + str(answer.headers).encode() for answer in answers)
    time.sleep(1)  # log files are written a moment later
    logs = read_logs()
    assert b"/v1/nights" in logs
    for word in NAME.split():
        assert word not in said + logs


@pytest.mark.ray
def test_a_single_epoch_does_not_wait_for_the_nights_before_it(http, night_path):
    epoch = {"sampling_rate_hz": 100, "derivations": {"C4-M1": np.zeros((1, 3000)).tolist()}}
    whole = night_path.read_bytes()
    with ThreadPoolExecutor(12) as threads:
        nights = [threads.submit(http.post, "/v1/nights", content=whole) for _ in range(12)]
        time.sleep(0.5)
        assert http.post("/v1/epochs", json=epoch).status_code == 200
        assert not all(night.done() for night in nights)
        assert [night.result().status_code for night in nights] == [200] * 12


@pytest.mark.ray
def test_a_kept_night_is_followed_explained_and_corrected(service, lean_path):
    with Client(service) as client:
        *steps, night = client.stream(lean_path)
        assert {step.state for step in steps} <= {"reading", "looking", "finishing"}
        assert client.picture(night.id, 3).startswith(b"\x89PNG")
        assert len(client.explain(night.id, 3).cells.values) == 6
        assert client.correct(night.id, "AB", {3: "N3"}) == {3: "N3"}
        assert json.loads(client.export(night.id, "json"))["stages"][3] == "N3"
        client.delete(night.id)
        with pytest.raises(RefusedError, match="There is no night"):
            client.poll(night.id)


@pytest.mark.ray
def test_a_client_that_leaves_takes_its_night_with_it(http, night_path, service_settings):
    nights = Path(service_settings.nights_folder) / "nights"
    before = set(nights.glob("*"))
    with pytest.raises(httpx.ReadTimeout):
        http.post("/v1/nights", content=night_path.read_bytes(), timeout=httpx.Timeout(30, read=0.05))
    deadline = time.monotonic() + 30
    while set(nights.glob("*")) - before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert set(nights.glob("*")) <= before


def read_replica_logs(deployment: str, request_id: str) -> list[str]:
    """Lines that the replicas of a deployment wrote about a request."""
    folder = Path(ray._private.worker._global_node.get_logs_dir_path()) / "serve"
    files = [path for path in folder.glob("replica_*") if deployment in path.name]
    return [line for path in files for line in path.read_text().splitlines() if request_id in line]


@pytest.mark.ray
def test_an_explanation_ends_when_its_client_leaves(http, night_path):
    id = http.post("/v1/nights", content=night_path.read_bytes(), params={"keep": "true"}).json()["id"]
    path, headers = f"/v1/nights/{id}/epochs/3/explanation", {"X-Request-ID": "leaves-8"}
    with pytest.raises(httpx.ReadTimeout):
        http.get(path, headers=headers, timeout=httpx.Timeout(30, read=0.1))
    deadline = time.monotonic() + 20
    while not (said := read_replica_logs("SignalWorker", "leaves-8")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert any("CANCELLED" in line for line in said), said
    assert http.get(path).status_code == 200
    assert len(read_replica_logs("Scorer", "leaves-8")) < 181 // 8


def find_replica(deployment: str) -> int:
    """Process of the only replica of a deployment; one that was just lost is in Ray's list for a while."""
    chosen = [("class_name", "=", f"ServeReplica:somnolens:{deployment}"), ("state", "=", "ALIVE")]

    def find_living() -> list[int]:
        listed = list_actors(address=ray.get_runtime_context().gcs_address, filters=chosen)
        return [replica.pid for replica in listed if psutil.pid_exists(replica.pid)]

    wait_for(lambda: len(find_living()) == 1, 60, f"one {deployment}")
    return find_living()[0]


@pytest.mark.ray
def test_those_who_compute_stand_back_behind_the_one_who_answers(http):
    def find_lowest(deployment: str) -> int:
        threads = psutil.Process(find_replica(deployment)).threads()
        return max(os.getpriority(os.PRIO_PROCESS, thread.id) for thread in threads)

    assert find_lowest("Scorer") == find_lowest("SignalWorker") > find_lowest("Ingress")


@pytest.mark.fault("a scorer, or a signal worker, of the service")
@pytest.mark.cluster
@pytest.mark.parametrize("deployment", ["Scorer", "SignalWorker"])
def test_a_night_survives_the_loss_of_who_works_on_it(http, night_path, deployment):
    whole = night_path.read_bytes()
    expected = http.post("/v1/nights", content=whole).json()
    replica = find_replica(deployment)
    with ThreadPoolExecutor() as threads:
        nights = [threads.submit(http.post, "/v1/nights", content=whole) for _ in range(2)]
        time.sleep(0.5)
        os.kill(replica, signal.SIGKILL)
        answers = [night.result() for night in nights]
    assert [answer.status_code for answer in answers] == [200, 200]
    for answer in answers:
        assert answer.json()["stages"] == expected["stages"]
        np.testing.assert_allclose(answer.json()["probabilities"], expected["probabilities"], atol=2e-5)


@pytest.mark.cluster
def test_a_stream_goes_on_when_its_worker_is_lost(service, http, night_path):
    worker = find_replica("SignalWorker")
    with Client(service) as client:
        told = client.stream(night_path)
        first = next(told)
        os.kill(worker, signal.SIGKILL)
        *_, night = told
    assert (first.state, len(night.stages)) == ("reading", 20)


@pytest.mark.cluster
def test_a_night_survives_the_loss_of_its_ingress(service, http, night_path):
    with Client(service, retries=Retries(most=10)) as client:
        id = client.submit(night_path)
        os.kill(find_replica("Ingress"), signal.SIGKILL)
        assert len(client.wait(id).stages) == 20


@pytest.mark.ray
def test_the_id_of_a_request_travels_through_all_deployments(http, night_path):
    headers = {"X-Request-ID": "travels-7"}
    answer = http.post("/v1/nights", content=night_path.read_bytes(), headers=headers)
    assert (answer.status_code, answer.headers["x-request-id"]) == (200, "travels-7")
    folder = Path(ray._private.worker._global_node.get_logs_dir_path()) / "serve"
    wanted = {"Ingress", "SignalWorker", "Scorer"}
    deadline = time.monotonic() + 20
    while wanted and time.monotonic() < deadline:
        found = [path.name for path in folder.glob("replica_*") if b"travels-7" in path.read_bytes()]
        wanted = {name for name in wanted if not any(name in file for file in found)}
        time.sleep(0.2)
    assert not wanted


@pytest.mark.cluster
def test_nights_are_counted_where_prometheus_looks(http, night_path):
    assert http.post("/v1/nights", content=night_path.read_bytes()).status_code == 200
    assert http.post("/v1/nights", content=b"garbage").status_code == 422
    (node,) = [node for node in ray.nodes() if node["Alive"]]
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    wanted = {
        "ray_somnolens_nights",
        "ray_somnolens_epochs",
        "ray_somnolens_requests",
        "ray_somnolens_pictures_per_pass",
    }
    deadline = time.monotonic() + 40
    while wanted and time.monotonic() < deadline:
        told = httpx.get(url).text
        wanted = {name for name in wanted if name not in told}
        time.sleep(1)
    assert not wanted

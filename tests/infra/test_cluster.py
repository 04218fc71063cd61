"""A cluster of several nodes with token authentication, and the same four kinds of work, each losing a node.

Jobs go in through `somnolens submit`, from a folder that is not the repository. A node is lost with all its processes
at once while work is under way, and another one comes, as an autoscaler would bring it.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import httpx
import pandas as pd
import pytest

from somnolens.config import SimulateSettings
from somnolens.simulate.night import simulate_subject
from somnolens.train.study import read_trials
from tests.infra.ray_nodes import RAY
from tests.processes import wait_for
from tests.small_cohort import SETTINGS

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

N_NIGHTS = 24


def end(process: subprocess.Popen, seconds: float = 480) -> str:
    """Output of a command that must succeed."""
    out, _ = process.communicate(timeout=seconds)
    assert process.returncode == 0, out
    return out


def set_all(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


@pytest.mark.fault("a node while a dataset is built")
def test_a_dataset_is_built_though_a_node_is_lost(several_nodes, start_somnolens, tmp_path):
    simulate_subject(0, SimulateSettings(hours=3.0), tmp_path / "first")
    (tmp_path / "nights").mkdir()
    for number in range(N_NIGHTS):
        for path in (tmp_path / "first").iterdir():
            os.link(path, tmp_path / "nights" / path.name.replace("SIM001", f"SIM{number:03d}"))
    out = tmp_path / "dataset"
    settings = set_all("dataset.cohort=simulated", "dataset.n_workers=4")
    job = start_somnolens("submit", "build_dataset", "--cluster", "here", tmp_path / "nights", out, *settings)
    wait_for(lambda: job.poll() is not None or len(list(out.glob("shards/*/*/part-0.parquet"))) >= 2, what="two shards")
    n_done = len(list(out.glob("shards/*/*/part-0.parquet")))
    several_nodes.replace_oldest()
    said = end(job)
    assert n_done < N_NIGHTS, "the node was lost too late"
    assert f"of {N_NIGHTS} nights" in said
    assert "progress: Rendering nights" in said
    assert len(pd.read_csv(out / "nights.csv")) == N_NIGHTS


@pytest.mark.fault("a wrong token")
def test_a_wrong_token_is_refused_by_every_way_in(several_nodes, start_somnolens):
    job = start_somnolens("submit", "build_dataset", "--cluster", "wrong", "a", "b")
    out, _ = job.communicate(timeout=180)
    assert job.returncode == 1
    assert "refuses the token" in out
    answers = [httpx.get(f"{several_nodes.address}/api/jobs/", headers=headers).status_code for headers in HEADERS]
    assert answers == [401, 403]
    post = httpx.post(
        f"{several_nodes.address}/api/jobs/", json={"entrypoint": "true"}, headers={"User-Agent": "Mozilla"}
    )
    assert post.status_code in (401, 403)
    environment = several_nodes.make_environment() | {"RAY_AUTH_TOKEN": "0" * 64}
    command = [RAY, "job", "submit", "--address", several_nodes.address, "--", "true"]
    refused = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=False)
    assert refused.returncode != 0
    assert httpx.get(f"{several_nodes.address}/api/gcs_healthz").status_code == 200  # what the probes ask is open


HEADERS = ({}, {"Authorization": "Bearer " + "0" * 64})


def test_rays_own_command_submits_from_elsewhere_and_the_exit_code_is_the_jobs(
    several_nodes, start_somnolens, tmp_path
):
    (tmp_path / "mine.yaml").write_text("simulate: {n_subjects: 1, hours: 0.1}\n")
    words = [
        RAY,
        "job",
        "submit",
        "--address",
        several_nodes.address,
        "--working-dir",
        str(tmp_path),
        "--",
        sys.executable,
    ]
    words += ["-m", "somnolens.jobs.simulate_nights", str(tmp_path / "out"), "--config", "mine.yaml"]
    done = subprocess.run(
        words,
        cwd=several_nodes.folder,
        env=several_nodes.make_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list((tmp_path / "out").glob("*-PSG.edf"))) == 1
    failing = start_somnolens("submit", "build_dataset", "--cluster", "here", tmp_path / "nothing", tmp_path / "none")
    out, _ = failing.communicate(timeout=240)
    assert failing.returncode == 1
    assert "nothing" in out
    listed = end(start_somnolens("jobs", "list", "--cluster", "here"))
    assert "failed" in listed
    assert "build-dataset-" in listed


@pytest.mark.fault("a connection while a log is followed")
def test_a_log_is_whole_though_the_connection_drops(several_nodes, tmp_path):
    from somnolens.jobs.named_clusters import NamedCluster
    from somnolens.jobs.submitting import Cluster

    (tmp_path / "token").write_text(several_nodes.token)
    with drop_connections(several_nodes.dashboard) as (port, drop):
        address = f"http://127.0.0.1:{port}"
        cluster = Cluster(NamedCluster(address=address, token_file=tmp_path / "token"))
        count = "for i in $(seq 1 60); do echo line $i; sleep 0.2; done; exit 7"
        cluster.submit("count", f"bash -c '{count}'", tmp_path, [], "count-lines")
        pieces, notes = [], []
        with ThreadPoolExecutor(1) as beside:
            followed = beside.submit(cluster.follow, "count-lines", pieces.append, notes.append)
            wait_for(lambda: followed.done() or "line 5\n" in "".join(pieces), 180, "the log")
            drop(5.0)
            job = followed.result(300)
    lines = [line for line in "".join(pieces).splitlines() if line.startswith("line ")]
    assert lines == [f"line {number}" for number in range(1, 61)]
    assert notes
    assert job.driver_exit_code == 7


@contextmanager
def drop_connections(target: int):
    """A TCP proxy to a port of this machine, and a function that cuts all connections and refuses new ones."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_now: list[socket.socket] = []
    closed_until = 0.0

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError), source, sink:
            while data := source.recv(65536):
                sink.sendall(data)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            if time.monotonic() < closed_until:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", target))
            open_now.extend((client, server))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=pump, args=pair, daemon=True).start()

    def drop(seconds: float) -> None:
        nonlocal closed_until
        closed_until = time.monotonic() + seconds
        for one in open_now:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1], drop
    listener.close()


@pytest.fixture(scope="module")
def short(adapter_folder) -> list[str]:
    """A worker takes two of the three processors of a node, so that two workers are on two nodes."""
    base = f"model.base={adapter_folder.parent / 'base'}"
    return set_all(*SETTINGS, base, "train.cpus_per_worker=2", "train.max_failures=3", "tracking.tensorboard=false")


@pytest.mark.fault("a node while two nodes train")
def test_a_training_on_two_nodes_finishes_though_one_is_lost(
    several_nodes, start_somnolens, small_dataset, short, tmp_path
):
    run, more = tmp_path / "run", set_all("train.n_workers=2", "train.passes=4")
    job = start_somnolens("submit", "train_adapter", "--cluster", "here", small_dataset.folder, run, *short, *more)
    snapshot = run / "ray" / "train" / "checkpoint_manager_snapshot.json"
    wait_for(lambda: job.poll() is not None or snapshot.is_file(), 400, "the first checkpoint")
    assert job.poll() is None, job.communicate()[0]
    several_nodes.replace_oldest()
    assert "The adapter is in" in end(job)
    assert (run / "adapter" / "adapter_model.safetensors").is_file()


@pytest.mark.fault("a node while a search runs")
def test_a_search_finishes_though_a_node_is_lost(several_nodes, start_somnolens, small_dataset, short, tmp_path):
    run = tmp_path / "run"
    more = set_all("train.n_workers=1", "train.passes=8", "search.grace_reports=8", "search.n_trials=2")
    more += set_all("search.max_concurrent_trials=2")
    job = start_somnolens(
        "submit", "search_hyperparameters", "--cluster", "here", small_dataset.folder, run, *short, *more
    )

    def count_begun() -> int:
        return len({path.parents[1] for path in run.rglob("step_*/state.pt")})

    wait_for(lambda: job.poll() is not None or count_begun() == 2, 400, "a checkpoint of both trials")
    assert job.poll() is None, job.communicate()[0]
    several_nodes.replace_one_with("ray::RayTrainWorker")
    assert "The best adapter is in" in end(job)
    trials = read_trials(run)
    assert [trial.error for trial in trials if trial.failed] == []
    assert sum(trial.interrupted for trial in trials) >= 1
    assert (run / "adapter" / "adapter_model.safetensors").is_file()

"""Commands as a person runs them: in a process of their own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.processes import find_port, make_environment
from tests.repository.tree import ROOT

Run = Callable[..., subprocess.CompletedProcess]


@pytest.fixture(scope="session")
def environment(ray_folder: Path) -> dict[str, str]:
    return make_environment(ray_folder)


@pytest.fixture(scope="session")
def run_somnolens(environment) -> Run:
    """Run `somnolens ...`."""

    def run(*arguments: object) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "somnolens.cli", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)

    return run


def wait_for_head(head: subprocess.Popen, url: str, seconds: float) -> None:
    """Wait until a job is accepted: the agent that runs jobs is the last part of a head to come up."""
    give_up = time.monotonic() + seconds
    while True:
        assert head.poll() is None, "the head has ended"
        with suppress(httpx.TransportError):
            if httpx.post(f"{url}/api/jobs/", json={"entrypoint": "true"}, timeout=30).is_success:
                return
        assert time.monotonic() < give_up, "the head did not come up"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def run_on_head(ray_folder: Path) -> Iterator[Run]:
    """Run a command beside a head of its own, with the environment that the command's jobs find there.

    `--block` keeps the head's command as parent of all it starts, so that ending its session ends them.
    """
    folder, port, dashboard = ray_folder / "head", find_port(), find_port()
    folder.mkdir()
    environment = make_environment(folder)
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", f"--port={port}"]
    command += [f"--dashboard-port={dashboard}", "--num-cpus=3", "--disable-usage-stats"]
    command += [f"--dashboard-agent-listen-port={find_port()}"]  # the default is taken where another Ray runs
    there = {"RAY_ADDRESS": f"127.0.0.1:{port}", "RAY_API_SERVER_ADDRESS": f"http://127.0.0.1:{dashboard}"}

    def run(*words: object) -> subprocess.CompletedProcess:
        return subprocess.run(
            list(map(str, words)), cwd=ROOT, env=environment | there, capture_output=True, text=True, timeout=280
        )

    with (folder / "head.log").open("wb") as log:
        head = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            wait_for_head(head, there["RAY_API_SERVER_ADDRESS"], 60)
            yield run
        finally:
            with suppress(ProcessLookupError):
                os.killpg(head.pid, signal.SIGKILL)
            head.wait()

"""Commands as a person runs them: in a process of their own."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.repository.tree import ROOT

Run = Callable[..., subprocess.CompletedProcess]


def make_environment(folder: Path, **more: str) -> dict[str, str]:
    """Nothing of this session's cluster; Ray's files in a folder of their own."""
    own = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    return own | {"RAY_TMPDIR": str(folder), "RAY_AUTH_MODE": "disabled", "COLUMNS": "200", "NO_COLOR": "1"} | more


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return make_environment(tmp_path_factory.mktemp("r"))


@pytest.fixture(scope="session")
def run_job(environment) -> Run:
    """Run `python jobs/NAME.py ...` in the root of the repository."""

    def run(name: str, *arguments: object) -> subprocess.CompletedProcess:
        command = [sys.executable, f"jobs/{name}.py", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280)

    return run


@pytest.fixture(scope="session")
def run_somnolens(environment) -> Run:
    """Run `somnolens ...`."""

    def run(*arguments: object) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "somnolens.cli", *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)

    return run


def find_port() -> int:
    """A port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def head_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a job on a head of its own, as `ray start --head` makes it and `ray job submit` sets it.

    `--block` keeps the command as parent of all it starts, so that ending its session ends them.
    """
    folder, port = tmp_path_factory.mktemp("h"), find_port()
    environment = make_environment(folder)
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", f"--port={port}"]
    command += [f"--dashboard-port={find_port()}", "--num-cpus=3", "--disable-usage-stats"]
    with (folder / "head.log").open("wb") as log:
        head = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            yield environment | {"RAY_ADDRESS": f"127.0.0.1:{port}"}
        finally:
            head.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                head.wait(timeout=20)
            with suppress(ProcessLookupError):
                os.killpg(head.pid, signal.SIGKILL)

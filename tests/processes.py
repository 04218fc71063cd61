"""What tests that start processes share."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.repository.tree import ROOT


def make_environment(folder: Path, **more: str) -> dict[str, str]:
    """Nothing of this session's cluster; Ray's files in a folder of their own, below `ray_folder`."""
    own = {name: value for name, value in os.environ.items() if name not in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")}
    return own | {"RAY_TMPDIR": str(folder), "RAY_AUTH_MODE": "disabled", "COLUMNS": "200", "NO_COLOR": "1"} | more


@contextmanager
def start(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen]:
    """A process in the root of the repository, which ends with the block at the latest."""
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def find_port() -> int:
    """A port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(
    condition: Callable[[], object],
    seconds: float = 180,
    what: str = "it",
    process: subprocess.Popen | None = None,
) -> None:
    """Ask four times a second, as long as that process is there."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, f"while {what} was waited for, {process} ended"
        assert time.monotonic() < give_up, f"waited {seconds:g} s for {what}"
        time.sleep(0.25)

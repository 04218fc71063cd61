"""How long `somnolens serve` takes until its page answers, from the command line on, with a promoted adapter.

The processes of a first start and of a later one are the same; what differs is what the disk has in its cache.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from somnolens.model.adapter_card import locate_adapter
from somnolens.model.additions import add_adapter
from somnolens.model.promotions import promote_adapter
from somnolens.model.registry import open_registry

PATIENCE_S = 300.0


def measure() -> list[dict]:
    """Rows of the benchmark table."""
    with tempfile.TemporaryDirectory() as name:
        registry = Path(name) / "registry"
        add_adapter(registry, locate_adapter("embedded"), "first")
        promote_adapter(open_registry(registry), "first")
        start_s, stop_s = run_service(registry, Path(name) / "said.txt")
    return [
        {
            "name": "serve.start_s",
            "value": start_s,
            "unit": "s from `somnolens serve` to its page, a scorer having looked",
            "higher_is_better": False,
            "bar": "<=60",
        },
        {
            "name": "serve.stop_s",
            "value": stop_s,
            "unit": "s from Ctrl-C to the end of the process",
            "higher_is_better": False,
            "bar": None,
        },
    ]


def run_service(registry: Path, said: Path) -> tuple[float, float]:
    """Seconds until the service has printed the address of its page and the page answers, and until it has ended."""
    port = find_port()
    command = [sys.executable, "-m", "somnolens.cli", "serve", "--insecure", "--registry", str(registry)]
    started = time.perf_counter()
    with said.open("wb") as stream, running([*command, "--port", str(port)], stream) as process:
        address = wait_for_address(process, said)
        for path in ("", "readyz"):
            httpx.get(f"{address}{path}").raise_for_status()
        start_s = time.perf_counter() - started
        assert httpx.get(f"{address}v1/model").json()["adapter"] == "first"
        asked = time.perf_counter()
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE_S)
        return start_s, time.perf_counter() - asked


@contextmanager
def running(command: list[str], stream) -> Iterator[subprocess.Popen]:
    """A process that has ended when the block has, whatever happens in it."""
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, env=environment)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(PATIENCE_S)


def wait_for_address(process: subprocess.Popen, said: Path) -> str:
    """What the service says where its page is."""
    deadline = time.perf_counter() + PATIENCE_S
    while time.perf_counter() < deadline and process.poll() is None:
        _, found, rest = said.read_text().partition("The page is at ")
        if found and " " in rest:
            return rest.split()[0]
        time.sleep(0.05)
    raise AssertionError(f"The service has not said where its page is: {said.read_text()}")


def find_port() -> int:
    """One that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

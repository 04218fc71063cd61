"""A Ray cluster of several nodes on this machine: each a process group with its own address and resources.

The head keeps what it knows on disk (RocksDB), as KubeRay's clusters keep it in Redis, so that another head can take
its place. Every node asks for the token; a node is lost by SIGKILL to all its processes at once.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import httpx
import psutil

from tests.processes import find_port, make_environment, wait_for
from tests.repository.tree import ROOT

RAY = str(Path(sys.executable).with_name("ray"))


@dataclass
class Nodes:
    """A head that computes nothing, and workers by name.

    Parameters
    ----------
    folder : Path
        Short: Ray's sockets lie below it.
    token : str
    """

    folder: Path = field(default_factory=lambda: Path(mkdtemp(prefix="rn-")))
    token: str = "f" * 64
    port: int = field(default_factory=find_port)
    dashboard: int = field(default_factory=find_port)
    running: dict[str, subprocess.Popen] = field(default_factory=dict)
    n_started: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.dashboard}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def make_environment(self, **more: str) -> dict[str, str]:
        """Of the nodes and of commands beside them."""
        kept = {"RAY_gcs_storage": "rocksdb", "RAY_gcs_storage_path": str(self.folder / "gcs")}
        kept["RAY_gcs_rpc_server_reconnect_timeout_s"] = "600"  # workers wait for another head, as KubeRay has them do
        kept["RAY_health_check_period_ms"] = "1000"  # a node that is silent for five of them is lost
        auth = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token, "PYTHONPATH": str(ROOT)}
        auth["RAY_API_SERVER_ADDRESS"] = self.address  # of two clusters on a machine, none is found without
        return make_environment(self.folder, **kept, **auth, **more)

    def start_head(self) -> None:
        """Start it, or another one in the place of one that was lost."""
        (self.folder / "gcs").mkdir(exist_ok=True)
        (self.folder / "ray" / "ray_current_cluster").unlink(missing_ok=True)  # left by a head that was lost
        options = [f"--port={self.port}", f"--dashboard-port={self.dashboard}", "--num-cpus=0", "--disable-usage-stats"]
        self._start("head", ["--head", *options])
        wait_for(self._accepts_jobs, 240, "the head")

    def start_worker(self, name: str, n_cpus: int = 3) -> None:
        """Start one with an address of its own, and wait until the head knows it."""
        self.n_started += 1
        options = [f"--address=127.0.0.1:{self.port}", f"--node-ip-address=127.0.0.{10 + self.n_started}"]
        options += [
            f"--temp-dir={self.folder / str(self.n_started)}"
        ]  # nodes that share one empty each other's folders
        self._start(name, [*options, f"--num-cpus={n_cpus}", f"--labels=worker={name}"])
        wait_for(lambda: self.knows(f"127.0.0.{10 + self.n_started}"), 180, name)

    def _start(self, name: str, options: list[str]) -> None:
        ports = [f"--dashboard-agent-listen-port={find_port()}", f"--metrics-export-port={find_port()}"]
        ports += [f"--dashboard-agent-grpc-port={find_port()}", f"--runtime-env-agent-port={find_port()}"]
        command = [RAY, "start", "--block", "--object-store-memory=200000000", *ports, *options]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, env=self.make_environment(), stdout=log, stderr=log, start_new_session=True, cwd=self.folder
            )

    def lose(self, name: str) -> None:
        """End a node at once, with everything on it."""
        process = self.running.pop(name)
        with suppress(psutil.NoSuchProcess):
            head = psutil.Process(process.pid)
            for one in (*head.children(recursive=True), head):
                with suppress(psutil.NoSuchProcess):
                    one.kill()
        process.wait()

    def replace_oldest(self) -> None:
        """Lose the worker that has been there longest; another one comes, as an autoscaler would bring it."""
        self._replace(next(name for name in self.running if name != "head"))

    def replace_one_with(self, title: str) -> None:
        """The same of a worker on which a process of that title runs."""
        self._replace(next(name for name, node in self.running.items() if any(has_title(node.pid, title))))

    def _replace(self, name: str) -> None:
        self.lose(name)
        self.start_worker(f"worker-{self.n_started + 1}")

    def stop(self) -> None:
        for name in list(self.running):
            self.lose(name)

    def _accepts_jobs(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.address}/api/jobs/", headers=self.headers, timeout=10).is_success
        return False

    def knows(self, address: str) -> bool:
        """Whether the head believes that a node of this address is there."""
        return address in self.list_alive()

    def list_alive(self) -> list[str]:
        """Addresses of the nodes that the head believes to be there."""
        with suppress(httpx.TransportError):
            answer = httpx.get(f"{self.address}/nodes?view=summary", headers=self.headers, timeout=10)
            if answer.is_success:
                nodes = [node["raylet"] for node in answer.json()["data"]["summary"]]
                return [node["nodeManagerAddress"] for node in nodes if node["state"] == "ALIVE"]
        return []


def has_title(root: int, title: str) -> Iterator[bool]:
    """Of each process below that one."""
    for process in psutil.Process(root).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            yield " ".join(process.cmdline()).startswith(title)

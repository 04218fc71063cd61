"""What is going on inside: processes, memory, scorers; and how to lose one of them."""

import asyncio
import contextlib
import os
import signal
import time
from dataclasses import dataclass, field

import psutil
import ray
from ray import serve
from ray.util.state import list_actors

from somnolens.serve.running import NAME

MB = 1_000_000
ROLES = {
    "Scorer": f"ServeReplica:{NAME}:Scorer",
    "SignalWorker": f"ServeReplica:{NAME}:SignalWorker",
    "Ingress": f"ServeReplica:{NAME}:Ingress",
    "Proxy": "ProxyActor",
    "Controller": "ServeController",
}


MEMORY_EACH_S = 5
"""To ask for the memory of a process holds it up for some milliseconds."""


@dataclass(eq=False)
class Watcher:
    """Memory by process, and number of scorers every second."""

    started: float
    scorers: list[tuple[float, int]] = field(default_factory=list)
    memory_mb: list[tuple[float, int, str, float]] = field(default_factory=list)
    events: list[tuple[float, str]] = field(default_factory=list)

    async def watch(self) -> None:
        """Until it is cancelled."""
        while True:
            if int(time.monotonic() - self.started) % MEMORY_EACH_S == 0:
                await asyncio.to_thread(self._note_memory)
            self.scorers.append((time.monotonic() - self.started, await asyncio.to_thread(count_scorers)))
            await asyncio.sleep(1.0)

    def mark(self, event: str) -> None:
        """Note what is done to the service."""
        self.events.append((time.monotonic() - self.started, event))

    def _note_memory(self) -> None:
        """Beside the event loop, in which clients would wait for it."""
        now_s = time.monotonic() - self.started
        for pid, role in find_processes().items():
            with contextlib.suppress(psutil.Error):
                self.memory_mb.append((now_s, pid, role, psutil.Process(pid).memory_full_info().uss / MB))

    def grow(self, early: tuple[float, float], late: tuple[float, float]) -> tuple[float, dict[str, float]]:
        """Growth between two spans of time, of the processes that lived through both; in all, and by role in MB."""
        first, last = self._median(early), self._median(late)
        both = first.keys() & last.keys()
        by_role: dict[str, float] = {}
        for pid, role in both:
            by_role[role] = by_role.get(role, 0.0) + last[pid, role] - first[pid, role]
        before = sum(first[one] for one in both)
        return sum(last[one] for one in both) / before - 1 if before else 0.0, by_role

    def _median(self, span: tuple[float, float]) -> dict[tuple[int, str], float]:
        found: dict[tuple[int, str], list[float]] = {}
        for at_s, pid, role, size in self.memory_mb:
            if span[0] <= at_s < span[1]:
                found.setdefault((pid, role), []).append(size)
        return {one: sorted(sizes)[len(sizes) // 2] for one, sizes in found.items()}


def find_processes() -> dict[int, str]:
    """Processes of the service by id, with their role."""
    address = ray.get_runtime_context().gcs_address
    actors = list_actors(address=address, filters=[("state", "=", "ALIVE")], limit=1000)
    return {actor.pid: role for actor in actors for role, name in ROLES.items() if actor.class_name == name}


def count_scorers() -> int:
    """Scorers that take requests."""
    deployments = serve.status().applications[NAME].deployments
    return deployments["Scorer"].replica_states.get("RUNNING", 0)


def lose(role: str) -> None:
    """Kill one process of a role, as a machine that goes would."""
    pids = [pid for pid, one in find_processes().items() if one == role]
    assert pids, f"there is no {role} to lose"
    os.kill(pids[0], signal.SIGKILL)

"""Processes as a terminal has them, and what is left of them."""

import signal
import subprocess
import time
from pathlib import Path

from tests.repository.tree import ROOT


def start_as_in_a_terminal(command: list[str], environment: dict[str, str]) -> subprocess.Popen:
    """Start a command in a group of its own that hears Ctrl-C, even where these tests run in the background."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def read_title(pid: int) -> str:
    """Command line of a process; empty where it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def list_group(group: int) -> list[str]:
    """Command lines of what still runs in a process group."""
    return [read_title(pid) for pid, fields in _read_processes() if int(fields[2]) == group and fields[0] != "Z"]


def wait_for_end(group: int, at_most_s: float = 10) -> list[str]:
    """Command lines of what still runs in a process group when it has had time to end."""
    give_up = time.monotonic() + at_most_s
    while list_group(group) and time.monotonic() < give_up:
        time.sleep(0.1)
    return list_group(group)


def list_descendants(root: int) -> dict[int, str]:
    """Process id to command line of all that a process has begun, directly or not."""
    parents = {pid: int(fields[1]) for pid, fields in _read_processes()}
    found, fresh = {root}, {root}
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh} - found
        found |= fresh
    return {pid: read_title(pid) for pid in found}


def _read_processes() -> list[tuple[int, list[str]]]:
    """Process id with state, parent, group and so on, as proc(5) orders them after the name."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            found.append((int(process.name), (process / "stat").read_text().rpartition(")")[2].split()))
        except OSError:
            continue
    return found

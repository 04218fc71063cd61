"""What made this file: run folders, code revision, fingerprints, hardware."""

import errno
import fcntl
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from somnolens import __version__
from somnolens.errors import RunFolderError
from somnolens.storage import create_bytes, is_here, list_names

BEGUN_FILE = "begun.json"
"""What was asked of a run that can be gone on with."""


def make_run_folder(parent: Path, name: str | None = None) -> Path:
    """Create a new run folder; refuse one that exists, so that no run overwrites another.

    Raises
    ------
    RunFolderError
    """
    folder = parent / (name or datetime.now(UTC).strftime("%Y%m%d-%H%M%S"))
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise RunFolderError(_refuse(folder)) from None
    return folder


def begin_run(run: Path, asked: dict[str, Any], advice: str = "--resume goes on as it is asked now.") -> bool:
    """Begin a run in a new folder, of this machine or a store, or go on with it where the same was begun before.

    Parameters
    ----------
    run : Path
    asked : dict
        Everything that decides what comes out, as plain values.
    advice : str
        What to do where something else was asked before.

    Returns
    -------
    bool
        Whether there is something to go on with.

    Raises
    ------
    RunFolderError
        Where the folder holds anything else.
    """
    content = (json.dumps(asked, indent=2) + "\n").encode()
    if not (run / BEGUN_FILE).is_file():
        if list_names(run):
            raise RunFolderError(_refuse(run))
        if create_bytes(run / BEGUN_FILE, content):
            return False
    before = json.loads((run / BEGUN_FILE).read_text())
    changed = [key for key in asked if before.get(key) != asked[key]]
    if changed:
        other = " and ".join(changed)
        raise RunFolderError(f"{_refuse(run)} It was begun with other {other}; {advice}")
    return True


@contextmanager
def hold_run(run: Path) -> Iterator[None]:
    """Keep a run folder for this process, so that no two of them go on with the same run at once.

    By a lock of the operating system on the folder, which is gone with the process, however that ends. A store has
    none, nor have some network file systems: there two are not told apart.

    Raises
    ------
    RunFolderError
        Where another process holds it.
    """
    if not is_here(run):
        yield
        return
    descriptor = os.open(run, os.O_RDONLY)
    try:
        _lock(descriptor, run)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, run: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RunFolderError(
            f"Another process is at work in the run folder {run}. Wait until it has ended, or stop it first."
        ) from None
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EBADF):
            raise


def _refuse(run: Path) -> str:
    return f"The run folder {run} exists. No run overwrites another: name a new one, or remove it."


def fingerprint(content: Any) -> str:
    """12 hexadecimal digits of SHA-256 over canonical JSON.

    Examples
    --------
    >>> fingerprint({"b": 1, "a": 2}) == fingerprint({"a": 2, "b": 1})
    True
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def fingerprint_files(paths: Iterable[Path]) -> str:
    """12 hexadecimal digits of SHA-256 over the bytes of the files, in the given order."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def describe_code() -> dict[str, str]:
    """Version and, in a git checkout, revision of the code that runs."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
        revision = answer.stdout.strip()
    except OSError:
        revision = ""
    return {"version": __version__, "revision": revision or "unknown"}


@cache
def describe_hardware() -> str:
    """One line: cores, memory, accelerators."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores {platform.machine()}, {memory_gb:.0f} GB, {_describe_accelerator()}"


def _describe_accelerator() -> str:
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU"

"""What made this file: run folders, code revision, fingerprints, hardware."""

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from somnolens import __version__
from somnolens.errors import RunFolderError


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
        raise RunFolderError(
            f"The run folder {folder} exists. No run overwrites another: name a new one, or remove it."
        ) from None
    return folder


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

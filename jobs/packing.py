"""Choose what of a working directory goes to a cluster: code and settings, never recordings and never secrets."""

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path

from somnolens.errors import SettingsError

SENT = (".py", ".yaml", ".yml", ".toml", ".sh")
"""By what they end; a list of what is sent, because one of what is not sent is never whole."""

SECRET_NAMES = (
    "*secret*",
    "*credential*",
    "*password*",
    "auth_token*",
    "*.token",
    "keys.*",
    "clusters.yaml",
    "kubeconfig*",
)
SKIPPED_FOLDERS = {"__pycache__", "node_modules", "build", "dist", "runs", "data"}
SECRET_TEXT = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY|AKIA[0-9A-Z]{16}|\bhf_[A-Za-z0-9]{30,}|\bgh[pousr]_[A-Za-z0-9]{30,}"
)
MOST_FILES = 5000
MOST_MB = 50
"""Ray's dashboard takes 100 MiB; code and settings are far less, so that more is a mistake."""


def choose_files(folder: Path, also: Sequence[str] = ()) -> list[Path]:
    """Files of a folder that are sent, relative to it, sorted.

    Hidden files and folders, virtual environments, links, and files whose name speaks of a secret stay here.

    Parameters
    ----------
    folder : Path
    also : sequence of str
        Patterns of further files, as `notes/*.json`.

    Raises
    ------
    SettingsError
        Where a file holds a key, or there is far more than code.
    """
    chosen = sorted(path for path in _walk(folder, Path()) if _is_sent(path, also))
    size_mb = sum((folder / path).stat().st_size for path in chosen) / 1e6
    if len(chosen) > MOST_FILES or size_mb > MOST_MB:
        raise SettingsError(
            f"{folder} has {len(chosen):,} files of {size_mb:,.0f} MB to send; {MOST_FILES:,} and {MOST_MB} MB are the "
            "most. Name the folder of your settings with --working-dir."
        )
    if told := [f"{path}:{line}" for path in chosen for line in _find_secrets(folder / path)]:
        raise SettingsError(
            f"{', '.join(told)} looks like a key. Nothing was sent. Take it out; on the cluster, keys are Secrets."
        )
    return chosen


def _walk(folder: Path, inside: Path) -> Iterator[Path]:
    """Ordinary files, as deep as code lies."""
    for entry in os.scandir(folder / inside):
        path = inside / entry.name
        if entry.name.startswith(".") or entry.is_symlink():
            continue
        if entry.is_file():
            yield path
        elif entry.name not in SKIPPED_FOLDERS and not (folder / path / "pyvenv.cfg").exists():
            yield from _walk(folder, path)


def _is_sent(path: Path, also: Sequence[str]) -> bool:
    if any(fnmatch(path.name.lower(), pattern) for pattern in SECRET_NAMES):
        return False
    return path.suffix in SENT or any(fnmatch(path.as_posix(), pattern) for pattern in also)


def _find_secrets(path: Path) -> list[int]:
    """Numbers of the lines that hold a key."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [number for number, line in enumerate(lines, 1) if SECRET_TEXT.search(line)]


def copy_files(folder: Path, files: Iterable[Path], target: Path) -> None:
    """Copy chosen files below another folder."""
    for path in files:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / path, target / path)

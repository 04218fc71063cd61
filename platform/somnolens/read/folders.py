"""What lies in a cohort's folder, and what to say where nothing in it is a night."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from somnolens.errors import EmptyCohortError
from somnolens.storage import list_names

Found = TypeVar("Found")


def list_files(folder: Path) -> list[Path]:
    """List all files below a folder in the order of their paths, hidden ones left out.

    Raises
    ------
    EmptyCohortError
        When the folder is missing.
    """
    paths = sorted(folder / name for name in list_names(folder))
    files = [path for path in paths if not path.name.startswith(".")]
    if not files and not folder.is_dir():
        raise EmptyCohortError(f"There is no folder {folder}. Name the folder with the recordings.")
    return files


def index_names(files: Sequence[Path]) -> dict[str, Path]:
    """Find a file by its name in lower case, whatever folder it lies in; the first of several."""
    return {path.name.lower(): path for path in reversed(files)}


def match_recordings(
    folder: Path, pattern: re.Pattern[str], looked_for: str
) -> tuple[list[tuple[Path, re.Match[str]]], dict[str, Path]]:
    """Find the recordings whose whole name matches, and every file by its name as `index_names` does.

    Raises
    ------
    EmptyCohortError
        Saying that `looked_for` was looked for.
    """
    files = list_files(folder)
    found = [(path, match) for path in files if (match := pattern.fullmatch(path.name))]
    return require_nights(found, folder, looked_for, len(files)), index_names(files)


def require_nights(nights: list[Found], folder: Path, looked_for: str, n_files: int) -> list[Found]:
    """Give back the nights of a folder, of which there must be one.

    Parameters
    ----------
    nights : list
        Nights, or what will become of one each.
    folder : Path
    looked_for : str
        As the message says it.
    n_files : int
        Files in the folder.

    Raises
    ------
    EmptyCohortError
    """
    if not nights:
        raise EmptyCohortError(
            f"{folder} holds no recording. Looked for {looked_for} in it and below; "
            f"it holds {n_files} other file(s). Name the folder with the recordings."
        )
    return nights

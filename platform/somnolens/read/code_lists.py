"""Scorings that are nothing but a list of integers, one per epoch: text with a code per line, and JSON.

What the integers mean differs from cohort to cohort (REM is 5 in ISRUC, 4 in DOD), so the caller says it.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from somnolens.errors import UnreadableHypnogramError

_INTEGER: Final = re.compile(r"-?[0-9]{1,9}")


def read_code_lines(path: Path, stages: Mapping[int, str]) -> tuple[str | None, ...]:
    """Read one stage per line.

    Blank lines at the end are passed over; a blank line between others is None.

    Parameters
    ----------
    path : Path
    stages : mapping of int to str
        Stage of each code.

    Raises
    ------
    UnreadableHypnogramError
        Lines that are no integer, codes without a stage, no line at all.
    """
    lines = path.read_bytes().decode("utf-8-sig", errors="replace").rstrip().splitlines()
    return tuple(_parse([line.strip() or None for line in lines], stages, path.name))


def read_code_json(path: Path, stages: Mapping[int, str]) -> tuple[str, ...]:
    """Read a JSON list of integers, one per epoch.

    Raises
    ------
    UnreadableHypnogramError
    """
    try:
        codes = json.loads(path.read_bytes())
    except ValueError:
        raise UnreadableHypnogramError(f"{path.name} is damaged JSON: it cannot be parsed. Copy it again.") from None
    if not isinstance(codes, list):
        raise UnreadableHypnogramError(f"{path.name} is JSON, and no list of stages. Name the scorer's file.")
    return tuple(stage for stage in _parse([str(code) for code in codes], stages, path.name) if stage)


def _parse(texts: list[str | None], stages: Mapping[int, str], name: str) -> Iterable[str | None]:
    if not any(texts):
        raise UnreadableHypnogramError(f"{name} holds no stage. Copy or export it again.")
    if wrong := [text for text in texts if text and not _INTEGER.fullmatch(text)]:
        raise UnreadableHypnogramError(
            f"{name} has {len(wrong)} line(s) that are no code of a stage, the first {wrong[0][:24]!r}. "
            f"Known are {_list(stages)}. Name the scorer's file."
        )
    refuse_codes([int(text) for text in texts if text], stages, name)
    return [stages[int(text)] if text else None for text in texts]


def refuse_codes(codes: Iterable[float], stages: Mapping[int, str], name: str) -> None:
    """Raise one error that names all codes without a stage.

    Raises
    ------
    UnreadableHypnogramError
    """
    if unknown := sorted({code for code in codes if code not in stages}):
        raise UnreadableHypnogramError(
            f"{name} has the stage code(s) {', '.join(f'{code:g}' for code in unknown[:5])}. "
            f"Known are {_list(stages)}. Check which cohort the file belongs to."
        )


def _list(stages: Mapping[int, str]) -> str:
    return ", ".join(f"{code} ({stage})" for code, stage in stages.items())

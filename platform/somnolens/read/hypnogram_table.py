"""Scoring tables: CSV, TSV and BIDS, with a header line.

Either a stage per row, one epoch each, or onset and duration in seconds with it. Column names are
those of BIDS (`onset`, `duration`, `trial_type`) and of common exports; letter case is ignored.
"""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from somnolens.aasm import EPOCH_S, UNSCORED
from somnolens.errors import UnreadableHypnogramError
from somnolens.read.runs import Run
from somnolens.read.stage_texts import KNOWN_TEXTS, parse_codes, parse_stage, states_stage

ONSET: Final = ("onset", "onset_s", "start_s", "start", "recording onset", "time_s")
DURATION: Final = ("duration", "duration_s")
EPOCH: Final = ("epoch", "epoch_index", "epoch number")
STAGE: Final = ("stage", "sleep_stage", "sleep stage", "sleepstage", "hypnogram", "stages", "staging", "label")
EVENT: Final = ("trial_type", "annotation", "event", "description", "value")
"""Columns that hold other events as well: what does not look like a stage is passed over."""

Row = dict[str, str]


def read_table(path: Path) -> list[Run]:
    """Read the stages of a table as runs.

    Raises
    ------
    UnreadableHypnogramError
        No known column, unknown stage texts (all of them), numbers that are none, no stage at all.
    """
    columns, rows = _read_rows(path)
    stage_column = _find_column(columns, STAGE + EVENT)
    if stage_column is None:
        raise UnreadableHypnogramError(
            f"{path.name} has no column of stages. Looked for {_quote(STAGE + EVENT)}; the first line has "
            f"{_quote(columns[:12])}. Name the columns in the first line."
        )
    if stage_column in EVENT:
        rows = [row for row in rows if _may_be_stage(row[stage_column])]
    if not rows:
        raise UnreadableHypnogramError(
            f"{path.name} holds no sleep stage in its column '{stage_column}'. Known are {KNOWN_TEXTS}."
        )
    stages = _parse_stages([row[stage_column] for row in rows], path.name)
    times = _parse_times(columns, rows, path.name)
    return [
        Run(onset_s, duration_s, stage, row[stage_column])
        for (onset_s, duration_s), stage, row in zip(times, stages, rows, strict=True)
    ]


def _read_rows(path: Path) -> tuple[list[str], list[Row]]:
    lines = [line for line in _decode(path.read_bytes()).splitlines() if line.strip()]
    if not lines:
        raise UnreadableHypnogramError(f"{path.name} is empty. Export the scoring again.")
    delimiter = max("\t;,", key=lines[0].count)
    columns = [column.strip().strip("\"'").lower() for column in lines[0].split(delimiter)]
    cells = csv.reader(io.StringIO("\n".join(lines[1:])), delimiter=delimiter, skipinitialspace=True)
    rows = [{column: cell.strip() for column, cell in zip(columns, row, strict=False)} for row in cells]
    return columns, [{column: row.get(column, "") for column in columns} for row in rows]


def _decode(raw: bytes) -> str:
    """UTF-8 with or without a mark, UTF-16 with one, Latin-1 for the rest."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _find_column(columns: Sequence[str], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in columns), None)


def _may_be_stage(text: str) -> bool:
    return states_stage(text) or parse_stage(text) not in (None, UNSCORED)


def _parse_stages(texts: list[str], name: str) -> list[str]:
    codes = _parse_integers(texts)
    if codes is not None:
        return _parse_codes(codes, name)
    stages = [parse_stage(text) for text in texts]
    refuse_unknown([text for text, stage in zip(texts, stages, strict=True) if stage is None], name)
    return [stage for stage in stages if stage]


def refuse_unknown(texts: Sequence[str], name: str) -> None:
    """Raise one error that names the unknown texts, at most five of them, shortened."""
    different = sorted(set(texts))
    if not different:
        return
    some = _quote(text[:24] for text in different[:5]) + (" and others" if len(different) > 5 else "")
    raise UnreadableHypnogramError(
        f"{name} has {len(texts)} stage(s) with an unknown text: {some}. Known are {KNOWN_TEXTS}. "
        "Replace them, or write '?' where no stage was given."
    )


def _parse_integers(texts: list[str]) -> list[int] | None:
    """All texts as integers (2 and 2.0), or None if the column holds words."""
    try:
        numbers = [float(text) for text in texts if text not in ("", "n/a")]
    except ValueError:
        return None
    if not numbers or any(number != number // 1 for number in numbers):
        return None
    return [-1 if text in ("", "n/a") else int(float(text)) for text in texts]


def _parse_codes(codes: list[int], name: str) -> list[str]:
    stage_of = parse_codes(set(codes))
    if stage_of is None:
        raise UnreadableHypnogramError(
            f"{name} codes its stages as numbers with 4 and without 5: 4 may be stage 4 or REM. "
            "Write the stages as W, N1, N2, N3, R."
        )
    refuse_unknown([str(code) for code in codes if code not in stage_of], name)
    return [stage_of[code] for code in codes]


def _parse_times(columns: list[str], rows: list[Row], name: str) -> list[tuple[float, float | None]]:
    onset, duration, epoch = (_find_column(columns, names) for names in (ONSET, DURATION, EPOCH))
    durations = [_number(row[duration], duration, name) if duration else None for row in rows]
    if onset:
        return list(zip(_iter_numbers(rows, onset, name), durations, strict=True))
    if duration and set(durations) - {None, float(EPOCH_S)}:
        raise UnreadableHypnogramError(
            f"{name} has a column '{duration}' and none of onsets. Looked for {_quote(ONSET)}. "
            "Add the onsets in seconds."
        )
    numbers = list(_iter_numbers(rows, epoch, name)) if epoch else list(range(len(rows)))
    first = min(*numbers, 1) if epoch else 0  # epochs are counted from 0 or from 1
    return [((number - first) * EPOCH_S, float(EPOCH_S)) for number in numbers]


def _iter_numbers(rows: list[Row], column: str, name: str) -> Iterator[float]:
    for row in rows:
        number = _number(row[column], column, name)
        if number is None:
            raise UnreadableHypnogramError(f"{name} has a stage without a number in column '{column}'. Fill it in.")
        yield number


def _number(text: str, column: str, name: str) -> float | None:
    if text in ("", "n/a"):
        return None
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UnreadableHypnogramError(
            f"{name} has {text[:24]!r} in column '{column}', which must be seconds or a count."
        )
    return number


def _quote(names: object) -> str:
    return ", ".join(f"'{name}'" for name in names)  # type: ignore[attr-defined]

"""A folder of EDF files with their scorings beside them, Sleep-EDF's manner included.

Pairs, best first: `X-PSG.edf` with `X-Hypnogram.edf`; `SC4001E0-PSG.edf` with `SC4001EC-Hypnogram.edf`
(Sleep-EDF: seven shared characters, the eighth is the scorer); `X.edf` with `X-Hypnogram.edf`,
`X_hypnogram.tsv`, `X_events.tsv`, `X_sleepscoring.edf`, `X.csv`, `X.tsv`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from somnolens.errors import EmptyCohortError
from somnolens.read.night import Night

RECORDING_ENDINGS: Final = (".edf", ".bdf", ".rec")

_SCORING: Final = re.compile(r"[-_ ](hypnogram|sleepscoring|scoring|events)$", re.IGNORECASE)
_PSG: Final = re.compile(r"[-_ ](psg|eeg)$", re.IGNORECASE)
_SLEEP_EDF: Final = re.compile(r"(S[CT]\d{3})\d[A-Z][A-Z0-9]")
_NIGHT_SUFFIX: Final = re.compile(r"[-_ ](n|night|ses|session)[-_]?\d+([-_ ].*)?$", re.IGNORECASE)

_ENDINGS: Final = (
    *("-hypnogram.edf", "_hypnogram.edf", "_sleepscoring.edf", "_scoring.edf"),
    *("_hypnogram.tsv", "_hypnogram.csv", "-hypnogram.csv", "-hypnogram.tsv", "_events.tsv", "_scoring.csv"),
    *(".csv", ".tsv"),
)
"""What follows the base name in a scoring file, best first, in lower case."""


def find_nights(folder: Path) -> list[Night]:
    """Find all recordings below a folder, each with its scoring if there is one.

    Raises
    ------
    EmptyCohortError
        When the folder is missing or holds no recording.
    """
    if not folder.is_dir():
        raise EmptyCohortError(f"There is no folder {folder}. Name the folder with the recordings.")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    recordings = [path for path in files if is_recording(path)]
    if not recordings:
        raise EmptyCohortError(
            f"{folder} holds no recording. Looked for files ending in {', '.join(RECORDING_ENDINGS)} in it and below; "
            f"it holds {len(files)} other file(s). Name the folder with the recordings."
        )
    nights = _name_nights(recordings, folder)
    return [
        Night("edf_folder", subject_of(path), night, path, _find_scoring(path, files))
        for path, night in zip(recordings, nights, strict=True)
    ]


def is_recording(path: Path) -> bool:
    """Whether a file is a recording by its name.

    Examples
    --------
    >>> is_recording(Path("SIM001-PSG.edf")), is_recording(Path("SIM001-Hypnogram.edf"))
    (True, False)
    """
    return path.suffix.lower() in RECORDING_ENDINGS and not _SCORING.search(path.stem)


def subject_of(path: Path) -> str:
    """The person, by the file name: two nights of one person must never be in two splits.

    Examples
    --------
    >>> [subject_of(Path(name)) for name in ("SC4012E0-PSG.edf", "anna_night2.edf", "SIM001-PSG.edf")]
    ['SC401', 'anna', 'SIM001']
    """
    if match := _SLEEP_EDF.match(path.name):
        return match[1]
    base = _base(path)
    return _NIGHT_SUFFIX.sub("", base) or base


def _base(path: Path) -> str:
    return _PSG.sub("", path.stem)


def _name_nights(recordings: list[Path], folder: Path) -> list[str]:
    """The base name; with its folders in front wherever two nights would share it."""
    bases = [_base(path) for path in recordings]
    return [
        base if bases.count(base) == 1 else "_".join((*path.relative_to(folder).parent.parts, path.stem))
        for base, path in zip(bases, recordings, strict=True)
    ]


def _find_scoring(recording: Path, files: list[Path]) -> Path | None:
    beside = [path for path in files if path.parent == recording.parent and path != recording]
    return next(iter(_iter_scorings(recording, beside)), None)


def _iter_scorings(recording: Path, beside: list[Path]) -> Iterator[Path]:
    names = {path.name.lower(): path for path in beside}
    for stem in (_base(recording), recording.stem):
        yield from (names[name] for ending in _ENDINGS if (name := stem.lower() + ending) in names)
    if _SLEEP_EDF.match(recording.name):
        rest = _base(recording)[8:]
        pattern = re.compile(re.escape(recording.name[:7]) + "." + re.escape(rest) + r"-Hypnogram\.edf", re.IGNORECASE)
        yield from (path for path in beside if pattern.fullmatch(path.name))

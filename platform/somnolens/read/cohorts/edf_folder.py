"""Any folder of EDF files, with their scorings beside them, inside them, or with none.

Pairs, best first: `X-PSG.edf` with `X-Hypnogram.edf`; `SC4001E0-PSG.edf` with `SC4001EC-Hypnogram.edf`
(Sleep-EDF: seven shared characters, the eighth is the scorer); `X.edf` with `X_hypnogram.tsv`, `X_events.tsv`
(BIDS: `sub-01_task-sleep_eeg.edf`), `X_sleepscoring.edf`, `X-nsrr.xml`, `X-profusion.xml`, `X.csv`, `X.tsv`.
Where nothing lies beside an EDF+ recording, stages among its own annotations are its scoring.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from somnolens.read.folders import list_files, require_nights
from somnolens.read.night import Night, Scoring
from somnolens.read.scoring import holds_annotations, read_own_annotations

RECORDING_ENDINGS: Final = (".edf", ".bdf", ".rec")

_SCORING: Final = re.compile(r"[-_ ](hypnogram|sleepscoring|scoring|events)$", re.IGNORECASE)
_PSG: Final = re.compile(r"[-_ ](psg|eeg)$", re.IGNORECASE)
_SLEEP_EDF: Final = re.compile(r"(S[CT]\d{3})\d[A-Z][A-Z0-9]")
_NIGHT_SUFFIX: Final = re.compile(r"[-_ ](n|night|ses|session)[-_]?\d+([-_ ].*)?$", re.IGNORECASE)
_BIDS: Final = re.compile(r"(sub-[A-Za-z0-9]+)_")

_ENDINGS: Final = (
    *("-hypnogram.edf", "_hypnogram.edf", "_sleepscoring.edf", "_scoring.edf"),
    *("_hypnogram.tsv", "_hypnogram.csv", "-hypnogram.csv", "-hypnogram.tsv", "_events.tsv", "_scoring.csv"),
    *("-nsrr.xml", "-profusion.xml", ".csv", ".tsv"),
)
"""What follows the base name in a scoring file, best first, in lower case."""


def find_nights(folder: Path) -> list[Night]:
    """Find all recordings below a folder, each with its scoring if there is one.

    Raises
    ------
    EmptyCohortError
        When the folder is missing or holds no recording.
    """
    files = list_files(folder)
    recordings = [path for path in files if is_recording(path)]
    names = _name_nights(recordings, folder)
    nights = [
        Night("edf_folder", subject_of(path), night, path, _find_scorings(path, files))
        for path, night in zip(recordings, names, strict=True)
    ]
    return require_nights(nights, folder, f"files ending in {', '.join(RECORDING_ENDINGS)}", len(files))


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
    if match := _BIDS.match(path.name):
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


def _find_scorings(recording: Path, files: list[Path]) -> tuple[Scoring, ...]:
    beside = [path for path in files if path.parent == recording.parent and path != recording]
    found = next(_iter_scorings(recording, beside), None)
    if found:
        return (Scoring(found),)
    return (Scoring(recording, read=read_own_annotations),) if holds_annotations(recording) else ()


def _iter_scorings(recording: Path, beside: list[Path]) -> Iterator[Path]:
    names = {path.name.lower(): path for path in beside}
    for stem in (_base(recording), recording.stem):
        yield from (names[name] for ending in _ENDINGS if (name := stem.lower() + ending) in names)
    if _SLEEP_EDF.match(recording.name):
        rest = _base(recording)[8:]
        pattern = re.compile(re.escape(recording.name[:7]) + "." + re.escape(rest) + r"-Hypnogram\.edf", re.IGNORECASE)
        yield from (path for path in beside if pattern.fullmatch(path.name))

"""Scorings of the National Sleep Research Resource: its own XML and that of Compumedics Profusion.

Own XML (`PSGAnnotation`): one `ScoredEvent` per run of equal stages with `EventType` 'Stages|Stages', an
`EventConcept` such as 'Stage 2 sleep|2', `Start` and `Duration` in seconds; older files write concepts such as
'SRO:Stage2Sleep' and no type. Source: nsrr/edf-editor-translator, CompumedicsTranslatorFactory.java and
nsrr-psg-events-compumedics-mapping.csv.

Profusion (`CMPStudyConfig`): `EpochLength` and one `SleepStage` code per epoch from the start of the signal.

Codes, from the same mapping: 0 wake, 1 to 4 stages of Rechtschaffen and Kales, 5 REM, 6 movement,
9 unscored, 10 artefact; the last three leave an epoch UNSCORED.
"""

import re
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from somnolens.aasm import EPOCH_S, UNSCORED
from somnolens.errors import UnreadableHypnogramError
from somnolens.read.code_lists import refuse_codes
from somnolens.read.runs import Run

CODES: Final = {0: "W", 1: "N1", 2: "N2", 3: "N3", 4: "N3", 5: "R", 6: UNSCORED, 9: UNSCORED, 10: UNSCORED}
NAMES: Final = {6: "movement", 9: "unscored", 10: "artefact"}

_OLD_CONCEPTS: Final = {
    **{f"SRO:Stage{number}Sleep": number for number in range(1, 5)},
    **{"SRO:Wake": 0, "SRO:RapidEyeMovement": 5},
}


def is_xml(first: bytes) -> bool:
    """Whether the first bytes of a file are those of XML.

    Examples
    --------
    >>> is_xml(b"\\xef\\xbb\\xbf<?xml version='1.0'?>"), is_xml(b"onset,stage")
    (True, False)
    """
    return first.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def read_xml(path: Path) -> list[Run]:
    """Read the stages as runs; events of other kinds are passed over.

    Raises
    ------
    UnreadableHypnogramError
        XML of another kind, damaged, of another epoch length, without stages, or with unknown codes.
    """
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except (ElementTree.ParseError, ValueError, LookupError):
        raise UnreadableHypnogramError(f"{path.name} is damaged XML: it cannot be parsed. Copy it again.") from None
    readers = {"PSGAnnotation": _read_nsrr, "CMPStudyConfig": _read_profusion}
    if root.tag not in readers:
        raise UnreadableHypnogramError(
            f"{path.name} is XML of another kind. Looked for {' or '.join(readers)} at its root. "
            "Export the scoring as EDF+, CSV or TSV."
        )
    _check_epoch_length(root, path.name)
    runs = readers[root.tag](root, path.name)
    if not runs:
        raise UnreadableHypnogramError(f"{path.name} holds no sleep stage. Name the file with the staging.")
    return runs


def _check_epoch_length(root: ElementTree.Element, name: str) -> None:
    text = root.findtext("EpochLength")
    if text is not None and _number(text, "EpochLength", name) != EPOCH_S:
        raise UnreadableHypnogramError(
            f"{name} is scored in epochs of {text.strip()[:24]} s; the manual's are {EPOCH_S} s. "
            f"Export the scoring in {EPOCH_S}-s epochs."
        )


def _read_profusion(root: ElementTree.Element, name: str) -> list[Run]:
    texts = [(stage.text or "").strip() for stage in root.iterfind("SleepStages/SleepStage")]
    codes = [_number(text, "SleepStage", name) for text in texts]
    return [_make_run(float(EPOCH_S) * epoch, float(EPOCH_S), code, name) for epoch, code in enumerate(codes)]


def _read_nsrr(root: ElementTree.Element, name: str) -> list[Run]:
    runs = []
    for event in root.iterfind("ScoredEvents/ScoredEvent"):
        code = _find_code(event, name)
        if code is not None:
            onset_s, duration_s = (_number(event.findtext(tag), tag, name) for tag in ("Start", "Duration"))
            runs.append(_make_run(onset_s, duration_s, code, name))
    return runs


def _find_code(event: ElementTree.Element, name: str) -> float | None:
    concept = (event.findtext("EventConcept") or "").strip()
    if concept in _OLD_CONCEPTS:
        return _OLD_CONCEPTS[concept]
    is_stage = re.match(r"Stages?\b", (event.findtext("EventType") or "").strip())
    return _number(concept.rpartition("|")[2], "EventConcept", name) if is_stage else None


def _make_run(onset_s: float, duration_s: float, code: float, name: str) -> Run:
    refuse_codes([code], CODES, name)
    return Run(onset_s, duration_s, CODES[int(code)], NAMES.get(int(code), ""))


def _number(text: str | None, tag: str, name: str) -> float:
    try:
        return float((text or "").strip())
    except ValueError:
        raise UnreadableHypnogramError(
            f"{name} has {(text or '').strip()[:24]!r} in {tag}, which must be a number. Export the scoring again."
        ) from None

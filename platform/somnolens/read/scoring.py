"""Scoring files to `Hypnogram`: EDF+ annotations, XML of the NSRR, JSON and tables, told apart by their content."""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from somnolens.aasm import EPOCH_S
from somnolens.errors import UnreadableHypnogramError, UnreadableRecordingError
from somnolens.hypnogram import Hypnogram
from somnolens.read.edf_annotations import Annotation, read_annotations
from somnolens.read.edf_header import EdfHeader, is_edf, read_edf_header
from somnolens.read.hypnogram_table import read_table, refuse_unknown
from somnolens.read.json_scoring import is_json, read_json
from somnolens.read.runs import Run, cut_runs, find_usual_duration, measure_step
from somnolens.read.stage_texts import KNOWN_TEXTS, parse_stage, states_stage
from somnolens.read.xml_scoring import is_xml, read_xml
from somnolens.recording import Recording

MAX_CLOCK_SHIFT_S: Final = 12 * 3600
"""Start times of signal and scoring that lie further apart are taken for changed dates, not for a shift."""

NO_CLOCK: Final = datetime(1985, 1, 1)
"""What exporters write for a date and time they do not know or do not tell."""


RK_EPOCH_S: Final = 20
"""The other length of an epoch that Rechtschaffen and Kales allow."""


def read_hypnogram(path: Path, recording_start: datetime | None = None) -> Hypnogram:
    """Read one stage per 30-s epoch from a scoring file.

    Parameters
    ----------
    path : Path
        EDF+ with annotations, XML of the NSRR or of Profusion, JSON of somnolens, or CSV, TSV or BIDS events with a
        header line.
    recording_start : datetime, optional
        `Recording.start`. An EDF+ scoring file whose own start differs is shifted by the difference.

    Returns
    -------
    Hypnogram
        May be longer than the signal: see `somnolens.prepare.night.align`.

    Raises
    ------
    UnreadableHypnogramError
        Naming the unknown texts and what is known, or what else is wrong.
    """
    if not path.is_file():
        raise UnreadableHypnogramError(f"There is no scoring file {path.name}. Check the path.")
    with path.open("rb") as stream:
        first = stream.read(256)
    if not first:
        raise UnreadableHypnogramError(f"{path.name} is empty (0 bytes). Copy or export it again.")
    if is_edf(first):
        return read_annotated(path, recording_start)
    if is_json(first):
        return read_json(path)
    if is_xml(first):
        runs = read_xml(path)
    elif b"\0" in first and first[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        raise UnreadableHypnogramError(
            f"{path.name} is neither EDF+, XML nor a table. Export the scoring as EDF+, CSV or TSV."
        )
    else:
        runs = read_table(path)
    stages, start_s, notes = cut_runs(runs, path.name)
    return Hypnogram(stages, _name_scorer(path), start_s, notes=notes)


def read_annotated(path: Path, recording_start: datetime | None = None, any_step: bool = False) -> Hypnogram:
    """Read one stage per epoch from the annotations of an EDF+ file.

    Parameters
    ----------
    path : Path
    recording_start : datetime, optional
        As in `read_hypnogram`.
    any_step : bool
        Take epochs of 20 s as well, and a clock that is not quite right; what the file says becomes
        `Hypnogram.step_s`. Otherwise epochs must follow each other every 30 s.

    Raises
    ------
    UnreadableHypnogramError
    """
    header = _read_header(path)
    runs = _read_annotated_runs(path, header)
    if not runs:
        # Other texts are not repeated: people write names into them.
        raise UnreadableHypnogramError(
            f"{path.name} has {len(read_annotations(path, header))} annotation(s), of which none is a sleep stage. "
            f"Looked for 'Sleep stage W' and so on; known are {KNOWN_TEXTS}. Name the file with the staging."
        )
    step_s = _find_step(runs) if any_step else float(EPOCH_S)
    stages, start_s, notes = cut_runs(runs, path.name, step_s)
    shift_s, shift_notes = _compare_clocks(header.start, recording_start)
    notes = (*notes, *shift_notes, *_tell_step(step_s))
    return Hypnogram(stages, _name_scorer(path), start_s + shift_s, notes=notes, step_s=step_s)


def _find_step(runs: list[Run]) -> float:
    is_short = round(find_usual_duration(runs)) == RK_EPOCH_S
    return measure_step(runs, float(RK_EPOCH_S if is_short else EPOCH_S))


def _tell_step(step_s: float) -> tuple[str, ...]:
    if step_s in (RK_EPOCH_S, EPOCH_S):
        return ()
    return (f"The epochs follow each other every {step_s:.4f} s by their onsets, and were cut so.",)


def read_own_annotations(path: Path, recording: Recording) -> Hypnogram | None:
    """Read the stages that a recording holds itself, as EDF+ annotations; None if it holds none.

    Raises
    ------
    UnreadableHypnogramError
        When there are stages, and some cannot be understood.
    """
    runs = _read_annotated_runs(path, _read_header(path))
    if not runs:
        return None
    stages, start_s, notes = cut_runs(runs, path.name)
    return Hypnogram(stages, _name_scorer(path), start_s, notes=("The scoring is in the recording itself.", *notes))


def holds_annotations(path: Path) -> bool:
    """Whether a recording has a place for EDF+ annotations; False for whatever is not EDF."""
    try:
        return any(signal.is_annotations for signal in read_edf_header(path).signals)
    except UnreadableRecordingError:
        return False


def _read_header(path: Path) -> EdfHeader:
    try:
        header = read_edf_header(path)
    except UnreadableRecordingError as error:
        raise UnreadableHypnogramError(str(error)) from None
    n_bytes = path.stat().st_size - header.n_header_bytes
    if n_bytes < max(1, header.n_records) * header.n_record_bytes:
        raise UnreadableHypnogramError(f"{path.name} is cut short: its annotations are not all there. Copy it again.")
    if not any(signal.is_annotations for signal in header.signals):
        raise UnreadableHypnogramError(
            f"{path.name} is an EDF file without annotations, so it holds no scoring. Name the scoring file."
        )
    return header


def _read_annotated_runs(path: Path, header: EdfHeader) -> list[Run]:
    """Annotations that say they are stages; if none does, those that are nothing but a stage's name."""
    annotations = read_annotations(path, header)
    stated = [annotation for annotation in annotations if states_stage(annotation.text)]
    staged = stated or [annotation for annotation in annotations if parse_stage(annotation.text)]
    return _parse_runs(staged, path.name)


def _parse_runs(annotations: Sequence[Annotation], name: str) -> list[Run]:
    runs = [
        Run(annotation.onset_s, annotation.duration_s, stage, annotation.text)
        for annotation in annotations
        if (stage := parse_stage(annotation.text)) is not None
    ]
    refuse_unknown([annotation.text for annotation in annotations if parse_stage(annotation.text) is None], name)
    return runs


def _compare_clocks(own: datetime | None, recording: datetime | None) -> tuple[float, tuple[str, ...]]:
    if own in (None, NO_CLOCK) or recording in (None, NO_CLOCK):
        return 0.0, ()
    shift_s = (own - recording).total_seconds()
    if abs(shift_s) < 1:  # fractions of a second are in the annotations' own onsets
        return 0.0, ()
    if abs(shift_s) > MAX_CLOCK_SHIFT_S:
        return 0.0, ("Signal and scoring state different dates; both were taken to begin together.",)
    return shift_s, (f"The scoring file begins {shift_s:g} s after the signal by its clock and was shifted.",)


def _name_scorer(path: Path) -> str:
    """Sleep-EDF tells the scorer by the 8th character of the file name: SC4001EC is scorer C."""
    match = re.match(r"S[CT]\d{4}[A-Z]([A-Z])[-_]", path.name)
    return f"scorer {match[1]}" if match else "unknown"

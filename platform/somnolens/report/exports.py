"""A scored night as files that other programs read: EDF+ annotations, CSV, JSON, BIDS.

EDF+ has the date and time of the recording, without which a viewer would not lay the stages over the signals; all else
that EDF+ can say of a person is left empty. The other files count seconds from the start of the recording and have no
date.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from somnolens import storage
from somnolens.aasm import EPOCH_S, STAGES, UNSCORED
from somnolens.epochs import GOOD, QUALITY, Epochs
from somnolens.hypnogram import Hypnogram
from somnolens.score.review import Review
from somnolens.simulate.writing import cut_runs, write_hypnogram

PROBABILITY_DIGITS = 5

STAGE_WORDS = {
    "W": "Wakefulness",
    "N1": "NREM sleep, stage N1",
    "N2": "NREM sleep, stage N2",
    "N3": "NREM sleep, stage N3",
    "R": "REM sleep",
}
"""What the sidecars of BIDS say of each stage, by the AASM manual."""


def describe_quality(epochs: Epochs) -> tuple[str, ...]:
    """One text per epoch: 'good', or what is wrong with which derivation.

    Examples
    --------
    >>> quality = np.array([[0, 0], [0, 2]], dtype=np.uint8)
    >>> names = ("C4-M1", "chin EMG")
    >>> describe_quality(Epochs("night", np.zeros((2, 2, 3000)), names, 100.0, quality, names))
    ('good', 'chin EMG flat')
    """
    return tuple(_describe_epoch(codes, epochs.derivations) for codes in epochs.quality)


def write_csv(hypnogram: Hypnogram, path: Path, quality: Sequence[str] | None = None) -> None:
    """Write one line per epoch: epoch, onset_s, stage, p_W, p_N1, p_N2, p_N3, p_R[, quality].

    Epochs count from 0. `onset_s` is the time since the start of the recording. The
    probability fields are empty where the scorer gave none.
    """
    header = ["epoch", "onset_s", "stage", *(f"p_{stage}" for stage in STAGES)] + ["quality"] * (quality is not None)
    rows = [
        [epoch, _plain(onset_s), stage, *_format_probabilities(hypnogram, epoch)]
        + ([quality[epoch]] if quality is not None else [])
        for epoch, (onset_s, stage) in enumerate(_onsets(hypnogram))
    ]
    _write_table(path, [header, *rows], delimiter=",")


def write_bids(hypnogram: Hypnogram, path: Path) -> None:
    """Write an events file in the manner of BIDS: onset, duration, stage; `n/a` where unscored.

    Call it `sub-<subject>_task-sleep_hypnogram.tsv`.
    """
    rows = [[_plain(onset_s), EPOCH_S, "n/a" if stage == UNSCORED else stage] for onset_s, stage in _onsets(hypnogram)]
    _write_table(path, [["onset", "duration", "stage"], *rows], delimiter="\t")


def write_annotations(hypnogram: Hypnogram, path: Path, recording_start: datetime | None = None) -> None:
    """Write EDF+C with one annotation an epoch, 'Sleep stage W' and so on, at the recording's date and time.

    EDFbrowser imports it over the recording; `somnolens.read.scoring.read_hypnogram` reads it back.
    """
    write_hypnogram(hypnogram, path, recording_start, each_epoch=True)


def name_bids(night: str) -> str:
    """How the files of a night begin in BIDS; a name that is of BIDS already keeps its entities.

    Examples
    --------
    >>> name_bids("night 7-PSG"), name_bids("sub-07_ses-1_task-sleep_eeg")
    ('sub-night7PSG_task-sleep', 'sub-07_ses-1_task-sleep')
    """
    if re.fullmatch(r"sub-[0-9a-zA-Z]+(_[a-z]+-[0-9a-zA-Z]+)*_[a-z]+", night):
        return night.rpartition("_")[0]
    return f"sub-{re.sub(r'[^0-9a-zA-Z]', '', night) or 'night'}_task-sleep"


def write_bids_files(hypnogram: Hypnogram, folder: Path, night: str, made_by: Mapping[str, Any]) -> None:
    """Write `_events.tsv`, and `_hypnogram.tsv` as proposed for BIDS, each with its sidecar.

    Events are runs of equal stages in the texts of EDF+; the hypnogram has a line an epoch.
    """
    name, source = name_bids(night), _describe_source(made_by)
    write_bids(hypnogram, folder / f"{name}_hypnogram.tsv")
    levels = STAGE_WORDS | {"n/a": "No stage was given"}
    sidecar = _describe_times() | {"stage": _describe_column("Sleep stage", levels)} | source
    storage.write_json(folder / f"{name}_hypnogram.json", sidecar | {"EpochDuration": EPOCH_S})
    runs = [[_plain(onset_s), _plain(duration_s), text] for onset_s, duration_s, text in cut_runs(hypnogram)]
    _write_table(folder / f"{name}_events.tsv", [["onset", "duration", "trial_type"], *runs], delimiter="\t")
    texts = {f"Sleep stage {stage}": words for stage, words in STAGE_WORDS.items()}
    texts["Sleep stage ?"] = "No stage was given"
    sidecar = _describe_times() | {"trial_type": _describe_column("Run of a sleep stage", texts)} | source
    storage.write_json(folder / f"{name}_events.json", sidecar)


def _describe_source(made_by: Mapping[str, Any]) -> dict[str, Any]:
    code = made_by.get("code", {})
    return {
        "GeneratedBy": [
            {"Name": "somnolens", "Version": f"{code.get('version', '')} {code.get('revision', '')}".strip()}
        ]
    }


def _describe_times() -> dict[str, Any]:
    return {
        "onset": {"Description": "Since the first sample of the recording", "Units": "s"},
        "duration": {"Description": "How long it lasts", "Units": "s"},
    }


def _describe_column(what: str, levels: Mapping[str, str]) -> dict[str, Any]:
    url = "https://aasm.org/clinical-resources/scoring-manual/"
    return {"LongName": what, "Description": f"{what}, by the AASM manual", "TermURL": url, "Levels": dict(levels)}


def write_reviews(reviews: Sequence[Review], hypnogram: Hypnogram, path: Path) -> None:
    """Write the epochs that a person should look at, the most urgent first: epoch, onset_s, stage, priority, reason."""
    rows = [
        [one.epoch, _plain(_onset(hypnogram, one.epoch)), hypnogram.stages[one.epoch], one.priority, one.reason]
        for one in reviews
    ]
    _write_table(path, [["epoch", "onset_s", "stage", "priority", "reason"], *rows], delimiter=",")


def describe_hypnogram(
    hypnogram: Hypnogram, quality: Sequence[str] | None = None, made_by: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A hypnogram in plain values, as `write_json` and the service give it.

    `made_by` takes what a reader must know to make it again: code revision, adapter, render hash.
    """
    probabilities = hypnogram.probabilities
    document = {
        "scorer": hypnogram.scorer,
        "start_s": hypnogram.start_s,
        "epoch_s": EPOCH_S,
        "stages": list(hypnogram.stages),
        "probability_order": list(STAGES),
        "probabilities": None if probabilities is None else np.round(probabilities, PROBABILITY_DIGITS).tolist(),
        "quality": None if quality is None else list(quality),
        "notes": list(hypnogram.notes),
    }
    return document | ({"made_by": dict(made_by)} if made_by is not None else {})


def write_json(
    hypnogram: Hypnogram, path: Path, quality: Sequence[str] | None = None, made_by: Mapping[str, Any] | None = None
) -> None:
    """Write the whole result; `read.json_scoring` reads it back."""
    storage.write_json(path, describe_hypnogram(hypnogram, quality, made_by))


def _describe_epoch(codes: np.ndarray, derivations: tuple[str, ...]) -> str:
    faults = [f"{name} {QUALITY[code]}" for name, code in zip(derivations, codes, strict=True) if code != GOOD]
    return "; ".join(faults) or QUALITY[GOOD]


def _onsets(hypnogram: Hypnogram) -> list[tuple[float, str]]:
    return [(_onset(hypnogram, epoch), stage) for epoch, stage in enumerate(hypnogram.stages)]


def _onset(hypnogram: Hypnogram, epoch: int) -> float:
    return hypnogram.start_s + epoch * hypnogram.step_s


def _format_probabilities(hypnogram: Hypnogram, epoch: int) -> list[str]:
    if hypnogram.probabilities is None:
        return [""] * len(STAGES)
    return [f"{probability:.{PROBABILITY_DIGITS}f}" for probability in hypnogram.probabilities[epoch]]


def _plain(seconds: float) -> str:
    return str(int(seconds)) if seconds == int(seconds) else repr(seconds)


def _write_table(path: Path, rows: Sequence[Sequence[Any]], delimiter: str) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows(rows)
    storage.write_bytes(path, stream.getvalue().encode())

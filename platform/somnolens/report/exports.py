"""A scored night as files that other programs read: CSV, JSON, BIDS-like TSV."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from somnolens import storage
from somnolens.aasm import EPOCH_S, STAGES, UNSCORED
from somnolens.epochs import GOOD, QUALITY, Epochs
from somnolens.errors import UnreadableHypnogramError
from somnolens.hypnogram import Hypnogram

PROBABILITY_DIGITS = 5


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
    """Write the whole result; `read_json` reads it back."""
    storage.write_json(path, describe_hypnogram(hypnogram, quality, made_by))


def read_json(path: Path) -> Hypnogram:
    """Read what `write_json` wrote.

    Raises
    ------
    UnreadableHypnogramError
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        stages, probabilities = tuple(content["stages"]), content["probabilities"]
        unknown = sorted(set(stages) - {*STAGES, UNSCORED})
        scorer, start_s, notes = content["scorer"], float(content["start_s"]), tuple(content["notes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableHypnogramError(
            f"{path.name} is not a hypnogram in JSON ({type(error).__name__}: {error}). "
            "Looked for the keys that somnolens writes: scorer, start_s, stages, probabilities, notes."
        ) from None
    if unknown:
        raise UnreadableHypnogramError(f"{path.name} has the stages {unknown}; looked for {', '.join(STAGES)}.")
    array = None if probabilities is None else np.array(probabilities, dtype=np.float64)
    return Hypnogram(stages, scorer=scorer, start_s=start_s, probabilities=array, notes=notes)


def _describe_epoch(codes: np.ndarray, derivations: tuple[str, ...]) -> str:
    faults = [f"{name} {QUALITY[code]}" for name, code in zip(derivations, codes, strict=True) if code != GOOD]
    return "; ".join(faults) or QUALITY[GOOD]


def _onsets(hypnogram: Hypnogram) -> list[tuple[float, str]]:
    return [(hypnogram.start_s + epoch * EPOCH_S, stage) for epoch, stage in enumerate(hypnogram.stages)]


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

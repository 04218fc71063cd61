"""Hypnograms in the JSON that somnolens writes, corrected by hand or not."""

import json
from pathlib import Path

import numpy as np

from somnolens.aasm import STAGES, UNSCORED
from somnolens.errors import UnreadableHypnogramError
from somnolens.hypnogram import Hypnogram


def is_json(first: bytes) -> bool:
    """Whether a file that begins so holds a JSON object.

    Examples
    --------
    >>> is_json(b' {"scorer": '), is_json(b"epoch,stage")
    (True, False)
    """
    return first.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def read_json(path: Path) -> Hypnogram:
    """Read what `report.exports.write_json` and the service write.

    Raises
    ------
    UnreadableHypnogramError
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
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

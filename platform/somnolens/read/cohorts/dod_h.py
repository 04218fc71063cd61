"""DOD-H, the Dreem Open Dataset of 25 healthy volunteers, each night scored by five experts.

Source: dreem-dod-h.s3.eu-west-3.amazonaws.com (signals), Dreem-Organization/dreem-learning-evaluation (scorings,
MIT); A. Guillot et al., IEEE Trans. Neural Syst. Rehabil. Eng. 28(9), 1955-1965, 2020.
Scoring: AASM, epochs of 30 s, one JSON list per scorer: -1 unscored, 0 W, 1 N1, 2 N2, 3 N3, 4 REM. Stages are the
consensus, probabilities the soft labels of `read.scorers`. Without the JSON files the consensus that the
recording holds is read.
Derivations: `F4_M1`, `C3_M2`, `EOG1`, `EOG2`, `EMG` (the chin) at 250 Hz; O2-M1 is `F4_M1 - F4_O2`.

Layout: recordings `<id>.h5` anywhere below the folder, or `<id>.edf` as the owner's own script converts them;
scorings `scorer_1/<id>.json` to `scorer_5/<id>.json`. Where a folder holds both datasets, those under a folder
named dodh are taken. A recording is one person's only night.

Unconfirmed on a real recording: the whole layout of the HDF5 file, see `read.hdf5`, and that scoring and signal
begin together.
"""

import re
from pathlib import Path
from typing import Final

from somnolens.aasm import UNSCORED
from somnolens.hypnogram import Hypnogram
from somnolens.read.code_lists import read_code_json
from somnolens.read.folders import list_files, require_nights
from somnolens.read.labels import Lead
from somnolens.read.night import Night, Scoring
from somnolens.recording import Recording

STAGES: Final = {-1: UNSCORED, 0: "W", 1: "N1", 2: "N2", 3: "N3", 4: "R"}
LEADS: Final = {"EMG": Lead("CHIN"), "EOG1": Lead("E1"), "EOG2": Lead("E2")}

_SCORER: Final = re.compile(r"scorer[-_ ]?(\d+)", re.IGNORECASE)
_DATASET: Final = re.compile(r"dod[-_ ]?([ho])$", re.IGNORECASE)


def find_nights(folder: Path) -> list[Night]:
    """Find the nights below a folder.

    Raises
    ------
    EmptyCohortError
    """
    return find_dod_nights(folder, "dod_h", "h")


def find_dod_nights(folder: Path, cohort: str, dataset: str) -> list[Night]:
    """Find the nights of dataset 'h' or 'o'; what lies under a folder named after the other is left out.

    Raises
    ------
    EmptyCohortError
    """
    files = [path for path in list_files(folder) if _name_dataset(path.relative_to(folder)) in (None, dataset)]
    recordings = [path for path in files if path.suffix.lower() in (".h5", ".edf")]
    nights = [Night(cohort, path.stem, path.stem, path, _find_scorings(path, files), LEADS) for path in recordings]
    return require_nights(nights, folder, "recordings ending in .h5 or .edf", len(files))


def _name_dataset(path: Path) -> str | None:
    return next((match[1].lower() for part in path.parent.parts if (match := _DATASET.search(part))), None)


def _find_scorings(recording: Path, files: list[Path]) -> tuple[Scoring, ...]:
    beside = [path for path in files if path.name == f"{recording.stem}.json"]
    scorers = [(int(match[1]), path) for path in beside if (match := _SCORER.fullmatch(path.parent.name))]
    found = tuple(Scoring(path, f"scorer {number}", read_json) for number, path in sorted(scorers))
    if found or recording.suffix.lower() != ".h5":
        return found
    return (Scoring(recording, "consensus of the owner", read_own_hypnogram),)


def read_json(path: Path, recording: Recording) -> Hypnogram:
    """Read one scorer's JSON.

    Raises
    ------
    UnreadableHypnogramError
    """
    return Hypnogram(read_code_json(path, STAGES))


def read_own_hypnogram(path: Path, recording: Recording) -> Hypnogram | None:
    """Read the consensus that a recording holds; None if it holds none.

    Raises
    ------
    UnreadableRecordingError
    UnreadableHypnogramError
    """
    from somnolens.read.hdf5 import read_hypnogram_codes  # h5py only where a file needs it

    codes = read_hypnogram_codes(path, STAGES)
    return None if codes is None else Hypnogram(tuple(STAGES[code] for code in codes))

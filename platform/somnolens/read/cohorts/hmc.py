"""HMC, the sleep staging database of the Haaglanden Medisch Centrum, The Hague.

Source: physionet.org/content/hmc-sleep-staging, CC BY 4.0; D. Alvarez-Estevez and R. M. Rijsman, PLoS ONE 16(8),
e0256111, 2021.
Scoring: AASM, epochs of 30 s, one scorer, as EDF+ annotations 'Sleep stage N2' among others ('Lights off@@...').
Derivations: the recommended ones, `EEG F4-M1`, `EEG C4-M1`, `EEG O2-M1`, `EOG E1-M2`, `EOG E2-M2`, `EMG chin`, at
256 Hz.

Layout: `SN001.edf` with `SN001_sleepscoring.edf`, or with the table `SN001_sleepscoring.txt`.
"""

import re
from pathlib import Path
from typing import Final

from somnolens.read.folders import index_names, list_files, require_nights
from somnolens.read.night import Night, Scoring

_RECORDING: Final = re.compile(r"(SN\d{3})\.edf", re.IGNORECASE)


def find_nights(folder: Path) -> list[Night]:
    """Find the nights below a folder.

    Raises
    ------
    EmptyCohortError
    """
    files = list_files(folder)
    names = index_names(files)
    found = [(path, match[1].upper()) for path in files if (match := _RECORDING.fullmatch(path.name))]
    nights = [Night("hmc", subject, subject, path, _find_scoring(subject, names)) for path, subject in found]
    return require_nights(nights, folder, "SN001.edf and the like", len(files))


def _find_scoring(subject: str, names: dict[str, Path]) -> tuple[Scoring, ...]:
    kinds = (names.get(f"{subject.lower()}_sleepscoring.{ending}") for ending in ("edf", "txt"))
    return tuple(Scoring(path, "expert") for path in kinds if path)[:1]

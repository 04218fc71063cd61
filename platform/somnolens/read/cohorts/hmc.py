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

from somnolens.read.folders import match_recordings
from somnolens.read.night import Night, Scoring

_RECORDING: Final = re.compile(r"(SN\d{3})\.edf", re.IGNORECASE)


def find_nights(folder: Path) -> list[Night]:
    """Find the nights below a folder.

    Raises
    ------
    EmptyCohortError
    """
    found, names = match_recordings(folder, _RECORDING, "SN001.edf and the like")
    subjects = [(path, match[1].upper()) for path, match in found]
    return [Night("hmc", subject, subject, path, _find_scoring(subject, names)) for path, subject in subjects]


def _find_scoring(subject: str, names: dict[str, Path]) -> tuple[Scoring, ...]:
    kinds = (names.get(f"{subject.lower()}_sleepscoring.{ending}") for ending in ("edf", "txt"))
    return tuple(Scoring(path, "expert") for path in kinds if path)[:1]

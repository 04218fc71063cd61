"""Sleep-EDF Expanded: the cassette (SC) and the telemetry (ST) study.

Source: physionet.org/content/sleep-edfx, ODC-BY 1.0; B. Kemp et al., IEEE Trans. Biomed. Eng. 47(9), 1185-1194,
2000; A. L. Goldberger et al., Circulation 101(23), e215-e220, 2000.
Scoring: Rechtschaffen and Kales in runs of 30-s epochs, one scorer, whose letter is the 8th of the file name;
'Movement time' and '?' are UNSCORED. The scoring of SC always ends at 24 h, later than the signal.
Derivations: `EEG Fpz-Cz` for the frontal one, `EEG Pz-Oz` for the occipital one and `EOG horizontal`, one signal
for both eyes, at 100 Hz. The chin of SC is an envelope at 1 Hz, which is no waveform and is not drawn; that of ST
is recorded at 100 Hz.

Layout: `SC4ssNE0-PSG.edf` with `SC4ssNEC-Hypnogram.edf`, ss being the subject and N the night; ST7 alike.
"""

import re
from pathlib import Path
from typing import Final

from somnolens.read.folders import list_files, require_nights
from somnolens.read.night import Night, Scoring

_RECORDING: Final = re.compile(r"((S[CT]\d{3})\d[A-Z])[A-Z0-9]-PSG\.edf", re.IGNORECASE)
_SCORING: Final = re.compile(r"(S[CT]\d{4}[A-Z])([A-Z])-Hypnogram\.edf", re.IGNORECASE)


def find_nights(folder: Path) -> list[Night]:
    """Find the nights below a folder, of one study or both.

    Raises
    ------
    EmptyCohortError
    """
    files = list_files(folder)
    scorings = {match[1].upper(): path for path in files if (match := _SCORING.fullmatch(path.name))}
    found = [(path, match) for path in files if (match := _RECORDING.fullmatch(path.name))]
    nights = [
        Night("sleep_edf", match[2].upper(), match[1].upper()[:6], path, _list_scorings(scorings.get(match[1].upper())))
        for path, match in found
    ]
    return require_nights(nights, folder, "SC4001E0-PSG.edf and the like", len(files))


def _list_scorings(path: Path | None) -> tuple[Scoring, ...]:
    return (Scoring(path),) if path else ()

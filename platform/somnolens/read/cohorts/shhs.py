"""SHHS, the Sleep Heart Health Study, visits 1 and 2.

Source: sleepdata.org/datasets/shhs, by agreement with the National Sleep Research Resource; G.-Q. Zhang et al.,
J. Am. Med. Inform. Assoc. 25(10), 1351-1358, 2018; S. F. Quan et al., Sleep 20(12), 1077-1085, 1997. Not
redistributable.
Scoring: Rechtschaffen and Kales, epochs of 30 s, one scorer; 3 and 4 are N3; movement, unscored and artefact are
UNSCORED. The NSRR's XML is read, Profusion's where it is missing: both are exports of one scoring.
Derivations: `EEG` is C4-A1 and `EEG(sec)` (spelt in many ways) C3-A2, 125 or 128 Hz; `EOG(L)`, `EOG(R)` at 50 or
64 Hz; `EMG` is the chin. There is no frontal and no occipital derivation. Source: nsrr/shhs-documentation,
pages 10 and 11; some published loaders have C3 and C4 the other way round.

Layout: `edfs/shhs1/shhs1-200001.edf`, `annotations-events-nsrr/shhs1/shhs1-200001-nsrr.xml`,
`annotations-events-profusion/shhs1/shhs1-200001-profusion.xml`, or all in one folder. A person has the same
number in both visits, so both are one subject.
"""

import re
from pathlib import Path
from typing import Final

from somnolens.read.folders import match_recordings
from somnolens.read.labels import Lead
from somnolens.read.night import Night, Scoring

_RECORDING: Final = re.compile(r"(shhs[12]-(\d{6}))\.edf", re.IGNORECASE)

LEADS: Final = {
    "EEG": Lead("C4", "M1"),
    **dict.fromkeys(("EEG(sec)", "EEG2"), Lead("C3", "M2")),
    "EMG": Lead("CHIN"),
}


def find_nights(folder: Path) -> list[Night]:
    """Find the nights below a folder.

    Raises
    ------
    EmptyCohortError
    """
    found, names = match_recordings(folder, _RECORDING, "shhs1-200001.edf and the like")
    nights = [(path, match[1].lower(), match[2]) for path, match in found]
    return [Night("shhs", subject, night, path, _find_scoring(night, names), LEADS) for path, night, subject in nights]


def _find_scoring(night: str, names: dict[str, Path]) -> tuple[Scoring, ...]:
    kinds = (names.get(f"{night}-{kind}.xml") for kind in ("nsrr", "profusion"))
    return tuple(Scoring(path, "expert") for path in kinds if path)[:1]

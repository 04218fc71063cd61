"""MASS, the Montreal Archive of Sleep Studies, subsets SS1 to SS5.

Source: borealisdata.ca, by agreement with the archive (massdb.herokuapp.com); C. O'Reilly et al., "Montreal
Archive of Sleep Studies: an open-access resource for instrument benchmarking and exploratory research",
J. Sleep Res. 23(6), 628-635, 2014. Not redistributable.
Scoring: AASM in epochs of 30 s (SS1, SS3); Rechtschaffen and Kales in epochs of 20 s (SS2, SS4, SS5), which are
widened by 5 s on each side, see `widen_epochs`. The AASM subsets too write `Sleep stage 2`, not N2.
Derivations: EEG against a linked-ear reference, `EEG C4-CLE` or `EEG C4-LER` by subject, with one ear recorded
against it in many files (`EEG A2-CLE`), so that C3-M2 is `EEG C3-CLE - EEG A2-CLE`; `EOG Left Horiz`,
`EOG Right Horiz`; the chin as the difference of `EMG Chin1` and `EMG Chin2`, or one `EMG Chin`; 256 Hz.

Layout: `01-03-0001 PSG.edf` and `01-03-0001 Base.edf`, in one folder or in two. The first stage does not begin
with the signal.

Unconfirmed: that CLE is the mean of both ears. Then the other mastoid could be had by turning the recorded one
upside down; it is not done.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from somnolens.aasm import EPOCH_S
from somnolens.hypnogram import Hypnogram
from somnolens.read.folders import match_recordings
from somnolens.read.night import Night, Scoring
from somnolens.read.runs import widen_epochs
from somnolens.read.scoring import RK_EPOCH_S, read_annotated
from somnolens.recording import Recording

_RECORDING: Final = re.compile(r"(\d\d-(0[1-5])-\d{4}) PSG\.edf", re.IGNORECASE)
EPOCH_OF_SUBSET_S: Final = {"01": EPOCH_S, "02": RK_EPOCH_S, "03": EPOCH_S, "04": RK_EPOCH_S, "05": RK_EPOCH_S}


def find_nights(folder: Path) -> list[Night]:
    """Find the nights below a folder, of whatever subsets.

    Raises
    ------
    EmptyCohortError
    """
    found, names = match_recordings(folder, _RECORDING, "'01-03-0001 PSG.edf' and the like")
    return [Night("mass", match[1], match[1], path, _find_scoring(match[1], names)) for path, match in found]


def _find_scoring(subject: str, names: dict[str, Path]) -> tuple[Scoring, ...]:
    base = names.get(f"{subject} base.edf")
    return (Scoring(base, "expert", read_base),) if base else ()


def read_base(path: Path, recording: Recording) -> Hypnogram:
    """Read the stages of a `Base.edf`: epochs of 20 s widened, of 30 s as they are.

    The annotations themselves say how long the epochs are, and how far apart where the recorder's clock was not
    quite right; a note tells where that is not what the subset is known for.

    Raises
    ------
    UnreadableHypnogramError
    """
    hypnogram = read_annotated(path, recording.start, any_step=True)
    subset, lasting_s = path.name[3:5], round(hypnogram.step_s)
    if lasting_s != EPOCH_OF_SUBSET_S.get(subset, lasting_s):
        known = f"those of subset SS{int(subset)} are known to last {EPOCH_OF_SUBSET_S[subset]} s"
        note = f"The epochs last {lasting_s} s; {known}. What the file says was taken."
        hypnogram = replace(hypnogram, notes=(*hypnogram.notes, note))
    return hypnogram if lasting_s == EPOCH_S else widen_epochs(hypnogram, recording.duration_s)

"""DOD-O, the Dreem Open Dataset of 55 patients with obstructive sleep apnoea, scored by five experts.

Source: dreem-dod-o.s3.eu-west-3.amazonaws.com (signals); else as `dod_h`, scoring and layout too.
Derivations: `C4_M1`, `O2_M1`, `EOG1`, `EOG2`, `EMG` (the chin) at 250 Hz; F4-M1 is `F4_O2 + O2_M1`.
"""

from pathlib import Path

from somnolens.read.cohorts.dod_h import find_dod_nights
from somnolens.read.night import Night


def find_nights(folder: Path) -> list[Night]:
    """Find the nights below a folder.

    Raises
    ------
    EmptyCohortError
    """
    return find_dod_nights(folder, "dod_o", "o")

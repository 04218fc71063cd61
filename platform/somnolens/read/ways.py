"""Ways to get each recommended derivation from whatever electrodes a recording has, best first.

The derivation itself, the mirrored back-up and the acceptable alternatives of the AASM manual (III.A) come
first, then whatever lies nearest. Every way says why it is one.
"""

from dataclasses import dataclass
from typing import Final

ANY: Final = "any"


@dataclass(frozen=True)
class Way:
    """One way to get a derivation. `reference` ANY takes what the file has, None only a label without one."""

    active: str
    reference: str | None
    reason: str
    is_recommended: bool = False


_ALTERNATIVE = "the manual's acceptable alternative"


def _list_places(right: str, left: str, *others: Way) -> tuple[Way, ...]:
    """EEG: the place, its mirror image, an alternative of the manual if there is one, then other references."""
    alternatives = tuple(way for way in others if way.reason == _ALTERNATIVE)
    return (
        Way(right, "M1", "as recommended", is_recommended=True),
        Way(left, "M2", "the mirrored derivation, which the manual allows as back-up"),
        *alternatives,
        Way(right, ANY, "the right place against another reference"),
        Way(left, ANY, "the mirrored place against another reference"),
        *(way for way in others if way not in alternatives),
    )


def _list_eye(electrode: str, side: str) -> tuple[Way, ...]:
    return (
        Way(electrode, "M2", "as recommended", is_recommended=True),
        Way(electrode, "FPZ", _ALTERNATIVE),
        Way(electrode, "M1", f"the {side} eye against the other mastoid"),
        Way(electrode, ANY, f"the {side} eye against another reference"),
    )


def _list_chin() -> tuple[Way, ...]:
    pairs = (("CHIN1", "CHIN2"), ("CHINL", "CHINR"), ("CHINL", "CHINC"), ("CHINR", "CHINC"))
    return (
        Way("CHIN", None, "chin EMG by its label", is_recommended=True),
        *(Way(electrode, "CHINZ", "as recommended", is_recommended=True) for electrode in ("CHIN1", "CHIN2")),
        *(Way(*pair, "between two chin electrodes", is_recommended=True) for pair in pairs),
        *(Way(f"CHIN{place}", ANY, "one chin electrode") for place in "12LRC"),
        Way("EMG", None, "the label says EMG and no muscle"),
        Way("EMG1", "EMG2", "between the first two EMG electrodes; the labels name no muscle"),
        Way("EMG1", ANY, "the first EMG; the label names no muscle"),
    )


WAYS: Final[dict[str, tuple[Way, ...]]] = {
    "F4-M1": _list_places(
        *("F4", "F3"),
        Way("FZ", "CZ", _ALTERNATIVE),
        Way("FZ", ANY, "frontal, on the midline"),
        *(Way(place, ANY, "the nearest frontal place the file has") for place in ("FPZ", "FP2", "FP1")),
    ),
    "C4-M1": _list_places(
        *("C4", "C3"),
        Way("CZ", ANY, "central, on the midline"),
        Way("EEG", ANY, "the label says EEG and no place; most such files hold a central one"),
        Way("EEG2", ANY, "the second EEG without a place; most such files hold a central one"),
    ),
    "O2-M1": _list_places(
        *("O2", "O1"),
        Way("CZ", "OZ", _ALTERNATIVE),
        Way("OZ", ANY, "occipital, on the midline"),
        Way("PZ", "OZ", "the nearest occipital derivation the file has"),
    ),
    "E1-M2": (
        *_list_eye("E1", "left"),
        Way("EOGH", ANY, "one horizontal EOG: left against right eye"),
        Way("EOG", ANY, "the label says EOG and no side"),
    ),
    "E2-M2": _list_eye("E2", "right"),
    "chin EMG": _list_chin(),
}

EXPECTED: Final = {
    "F4-M1": "'F4-M1', 'F3-M2', 'Fz-Cz', 'Fpz-Cz'",
    "C4-M1": "'C4-M1', 'C3-M2', 'Cz', 'EEG'",
    "O2-M1": "'O2-M1', 'O1-M2', 'Cz-Oz', 'Pz-Oz'",
    "E1-M2": "'E1-M2', 'LOC', 'EOG(L)', 'EOG horizontal'",
    "E2-M2": "'E2-M2', 'ROC', 'EOG(R)'",
    "chin EMG": "'EMG chin', 'Chin1-Chin2', 'EMG submental', 'EMG'",
}
"""Labels that a message offers: the ways above in the words of a file."""

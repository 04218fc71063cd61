"""What a label says: which electrode against which reference.

Electrode names after the 10-20 system and the AASM manual (III.A): A1 and A2 are M1 and M2, LOC and
ROC are E1 and E2; T3 to T6 of the older 10-20 system are T7, T8, P7 and P8 of the newer. A file with a
second unnamed EEG writes 'EEG(sec)' or 'EEG 2'.

Examples
--------
>>> parse_label("EEG F4-A1")
Lead(active='F4', reference='M1')
>>> parse_label("EOG(L)"), parse_label("EMG submental")
(Lead(active='E1', reference=None), Lead(active='CHIN', reference=None))
>>> parse_label("SaO2") is None
True
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Final


@dataclass(frozen=True)
class Lead:
    """An electrode and what it is measured against (None: the label does not say)."""

    active: str
    reference: str | None = None


_SAME_PLACE: Final = {
    **{"A1": "M1", "A2": "M2", "LOC": "E1", "ROC": "E2"},
    **{"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"},
}

_SITE: Final = r"FPZ|FP[12]|FZ|CZ|PZ|OZ|F[3478]|C[34]|P[3478]|O[12]|T[3-8]|[AM][12]|E[12]|LOC|ROC"
_REFERENCE: Final = rf"{_SITE}|CLE|LER|LE|REF|AVG|AV|[AM]1\+?[AM]2|PG1"
_TWO_SITES: Final = re.compile(rf"(?P<active>{_SITE})(?P<reference>{_REFERENCE})?")
_PREFIX: Final = re.compile(r"^(EEG|EOG|EMG|POL|PSG)(?=[\s:_.-])[\s:_.-]+")

_SECOND_EEG: Final = re.compile(r"EEG(SEC|2)")
_LEFT_EYE: Final = re.compile(r"(EOG|EYE)(L|LEFT|1)(HORIZ\w*)?|(L|LEFT)(EOG|EYE)|E1")
_RIGHT_EYE: Final = re.compile(r"(EOG|EYE)(R|RIGHT|2)(HORIZ\w*)?|(R|RIGHT)(EOG|EYE)|E2")
_BOTH_EYES: Final = re.compile(r"EOG(H|HOR|HORIZ\w*)")
_CHIN: Final = re.compile(r"(EMG)?(CHIN|SUBMENT\w*|MENTALIS|MENTON)(EMG)?|X1")
_CHIN_PAIR: Final = re.compile(r"(EMG)?(CHIN|EMG)([123LRCZ])(EMG)?(CHIN|EMG)?([123LRCZ])")
_CHIN_ELECTRODE: Final = re.compile(r"(EMG)?(CHIN|EMG)(EMG)?([123LRCZ])|(EMG)?([LRC])(CHIN)(EMG)?")


@cache
def parse_label(label: str) -> Lead | None:
    """Read a label; None when it names no electrode of the staging montage."""
    return _parse_eeg(_PREFIX.sub("", label.upper().strip())) or _parse_others(normalise_label(label))


def normalise_label(label: str) -> str:
    """Letters and digits of a label, in capitals: what is left when spellings are taken away.

    Examples
    --------
    >>> normalise_label("EEG (sec)") == normalise_label("eeg_sec") == "EEGSEC"
    True
    """
    return re.sub(r"[^A-Z0-9]", "", label.upper())


def _parse_eeg(text: str) -> Lead | None:
    match = _TWO_SITES.fullmatch(re.sub(r"[^A-Z0-9+]", "", text))
    if not match:
        return None
    return Lead(*(_SAME_PLACE.get(name, name) if name else None for name in match.group("active", "reference")))


def _parse_others(key: str) -> Lead | None:
    if key in ("EEG", "EOG", "EMG"):
        return Lead(key)
    patterns = ((_SECOND_EEG, "EEG2"), (_LEFT_EYE, "E1"), (_RIGHT_EYE, "E2"), (_BOTH_EYES, "EOGH"), (_CHIN, "CHIN"))
    for pattern, name in patterns:
        if pattern.fullmatch(key):
            return Lead(name)
    return _parse_chin(key)


def _parse_chin(key: str) -> Lead | None:
    if match := _CHIN_PAIR.fullmatch(key):
        return Lead(f"{match[2]}{match[3]}", f"{match[2]}{match[6]}")
    if match := _CHIN_ELECTRODE.fullmatch(key):
        return Lead(f"{match[2]}{match[4]}" if match[4] else f"CHIN{match[6]}")
    return None

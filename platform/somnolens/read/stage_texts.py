"""Words for sleep stages, in the scoring of Rechtschaffen and Kales (1968) and of the AASM.

R&K stages 3 and 4 are both N3 (AASM manual, IV.1). Movement time, artefact and unknown are UNSCORED:
no stage was given.
"""

import re
from typing import Final

from somnolens.aasm import UNSCORED

_WORDS: Final = {
    "W": ("w", "wake", "wk", "awake", "wakefulness", "0", "s0"),
    "N1": ("n1", "1", "s1", "nrem1", "i"),
    "N2": ("n2", "2", "s2", "nrem2", "ii"),
    "N3": ("n3", "n4", "3", "4", "s3", "s4", "nrem3", "nrem4", "iii", "iv", "sws"),
    "R": ("r", "rem", "5"),
    UNSCORED: (
        *("", "?", "u", "unknown", "unscored", "undefined", "unsure", "none", "n/a", "na", "nan", "notscored", "-1"),
        *("m", "mt", "movement", "movementtime", "mvt", "art", "artifact", "artefact", "6", "9"),
    ),
}

_STAGE_OF: Final = {word: stage for stage, words in _WORDS.items() for word in words}

_STATED: Final = re.compile(r"^sleep[\s_-]*stage\b|^sleep[_-]|^stage[\s_:-]|^movement\s*time$", re.IGNORECASE)
_PREFIX: Final = re.compile(r"^(sleep)?[\s_-]*(stage)?[\s_:-]*")

KNOWN_TEXTS: Final = "'W', 'N1', 'N2', 'N3', 'R', '1', '2', '3', '4', '?', 'Movement time'"
"""What a message offers."""

_CODES: Final = {-2: UNSCORED, -1: UNSCORED, 0: "W", 1: "N1", 2: "N2", 3: "N3", 4: "N3", 5: "R"} | dict.fromkeys(
    (6, 7, 9, 10), UNSCORED
)
"""Integers of Compumedics, ISRUC and R&K tables: 5 is REM; 6 movement, 9 unscored, 10 artefact."""


def states_stage(text: str) -> bool:
    """Whether an annotation says it is a stage; apnoeas and 'Lights off' do not.

    Examples
    --------
    >>> states_stage("Sleep stage X"), states_stage("Movement time"), states_stage("Lights off@@EEG F4-A1")
    (True, True, False)
    """
    return bool(_STATED.match(text.strip()))


def parse_stage(text: str) -> str | None:
    """Read a stage text; None if it is not known.

    Examples
    --------
    >>> [parse_stage(text) for text in ("Sleep stage 4", "sleep_N2", "REM", "Movement time", "Z")]
    ['N3', 'N2', 'R', 'UNSCORED', None]
    """
    word = text.strip().lower()
    bare = re.sub(r"[\s_-]*sleep$", "", _PREFIX.sub("", word))
    for candidate in (word, bare):
        if (stage := _STAGE_OF.get(re.sub(r"(?<=.)[\s_-]+", "", candidate))) is not None:
            return stage
    return None


def parse_codes(codes: set[int]) -> dict[int, str] | None:
    """Stages of integer codes; None where 4 may be stage 4 or REM, as nothing else tells.

    Examples
    --------
    >>> parse_codes({0, 2, 4, 5})
    {0: 'W', 2: 'N2', 4: 'N3', 5: 'R'}
    >>> parse_codes({0, 2, 4}) is None
    True
    """
    if 4 in codes and 5 not in codes:
        return None
    return {code: _CODES[code] for code in sorted(codes) if code in _CODES}

"""One colour per stage, everywhere.

Deeper sleep is darker blue, so the order of the NREM stages survives a grey print; W and R
are warm, so they are told from NREM by hue. Every pair stays apart for readers with
protanopia, deuteranopia and tritanopia (tests/report/test_palette.py).
"""

from typing import Final

from somnolens.aasm import UNSCORED

STAGE_COLOURS: Final[dict[str, str]] = {
    "W": "#f3b83c",
    "N1": "#a9d3ea",
    "N2": "#4b8fc4",
    "N3": "#173a6a",
    "R": "#cf3f55",
    UNSCORED: "#e4e4e7",
}

INK: Final = "#1f2430"
"""Titles, labels and figures."""

QUIET: Final = "#7b8190"
"""Everything a reader looks at second: ticks, captions."""

FAINT: Final = "#e9eaee"
"""Guide lines and empty cells."""

EXPERT: Final = "#d9dbe2"
"""The hypnogram of the other scorer, behind."""

TRANSITION: Final = "#9ba1af"
"""Upright lines of a hypnogram, from one stage to the next."""

DISAGREEMENT: Final = INK
"""Epochs where two scorers differ."""

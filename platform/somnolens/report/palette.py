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

FOR: Final = "#ee9a35"
"""Heat that speaks for a stage."""

AGAINST: Final = "#6f609f"
"""Heat that speaks against it: apart from the other without colour vision, and darker."""

STAGE_COLOURS_DARK: Final[dict[str, str]] = {
    "W": "#f3b83c",
    "N1": "#cfe8f5",
    "N2": "#6fb1e0",
    "N3": "#3f74c9",
    "R": "#f0647a",
    UNSCORED: "#2e333d",
}
"""The same on a dark page: lighter, and deeper sleep still darker."""

PAGE_LIGHT: Final[dict[str, str]] = {
    "paper": "#ffffff",
    "card": "#f4f5f7",
    "ink": INK,
    "quiet": "#5b6270",
    "faint": FAINT,
    "line": TRANSITION,
    "edge": "#3c4250",
    "band": "#cfd4dd",
    "link": "#1d5fa8",
}
"""A page that is read: what is quiet has a contrast of 5 and more, not of a plot's ticks."""

PAGE_DARK: Final[dict[str, str]] = {
    "paper": "#14161b",
    "card": "#1f232b",
    "ink": "#eceef2",
    "quiet": "#a9b0bd",
    "faint": "#2b303a",
    "line": "#7d8594",
    "edge": "#dfe3ea",
    "band": "#454c59",
    "link": "#8fc1f2",
}

"""What a person looks at first in a dataset folder: its tables of counts, its contact sheets, its card."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from somnolens.dataset.card import format_card
from somnolens.dataset.contact_sheets import write_contact_sheets
from somnolens.dataset.statistics import (
    QUALITY_FILE,
    STATISTICS_FILE,
    NightCounts,
    format_csv,
    tabulate_quality,
    tabulate_stages,
)
from somnolens.render.style import Style
from somnolens.storage import write_bytes

CARD_FILE = "README.md"


def write_overview(folder: Path, nights: Sequence[NightCounts], manifest: dict[str, Any], style: Style) -> None:
    """Write `statistics.csv`, `quality.csv`, the contact sheets and the card of a dataset.

    Parameters
    ----------
    folder : Path
    nights : sequence of NightCounts
        All nights; in any order.
    manifest : dict
        What `dataset.json` will hold.
    style : Style
    """
    nights = sorted(nights, key=lambda counts: counts.night)
    statistics, quality = tabulate_stages(nights), tabulate_quality(nights, style.derivations)
    write_bytes(folder / STATISTICS_FILE, format_csv(statistics))
    write_bytes(folder / QUALITY_FILE, format_csv(quality))
    sheets = write_contact_sheets(folder, nights, style)
    write_bytes(folder / CARD_FILE, format_card(manifest, statistics, quality, sheets).encode())

"""The adapter of a run of the demo against its peers, spoilt recordings too; a run is made where there is none."""

import json
import tempfile
from pathlib import Path

from rich.console import Console

from somnolens.config import read_settings
from somnolens.jobs.compare_systems import DEMO_CONFIG, compare, find_material


def measure() -> list[dict]:
    """Rows of the benchmark table, as the comparison writes them."""
    settings, console = read_settings(DEMO_CONFIG), Console(stderr=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        compare(find_material(None, folder, settings, console), folder, settings, console)
        return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]

"""The demo itself, start to end."""

import json
import tempfile
from pathlib import Path

from somnolens.config import read_settings
from somnolens.jobs.arguments import DEMO_CONFIG
from somnolens.jobs.run_demo import run_demo


def measure() -> list[dict]:
    """Rows of the benchmark table."""
    with tempfile.TemporaryDirectory() as folder:
        run = run_demo(Path(folder), read_settings(DEMO_CONFIG))
        figures = json.loads((run / "metrics.json").read_text())
    return describe(figures)


def describe(figures: dict) -> list[dict]:
    """Rows from the `metrics.json` of a run."""
    kappa_yasa = figures["demo.kappa_yasa"]
    return [
        {
            "name": "demo.minutes",
            "value": figures["demo.minutes"],
            "unit": "min",
            "higher_is_better": False,
            "bar": "<=10",
        },
        {
            "name": "demo.kappa",
            "value": figures["demo.kappa"],
            "unit": "Cohen's kappa",
            "higher_is_better": True,
            "bar": f">={max(0.75, kappa_yasa):.3f}",
        },
        {
            "name": "demo.kappa_yasa",
            "value": kappa_yasa,
            "unit": "Cohen's kappa",
            "higher_is_better": None,
            "bar": None,
        },
    ]

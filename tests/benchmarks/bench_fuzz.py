"""How many wrong files were tried, and how many of them were read wrong or broke something."""

import tempfile
from pathlib import Path

from somnolens.config import PrepareSettings, RenderSettings
from somnolens.render.style import Style
from tests.fuzz import list_mutants, try_mutants


def measure() -> list[dict]:
    """Rows of the benchmark table."""
    with tempfile.TemporaryDirectory() as folder:
        outcomes = list(try_mutants(list_mutants(), Style(RenderSettings(), PrepareSettings()), Path(folder)))
    return [
        _describe("fuzz.files", len(outcomes), "changed files tried", ">=200", True),
        _describe(
            "fuzz.refused", sum(bool(one.report.error) for one in outcomes), "of them, with a sentence", None, None
        ),
        _describe("fuzz.crashes", sum(one.is_crash for one in outcomes), "bugs and time-outs", "<=0", False),
        _describe("fuzz.silent_errors", sum(one.is_silently_wrong for one in outcomes), "read wrong", "<=0", False),
    ]


def _describe(name: str, value: int, unit: str, bar: str | None, higher_is_better: bool | None) -> dict:
    return {"name": name, "value": value, "unit": unit, "higher_is_better": higher_is_better, "bar": bar}

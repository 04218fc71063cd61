"""The README's measured parts, each written from what its command has left in .bench."""

import json
from pathlib import Path

from somnolens.report.marked import write_between_markers
from tests.benchmarks.results import read_results, write_readme_table
from tests.faults import format_faults
from tests.stress.report import format_stress


def write_measured_parts(readme: Path, bench: Path) -> None:
    """Write every part that was measured on this machine; the others stay as they are.

    Parameters
    ----------
    readme : Path
    bench : Path
        The folder .bench.

    Raises
    ------
    SettingsError
        Where nothing was measured, or a marker is missing.
    """
    rows = read_results(bench / "results.jsonl")
    write_readme_table(readme, rows)
    values = {row["name"]: row["value"] for row in rows}
    if "explain.support_gap" in values:
        write_between_markers(readme, "support", format_support(values))
    if (faults := bench / "faults.jsonl").is_file():
        write_between_markers(readme, "faults", format_faults(read_results(faults)))
    if (stress := bench / "stress" / "stress.json").is_file():
        write_between_markers(readme, "stress", format_stress(json.loads(stress.read_text()), values))


def format_support(values: dict[str, float]) -> str:
    """What the measured evidence is worth, in a sentence.

    Examples
    --------
    >>> print(format_support({"explain.support_right": 81.8, "explain.support_wrong": 42.6}))
    On six simulated subjects that nothing was made on, the evidence supports 82 % of the embedded adapter's right
    answers and 43 % of its wrong ones.
    """
    right, wrong = (f"{values[f'explain.support_{which}']:.0f} %" for which in ("right", "wrong"))
    return (
        f"On six simulated subjects that nothing was made on, the evidence supports {right} of the embedded adapter's "
        f"right\nanswers and {wrong} of its wrong ones."
    )

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
    for name, (measured, write) in SENTENCES.items():
        if measured in values:
            write_between_markers(readme, name, write(values))
    if (faults := bench / "faults.jsonl").is_file():
        write_between_markers(readme, "faults", format_faults(read_results(faults)))
    if (stress := bench / "stress" / "stress.json").is_file():
        write_between_markers(readme, "stress", format_stress(json.loads(stress.read_text()), values))


def format_demo(values: dict[str, float]) -> str:
    """How long the demo takes, and what it reaches.

    Examples
    --------
    >>> print(format_demo({"demo.minutes": 6.44, "demo.kappa": 0.832, "demo.kappa_yasa": 0.679}))
    The demo took 6.4 minutes when it was measured. Its adapter reads simulated nights of new people with a kappa of
    0.83; YASA reads the same nights with 0.68.
    """
    return (
        f"The demo took {values['demo.minutes']:.1f} minutes when it was measured. Its adapter reads simulated nights "
        f"of new people with a kappa of\n{values['demo.kappa']:.2f}; YASA reads the same nights with "
        f"{values['demo.kappa_yasa']:.2f}."
    )


def format_search(values: dict[str, float]) -> str:
    """What twelve trials take, and what they win.

    Examples
    --------
    >>> found = {"search.minutes_12_trials": 8.9, "search.kappa_best": 0.816, "search.kappa_default": 0.816}
    >>> print(format_search(found))
    Twelve trials of the embedded model took 8.9 minutes. Learnt anew with three seeds, the best of them reaches a kappa
    of 0.82 on subjects that no trial had seen, the defaults 0.82.
    """
    return (
        f"Twelve trials of the embedded model took {values['search.minutes_12_trials']:.1f} minutes. Learnt anew with "
        f"three seeds, the best of them reaches a kappa\nof {values['search.kappa_best']:.2f} on subjects that no "
        f"trial had seen, the defaults {values['search.kappa_default']:.2f}."
    )


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


SENTENCES = {
    "demo": ("demo.minutes", format_demo),
    "search": ("search.minutes_12_trials", format_search),
    "support": ("explain.support_gap", format_support),
}
"""Parts of the README in a sentence or two: the row that must have been measured, and who writes them."""

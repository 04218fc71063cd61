"""What the tests of the cluster lost or refused, and what was survived: counted into .bench/results.jsonl."""

from rich.console import Console

from somnolens.provenance import describe_hardware
from tests.benchmarks.results import complete_row, merge_results, read_results, write_results
from tests.repository.tree import ROOT

TRIED: dict[str, tuple[str, bool]] = {}
"""By test: what was lost, and whether the work went on."""

RESULTS = ROOT / ".bench" / "results.jsonl"


def keep_counts() -> None:
    """Write the counts and show the list."""
    survived = sum(passed for _, passed in TRIED.values())
    rows = [
        describe(
            "cluster.faults_tried", len(TRIED), "faults, of nodes, drivers, replicas, heads, stores, tokens", None
        ),
        describe(
            "cluster.faults_survived", survived, "of them; the work ended as if nothing had happened", f">={len(TRIED)}"
        ),
    ]
    made = [complete_row(row, describe_hardware()) for row in rows]
    write_results(RESULTS, merge_results(read_results(RESULTS), made))
    console = Console()
    for test, (what, passed) in TRIED.items():
        console.print(f"{'survived' if passed else 'LOST    '}  {what}  ({test})", markup=False, highlight=False)


def describe(name: str, value: int, unit: str, bar: str | None) -> dict[str, object]:
    return {"name": name, "value": value, "unit": unit, "higher_is_better": True, "bar": bar}

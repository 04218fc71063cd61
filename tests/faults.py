"""What the tests of the cluster lost or refused, and what was survived: counted into .bench/results.jsonl."""

from collections import Counter

from rich.console import Console

from somnolens.provenance import describe_hardware
from tests.benchmarks.results import complete_row, merge_results, read_results, write_results
from tests.repository.tree import ROOT

TRIED: dict[str, tuple[str, bool]] = {}
"""By test: what was lost, and whether the work went on."""

RESULTS, FAULTS = ROOT / ".bench" / "results.jsonl", ROOT / ".bench" / "faults.jsonl"


def keep_counts() -> None:
    """Write the counts and show the list; where nothing was tried, earlier counts stay."""
    if not TRIED:
        return
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
    write_results(FAULTS, [{"what": what, "survived": passed} for what, passed in TRIED.values()])
    console = Console()
    for test, (what, passed) in TRIED.items():
        console.print(f"{'survived' if passed else 'LOST    '}  {what}  ({test})", markup=False, highlight=False)


def format_faults(faults: list[dict[str, object]]) -> str:
    """A Markdown table: what was lost or refused, how often, and how often the work went on.

    Examples
    --------
    >>> print(format_faults([{"what": "a node", "survived": True}, {"what": "a node", "survived": False}]))
    | lost or refused | times | survived |
    |---|---:|---:|
    | a node | 2 | 1 |
    """
    lines = ["| lost or refused | times | survived |", "|---|---:|---:|"]
    tried = Counter(str(fault["what"]) for fault in faults)
    survived = Counter(str(fault["what"]) for fault in faults if fault["survived"])
    return "\n".join([*lines, *(f"| {what} | {tried[what]} | {survived[what]} |" for what in sorted(tried))])


def describe(name: str, value: int, unit: str, bar: str | None) -> dict[str, object]:
    return {"name": name, "value": value, "unit": unit, "higher_is_better": True, "bar": bar}

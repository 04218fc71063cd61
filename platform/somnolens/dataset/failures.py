"""Nights that could not be used: how many of which kind, and whether there are too many."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from somnolens.dataset.rows import ShardReport
from somnolens.errors import DatasetError


@dataclass(frozen=True)
class FailureKind:
    """Nights that failed in one way, and the first of them as an example."""

    kind: str
    n_nights: int
    night: str
    error: str


def count_kinds(reports: Iterable[ShardReport]) -> list[FailureKind]:
    """Failures by kind, the most frequent first.

    A night counts once, by what was reported of it last: one that was tried again may have been mended.

    Examples
    --------
    >>> failed = [ShardReport("c", "s", night, "train", kind="Bug", error="...") for night in ("N2", "N1", "N2")]
    >>> [(one.kind, one.n_nights, one.night) for one in count_kinds(failed)]
    [('Bug', 2, 'N1')]
    """
    last = {report.night: report for report in reports}
    failed = sorted((one for one in last.values() if one.error), key=lambda one: one.night)
    by_kind: dict[str, list[ShardReport]] = {}
    for report in failed:
        by_kind.setdefault(report.kind, []).append(report)
    kinds = [FailureKind(kind, len(ones), ones[0].night, ones[0].error) for kind, ones in by_kind.items()]
    return sorted(kinds, key=lambda one: (-one.n_nights, one.kind))


def format_kinds(kinds: Iterable[FailureKind]) -> Table:
    """A row for each kind, with an example and its sentence."""
    table = Table(box=box.SIMPLE_HEAD, title="Nights that failed", title_justify="left")
    table.add_column("kind", style="red", no_wrap=True)
    table.add_column("nights", justify="right")
    table.add_column("for example", overflow="fold")
    table.add_column("what it says", overflow="fold", ratio=1)
    for one in kinds:
        table.add_row(one.kind, f"{one.n_nights:,}", Text(one.night), Text(one.error))  # brackets are no markup
    return table


def check_failures(reports: Iterable[ShardReport], most: float, table: Path) -> None:
    """Refuse a build in which more than a share of the nights failed.

    Parameters
    ----------
    reports : iterable of ShardReport
        Of all nights, those of an earlier run that this one goes on with included.
    most : float
        Share of the nights that may fail.
    table : Path
        The file that has every reason, for the sentence.

    Raises
    ------
    DatasetError
    """
    reports = list(reports)
    kinds, n_nights = count_kinds(reports), len({report.night for report in reports})
    n_failed = sum(one.n_nights for one in kinds)
    if n_failed > most * n_nights:
        raise DatasetError(
            f"{n_failed} of {n_nights} nights failed, more than the {100 * most:g}% allowed. By kind: "
            f"{', '.join(f'{one.n_nights} {one.kind}' for one in kinds)}. The reasons are in {table}; mend them, or "
            "allow more with --max-failed, and start again: finished nights are kept."
        )

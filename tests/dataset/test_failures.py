"""Failed nights by kind, each counted once."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from somnolens.dataset.failures import FailureKind, check_failures, count_kinds, format_kinds
from somnolens.dataset.rows import ShardReport
from somnolens.errors import DatasetError


def report(night: str, kind: str = "", error: str = "") -> ShardReport:
    return ShardReport("cohort", night, night, "train", kind=kind, error=error)


EMPTY = [report(f"N{n}", "UnreadableRecording", f"N{n}.edf is empty.") for n in (3, 1)]
LATE = report("N2", "MismatchedHypnogram", "N2.txt begins after N2.edf ends.")
GOOD = [report(f"G{n:02d}") for n in range(17)]


def test_kinds_are_counted_with_the_first_night_as_an_example():
    assert count_kinds([LATE, *GOOD, *EMPTY]) == [
        FailureKind("UnreadableRecording", 2, "N1", "N1.edf is empty."),
        FailureKind("MismatchedHypnogram", 1, "N2", "N2.txt begins after N2.edf ends."),
    ]


def test_a_night_counts_once_and_not_at_all_when_it_was_mended():
    again = [*EMPTY, EMPTY[0], report("N1")]
    assert [(one.n_nights, one.night) for one in count_kinds(again)] == [(1, "N3")]


def test_without_failures_there_is_no_kind():
    assert count_kinds(GOOD) == []


def test_more_failures_than_allowed_are_refused_with_their_kinds():
    with pytest.raises(DatasetError) as caught:
        check_failures([*GOOD, *EMPTY, LATE, LATE], 0.125, Path("out/failures.csv"))
    assert str(caught.value) == (
        "3 of 20 nights failed, more than the 12.5% allowed. By kind: 2 UnreadableRecording, 1 MismatchedHypnogram. "
        "The reasons are in out/failures.csv; mend them, or allow more with --max-failed, and start again: finished "
        "nights are kept."
    )


def test_as_many_failures_as_allowed_are_no_error():
    check_failures([*GOOD, *EMPTY, LATE], 0.15, Path("failures.csv"))


def test_the_table_shows_sentences_as_they_are():
    """Rich takes words in square brackets for colours."""
    console = Console(width=100, file=io.StringIO())
    console.print(format_kinds([FailureKind("MissingDerivation", 1200, "N[1]", "the file has 'EEG [C4]' [/x].")]))
    said = console.file.getvalue()
    assert "1,200" in said
    assert "N[1]" in said
    assert "the file has 'EEG [C4]' [/x]." in said

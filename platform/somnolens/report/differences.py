"""Where two hypnograms of a night differ: agreement stage by stage, and the epochs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rich import box
from rich.table import Table

from somnolens.aasm import STAGES, UNSCORED
from somnolens.evaluate.agreement import Agreement, format_measure, pair_codes
from somnolens.hypnogram import Hypnogram
from somnolens.read.edf_header import is_edf, read_edf_header
from somnolens.read.scoring import read_hypnogram


@dataclass(frozen=True)
class Difference:
    """Consecutive epochs to which both scorers gave a stage each, not the same.

    Parameters
    ----------
    first, last : int
        Epochs of the first hypnogram, counted from 0, both included.
    onset_s : float
        Since the start of the recording.
    one, other : str
        Stages.
    """

    first: int
    last: int
    onset_s: float
    one: str
    other: str

    @property
    def epochs(self) -> str:
        """In words.

        Examples
        --------
        >>> Difference(3, 3, 90.0, "W", "N1").epochs, Difference(3, 5, 90.0, "W", "N1").epochs
        ('3', '3 to 5')
        """
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"


def read_pair(one: Path, other: Path) -> tuple[Hypnogram, Hypnogram]:
    """Read two hypnograms in any format; of two EDF+ files the second is shifted to the clock of the first.

    Raises
    ------
    UnreadableHypnogramError
    """
    first = read_hypnogram(one)
    with one.open("rb") as stream:
        start = read_edf_header(one).start if is_edf(stream.read(256)) else None
    return first, read_hypnogram(other, start)


def list_differences(one: Hypnogram, other: Hypnogram) -> list[Difference]:
    """Runs of epochs of the first hypnogram in which the second says otherwise, in the order of the night.

    Raises
    ------
    MismatchedHypnogramError
        Where they cut the night at different times.

    Examples
    --------
    >>> found = list_differences(Hypnogram(("W", "N1", "N1", "R")), Hypnogram(("W", "N2", "N2", "R")))
    >>> [(run.epochs, run.onset_s, run.one, run.other) for run in found]
    [('1 to 2', 30.0, 'N1', 'N2')]
    """
    found: list[Difference] = []
    for epoch, (a, b) in enumerate(zip(*pair_codes(one, other), strict=True)):
        if a == b:
            continue
        stages, before = (_name(a), _name(b)), found[-1] if found else None
        if before and before.last == epoch - 1 and (before.one, before.other) == stages:
            found[-1] = Difference(before.first, epoch, before.onset_s, *stages)
        else:
            found.append(Difference(epoch, epoch, one.start_s + epoch * one.step_s, *stages))
    return found


def _name(code: int) -> str:
    return STAGES[code] if code >= 0 else UNSCORED


def tell_time(seconds: float, start: datetime | None = None) -> str:
    """Clock time where the start of the recording is known; else hours, minutes and seconds since it.

    Examples
    --------
    >>> tell_time(3690.0), tell_time(3690.0, datetime(2001, 1, 1, 23, 30))
    ('1:01:30', '00:31:30')
    """
    if start is not None:
        return f"{start + timedelta(seconds=seconds):%H:%M:%S}"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def list_stage_agreement(agreement: Agreement) -> list[tuple[str, ...]]:
    """A line a stage: epochs by the first scorer, by the second, by both, share of the first's, F1."""
    confusion = agreement.confusion
    rows = []
    for code, stage in enumerate(STAGES):
        one, other, both = confusion[code].sum(), confusion[:, code].sum(), confusion[code, code]
        share = format_measure(100 * both / one if one else float("nan"), ".0f")
        rows.append((stage, f"{one}", f"{other}", f"{both}", f"{share} %", format_measure(agreement.f1[stage], ".3f")))
    return rows


def format_stage_agreement(agreement: Agreement, one: str, other: str) -> Table:
    """`list_stage_agreement` for a terminal."""
    table = Table(title=f"A: {one}\nB: {other}", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("stage")
    for heading in ("epochs of A", "epochs of B", "both", "share of A", "F1"):
        table.add_column(heading, justify="right")
    for row in list_stage_agreement(agreement):
        table.add_row(*row)
    return table


def format_differences(differences: Sequence[Difference]) -> Table:
    """The epochs that differ, for a terminal; A and B as in `format_stage_agreement`."""
    table = Table(title="Epochs that differ, counted from 0", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("epochs", "from", "A", "B"):
        table.add_column(heading)
    for run in differences:
        table.add_row(run.epochs, tell_time(run.onset_s), run.one, run.other)
    return table

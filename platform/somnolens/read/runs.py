"""Runs of one stage, as scoring files hold them, cut to one stage per epoch, and epochs of 20 s widened."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from somnolens.aasm import EPOCH_S, UNSCORED
from somnolens.errors import UnreadableHypnogramError
from somnolens.hypnogram import Hypnogram

TOLERANCE_S: Final = 0.5
"""Onsets and durations this near to whole epochs are whole: some exporters write 29.997 s."""

MAX_DURATION_S: Final = 7 * 86_400
"""Longer than any recording of sleep; a wrong unit would otherwise fill the memory."""


@dataclass(frozen=True)
class Run:
    """One stage for a while.

    Parameters
    ----------
    onset_s : float
    duration_s : float or None
        None: until the next run begins, or one epoch.
    stage : str
        One of the five, or 'UNSCORED'.
    text : str
        As the file writes it.
    """

    onset_s: float
    duration_s: float | None
    stage: str
    text: str = ""


def cut_runs(
    runs: Sequence[Run], name: str, epoch_s: float = EPOCH_S
) -> tuple[tuple[str, ...], float, tuple[str, ...]]:
    """Cut runs to epochs, counted from the onset of the first.

    Epochs that no run covers as a whole are UNSCORED.

    Parameters
    ----------
    runs : sequence of Run
        At least one, in any order.
    name : str
        Of the file, for messages.
    epoch_s : float
        30; 20 where a night was scored so after Rechtschaffen and Kales.

    Returns
    -------
    stages : tuple of str
    start_s : float
    notes : tuple of str

    Raises
    ------
    UnreadableHypnogramError
        Runs that begin off the grid, epochs with two stages, epochs of another length than `epoch_s`.

    Examples
    --------
    >>> cut_runs([Run(0, 60, "W"), Run(90, 30, "N1")], "night.csv")[0]
    ('W', 'W', 'UNSCORED', 'N1')
    """
    _refuse_impossible(runs, name)
    runs = _fill_durations(sorted(runs, key=lambda run: run.onset_s), epoch_s)
    start_s = runs[0].onset_s
    _check_grid(runs, start_s, name, epoch_s)
    n_epochs = max(_span(run, start_s, epoch_s)[1] for run in runs)
    stages: list[str | None] = [None] * n_epochs
    for run in runs:
        first, last = _span(run, start_s, epoch_s)
        _check_conflict(stages[first:last], run, first * epoch_s + start_s, name)
        stages[first:last] = [run.stage] * (last - first)
    notes = tuple(_tell(runs, stages, start_s, epoch_s))
    return tuple(stage or UNSCORED for stage in stages), start_s, notes


def _refuse_impossible(runs: Sequence[Run], name: str) -> None:
    times = ((run.onset_s, run.duration_s or 0.0) for run in runs)
    if n := sum(not (math.isfinite(onset_s) and 0 <= duration_s < math.inf) for onset_s, duration_s in times):
        raise UnreadableHypnogramError(
            f"{name} has {n} stage(s) whose onset is no number, or whose duration is none or below 0. "
            "Export the scoring again."
        )


def _fill_durations(runs: list[Run], epoch_s: float) -> list[Run]:
    following = [run.onset_s for run in runs[1:]] + [runs[-1].onset_s + epoch_s]
    return [
        run if run.duration_s else Run(run.onset_s, max(0.0, onset_s - run.onset_s), run.stage, run.text)
        for run, onset_s in zip(runs, following, strict=True)
    ]


def _span(run: Run, start_s: float, epoch_s: float) -> tuple[int, int]:
    """First epoch of a run and the one after its last whole epoch."""
    first = round((run.onset_s - start_s) / epoch_s)
    return first, first + int((run.duration_s + TOLERANCE_S) // epoch_s)


def _check_grid(runs: list[Run], start_s: float, name: str, epoch_s: float) -> None:
    _check_epoch_length(runs, name, epoch_s)
    end_s = max(run.onset_s + run.duration_s for run in runs)
    if end_s - start_s > MAX_DURATION_S:
        raise UnreadableHypnogramError(
            f"{name} scores {(end_s - start_s) / 86_400:.0f} days. Onset and duration must be in seconds."
        )
    off = [run for run in runs if abs((run.onset_s - start_s + epoch_s / 2) % epoch_s - epoch_s / 2) > TOLERANCE_S]
    if off:
        raise UnreadableHypnogramError(
            f"{name}: {len(off)} of {len(runs)} stages do not begin on the {epoch_s:g}-s grid that starts at "
            f"{start_s:g} s; the first is at {off[0].onset_s:g} s. Export the scoring in {epoch_s:g}-s epochs."
        )


def _check_epoch_length(runs: list[Run], name: str, epoch_s: float) -> None:
    """R&K allows epochs of 20 s as well; cutting those to 30 s would invent stages."""
    usual_s = find_usual_duration(runs)
    if 0 < usual_s < epoch_s - TOLERANCE_S and len(runs) > 1:
        raise UnreadableHypnogramError(
            f"{name} is scored in epochs of {usual_s:g} s; the manual's are {EPOCH_S} s. "
            f"Export the scoring in {EPOCH_S}-s epochs."
        )


def find_usual_duration(runs: Sequence[Run]) -> float:
    """The most frequent duration in seconds, to a tenth; 0 where none is given.

    Examples
    --------
    >>> find_usual_duration([Run(0, 20.0, "W"), Run(20, 19.98, "W"), Run(40, 60.0, "N1")])
    20.0
    """
    (usual_s, _), *_ = Counter(round(run.duration_s or 0.0, 1) for run in runs).most_common(1)
    return usual_s


def measure_step(runs: Sequence[Run], nominal_s: float) -> float:
    """How far epochs lie apart by their onsets, where a recorder's clock makes that not quite 20 or 30 s.

    Parameters
    ----------
    runs : sequence of Run
    nominal_s : float

    Returns
    -------
    float
        `nominal_s` itself, unless that grid would be off by more than `TOLERANCE_S` at the end of the night.

    Examples
    --------
    >>> measure_step([Run(0.0, 30.0, "W"), Run(30.0, 30.0, "W")], 30.0)
    30.0
    >>> round(measure_step([Run(29.998 * epoch, 29.998, "W") for epoch in range(1000)], 30.0), 3)
    29.998
    """
    onsets_s = sorted(run.onset_s for run in runs)
    gaps = [(after - before, round((after - before) / nominal_s)) for before, after in pairwise(onsets_s)]
    steady = [(gap_s, n) for gap_s, n in gaps if n and abs(gap_s - n * nominal_s) < TOLERANCE_S]
    n_epochs = sum(n for _, n in steady)
    drift_s = sum(gap_s for gap_s, _ in steady) - n_epochs * nominal_s
    return nominal_s if abs(drift_s) <= TOLERANCE_S else nominal_s + drift_s / n_epochs


def widen_epochs(hypnogram: Hypnogram, duration_s: float) -> Hypnogram:
    """Widen epochs shorter than 30 s evenly on both sides, so that each is drawn with 30 s of signal.

    The usual way with nights scored in 20-s epochs after Rechtschaffen and Kales: 5 s are added before and
    after, neighbours overlap by 10 s, and an epoch at either end that would reach out of the signal is left out.

    Parameters
    ----------
    hypnogram : Hypnogram
        `step_s` is the length of its epochs.
    duration_s : float
        Of the signal.

    Examples
    --------
    >>> wide = widen_epochs(Hypnogram(("W", "N1", "N2"), step_s=20.0), duration_s=60.0)
    >>> wide.stages, wide.start_s
    (('N1',), 15.0)
    """
    start_s = hypnogram.start_s - (EPOCH_S - hypnogram.step_s) / 2
    n_before = max(0, math.ceil((-start_s - 1e-6) / hypnogram.step_s))
    stages = hypnogram.stages[n_before:]
    wide = replace(hypnogram, stages=stages, start_s=start_s + n_before * hypnogram.step_s).cut(duration_s)
    n_after = len(stages) - len(wide)
    note = (
        f"Scored in epochs of {hypnogram.step_s:g} s: each is drawn with {(EPOCH_S - hypnogram.step_s) / 2:g} s of "
        f"signal before and after; {n_before} at the beginning and {n_after} at the end, which would reach out of the "
        "signal, were left out."
    )
    return replace(wide, notes=(*hypnogram.notes, note))


def _check_conflict(before: list[str | None], run: Run, onset_s: float, name: str) -> None:
    others = [stage for stage in before if stage not in (None, run.stage)]
    if others:
        raise UnreadableHypnogramError(
            f"{name} gives two stages, {others[0]} and {run.stage}, to epochs from {onset_s:g} s on. "
            "Keep one scorer in a file."
        )


def _tell(runs: list[Run], stages: list[str | None], start_s: float, epoch_s: float) -> Iterator[str]:
    unscored: Counter[str] = Counter()
    for run in runs:
        if run.stage == UNSCORED:
            first, last = _span(run, start_s, epoch_s)
            unscored[run.text] += last - first
    yield from (f"'{text}' left {n} epoch(s) UNSCORED." for text, n in unscored.items() if n)
    if n := stages.count(None):
        yield f"{n} epoch(s) between the stages have none and are UNSCORED."
    if n := sum(abs(run.duration_s - round(run.duration_s / epoch_s) * epoch_s) > TOLERANCE_S for run in runs):
        yield f"{n} stage(s) do not last whole epochs; their incomplete epochs are not scored."

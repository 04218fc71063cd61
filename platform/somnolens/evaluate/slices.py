"""Where a system is good and where it is not: the same figures over parts of the epochs.

A part is a group of epochs that somebody may ask for: a cohort, an age, a sex, an AHI, signals of one quality, a
time of the night, transitions between stages, epochs on which the scorers differed. Within a part, epochs without
a named stage stay in the denominator, and intervals are over the subjects that have such epochs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from somnolens.epochs import GOOD, MISSING
from somnolens.evaluate.agreement import N_STAGES, Agreement, measure_agreement
from somnolens.evaluate.evaluation import Evaluation, KnownNight, NightResult
from somnolens.evaluate.intervals import Interval, bound_measures, sum_by_subject
from somnolens.read.scorers import share_votes

AGES: Final = ((0, "below 18"), (18, "18 to 39"), (40, "40 to 59"), (60, "60 and over"))
SEVERITIES: Final = ((0, "AHI below 5"), (5, "AHI 5 to 15"), (15, "AHI 15 to 30"), (30, "AHI 30 and over"))
"""Lower ends of apnea severity: none, mild, moderate, severe (AASM Task Force, Sleep 22(5), 667-689, 1999)."""

N_HOURS: Final = 12
"""Hours told one by one; later ones are the last."""


@dataclass(frozen=True, eq=False)
class Slice:
    """Agreement over a part of the epochs.

    Parameters
    ----------
    kind, part : str
        What the epochs were parted by, and which part it is: 'time of night', 'first third'.
    agreement : Agreement
    n_subjects : int
        With such epochs.
    intervals : dict of str to Interval
        As `measure_intervals` gives them.
    """

    kind: str
    part: str
    agreement: Agreement
    n_subjects: int
    intervals: dict[str, Interval]

    def to_dict(self) -> dict[str, Any]:
        """One line of a table, with `_low` and `_high` beside each measure."""
        figures: dict[str, Any] = {}
        for name, interval in self.intervals.items():
            ends = interval.to_dict()
            figures |= {name: ends["value"], f"{name}_low": ends["low"], f"{name}_high": ends["high"]}
        counts = {"subjects": self.n_subjects, "epochs": self.agreement.n_epochs, "invalid": self.agreement.n_invalid}
        return {"kind": self.kind, "part": self.part, **counts, **figures}


def part_by_cohort(known: KnownNight) -> list[str]:
    """All epochs of a night are of its cohort."""
    return [known.cohort] * len(known)


def part_by_age(known: KnownNight) -> list[str]:
    """Groups of `AGES`, where the age is known."""
    return [_place(known.traits.get("age"), AGES)] * len(known)


def part_by_sex(known: KnownNight) -> list[str]:
    """As `subjects.csv` writes it."""
    return [str(known.traits.get("sex", ""))] * len(known)


def part_by_severity(known: KnownNight) -> list[str]:
    """Groups of `SEVERITIES`, where the AHI is known."""
    return [_place(known.traits.get("ahi"), SEVERITIES)] * len(known)


def _place(value: float | str | None, groups: tuple[tuple[float, str], ...]) -> str:
    """Name of the last group whose lower end the value reaches; '' where it is not known."""
    if not isinstance(value, float):
        return ""
    return next((name for low, name in reversed(groups) if value >= low), "")


def part_by_quality(known: KnownNight) -> list[str]:
    """Whether a derivation is poor (flat, clipped, detached, not a number), merely missing, or all are good."""
    poor = ((known.quality != GOOD) & (known.quality != MISSING)).any(axis=1)
    lacking = (known.quality == MISSING).any(axis=1)
    words = np.select([poor, lacking], ["a derivation poor", "a derivation missing"], "all good")
    return words.tolist()


def part_by_third(known: KnownNight) -> list[str]:
    """Thirds of the scored night, from its first to its last epoch."""
    names = ("first third", "middle third", "last third")
    return [names[min(3 * epoch // len(known), 2)] for epoch in range(len(known))]


def part_by_hour(known: KnownNight) -> list[str]:
    """Hours since the first epoch."""
    step_s = known.truth.step_s
    hours = [min(int(epoch * step_s // 3600) + 1, N_HOURS) for epoch in range(len(known))]
    return [f"hour {hour:2d}" + " and later" * (hour == N_HOURS) for hour in hours]


def part_by_change(known: KnownNight) -> list[str]:
    """Epochs whose scored neighbour has another stage in the truth are transitions, all others are stable."""
    codes = known.truth.codes()
    differs = (codes[1:] != codes[:-1]) & (codes[1:] >= 0) & (codes[:-1] >= 0)
    changing = np.concatenate([[False], differs]) | np.concatenate([differs, [False]])
    return np.where(changing, "transition", "stable").tolist()


def part_by_scorers(known: KnownNight) -> list[str]:
    """How sure the scorers were of the consensus, where there are several."""
    if not known.scorers:
        return [""] * len(known)
    shares = share_votes(np.stack([scorer.codes() for scorer in known.scorers])).max(axis=1)
    return np.select([shares > 0.999, shares > 0.5], ["all agree", "most agree"], "split").tolist()


KINDS: Final[dict[str, Callable[[KnownNight], list[str]]]] = {
    "cohort": part_by_cohort,
    "age": part_by_age,
    "sex": part_by_sex,
    "AHI": part_by_severity,
    "signals": part_by_quality,
    "time of night": part_by_third,
    "hour": part_by_hour,
    "change": part_by_change,
    "scorers": part_by_scorers,
}
"""Names the part of each epoch of a night; '' where it is not known, and then the epoch is in no part."""


def slice_evaluation(evaluation: Evaluation, n_resamples: int = 1000, seed: int = 0) -> list[Slice]:
    """Agreement over every part of every kind that tells epochs apart.

    A kind that puts all epochs of all nights into one part tells nothing and is left out; so are parts without a
    scored epoch.

    Returns
    -------
    list of Slice
        Kind by kind; parts by name, groups of numbers from low to high.
    """
    found = []
    for kind, name_parts in KINDS.items():
        named = [np.array(name_parts(night.known)) for night in evaluation.nights]
        parts = {str(part) for parts in named for part in np.unique(parts)}
        if len(parts - {""}) > 1:
            ordered = sorted(parts - {""}, key=_order)
            made = (_slice(kind, part, evaluation.nights, named, n_resamples, seed) for part in ordered)
            found += [one for one in made if one.agreement.n_epochs]
    return found


def _order(part: str) -> tuple[int, str]:
    told = [name for _, name in (*AGES, *SEVERITIES)] + ["first third", "middle third", "last third"]
    told += ["all good", "a derivation missing", "a derivation poor", "all agree", "most agree", "split"]
    return (told.index(part), "") if part in told else (-1, part)


def _slice(
    kind: str, part: str, nights: list[NightResult], named: list[np.ndarray], n_resamples: int, seed: int
) -> Slice:
    matrices = [_count(night, parts == part) for night, parts in zip(nights, named, strict=True)]
    by_subject = sum_by_subject(nights, matrices)
    pooled = Agreement(sum(matrices, np.zeros((N_STAGES, N_STAGES + 1), dtype=np.int64)))
    return Slice(kind, part, pooled, len(by_subject), bound_measures(by_subject, n_resamples=n_resamples, seed=seed))


def _count(night: NightResult, chosen: np.ndarray) -> np.ndarray:
    """Confusion matrix of some epochs of a night."""
    truth, named = night.codes
    return measure_agreement(truth[chosen], named[chosen]).confusion


def list_slices(slices: list[Slice]) -> Iterator[dict[str, Any]]:
    """Lines of slices.csv."""
    return (one.to_dict() for one in slices)

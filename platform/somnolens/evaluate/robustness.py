"""Systems on corrupted recordings: what each loses, and how surely.

Every system is shown the same corrupted raw signal. The lost channel is the paper's test (arXiv 2509.22810, Eq. 10: a
channel fails after a time), in a definition of ours, since the paper's "70 %" can be read in two ways: the channel is
dead for the last 70 % of each night, in every night, and each drawn channel is lost in turn, so that no lucky draw
decides. The agreement of a night is pooled over the channels.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from somnolens.evaluate.comparison import Contestant
from somnolens.evaluate.corruptions import Corruption, lose_channel
from somnolens.evaluate.evaluation import NightResult, name_stages
from somnolens.evaluate.intervals import (
    MEASURES,
    Interval,
    bound_measures,
    measure_confusions,
    resample,
    sum_by_subject,
)
from somnolens.evaluate.systems import LabelledNight, Shown

CHANNEL_LOSS: Final = "channel lost"
LOST_SHARES: Final = (0.35, 0.7)
PAPER_SHARE: Final = 0.7
CLEAN: Final = "clean"


@dataclass(frozen=True, eq=False)
class Spoilt:
    """One system on all nights under one corruption of one severity.

    Parameters
    ----------
    system, corruption, unit : str
    severity : float
    nights : sequence of NightResult
        A night that was spoilt in several ways stands there once for each.
    """

    system: str
    corruption: str
    severity: float
    unit: str
    nights: Sequence[NightResult]

    @cached_property
    def by_subject(self) -> np.ndarray:
        """Confusion matrices of each subject, shape (n_subjects, 5, 6)."""
        return sum_by_subject(self.nights)

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """The measures of `intervals.MEASURES` with intervals over subjects."""
        return bound_measures(self.by_subject)


@dataclass(frozen=True, eq=False)
class Trial:
    """A corruption at one severity, as the recordings it makes of one.

    Parameters
    ----------
    corruption, unit : str
    severity : float
    spoil : callable
        From a night's name and what is shown of it to one or several corrupted versions.
    """

    corruption: str
    severity: float
    unit: str
    spoil: Callable[[str, Shown], Iterator[Shown]]


def plan_trials(
    corruptions: Sequence[Corruption], lost_shares: Sequence[float] = LOST_SHARES, seed: int = 7
) -> list[Trial]:
    """The clean recording, the lost channel, and each corruption at each of its severities."""
    trials = [Trial(CLEAN, 0.0, "", lambda name, shown: iter([shown]))]
    trials += [Trial(CHANNEL_LOSS, share, "of the night", _lose_each(share)) for share in lost_shares]
    for corruption in corruptions:
        for severity in corruption.severities:
            trials.append(Trial(corruption.name, severity, corruption.unit, _spoil(corruption, severity, seed)))
    return trials


def measure_robustness(
    contestants: Sequence[Contestant],
    nights: Sequence[LabelledNight],
    trials: Sequence[Trial],
    report: Callable[[str], None] = lambda note: None,
) -> list[Spoilt]:
    """Let every system stage every corrupted night.

    Parameters
    ----------
    contestants : sequence of Contestant
        Fitted.
    nights : sequence of LabelledNight
    trials : sequence of Trial
    report : callable
        Hears of each night of each trial.
    """
    found: dict[tuple[int, str], list[NightResult]] = {}
    for night in nights:
        clean = night.read()
        for number, trial in enumerate(trials):
            for shown in trial.spoil(night.night, clean):
                for contestant in contestants:
                    found.setdefault((number, contestant.name), []).append(_judge(contestant, night, shown))
            report(f"{night.night}, {trial.corruption} {trial.severity:g} {trial.unit}")
    return [
        Spoilt(name, trials[number].corruption, trials[number].severity, trials[number].unit, results)
        for (number, name), results in sorted(found.items(), key=lambda item: item[0][0])
    ]


def find_spoilt(results: Sequence[Spoilt], system: str, corruption: str, severity: float = 0.0) -> Spoilt:
    """The one result of a system under a corruption of a severity."""
    return next(one for one in results if (one.system, one.corruption, one.severity) == (system, corruption, severity))


def measure_loss(clean: Spoilt, spoilt: Spoilt) -> Interval:
    """Points of balanced accuracy lost, of 100, both resampled together, subject by subject."""
    pairs = np.stack([clean.by_subject, spoilt.by_subject], axis=1)
    place = MEASURES.index("balanced_accuracy")

    def subtract(sums: np.ndarray) -> np.ndarray:
        return 100 * (measure_confusions(sums[..., 0, :, :]) - measure_confusions(sums[..., 1, :, :]))

    return resample(pairs, subtract).bound()[place]


def _judge(contestant: Contestant, night: LabelledNight, shown: Shown) -> NightResult:
    return NightResult(night.known, name_stages(night.known, contestant.stage(shown), contestant.name))


def _lose_each(share: float) -> Callable[[str, Shown], Iterator[Shown]]:
    def spoil(name: str, shown: Shown) -> Iterator[Shown]:
        for channel in shown.montage.signal_names:
            yield shown.corrupt(lose_channel(shown.recording, channel, share))

    return spoil


def _spoil(corruption: Corruption, severity: float, seed: int) -> Callable[[str, Shown], Iterator[Shown]]:
    def spoil(name: str, shown: Shown) -> Iterator[Shown]:
        rng = np.random.default_rng([seed, zlib.crc32(f"{corruption.name} {name}".encode())])
        yield shown.corrupt(corruption.change(shown.recording, severity, rng))

    return spoil

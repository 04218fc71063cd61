"""Systems on corrupted recordings: what each loses, and how surely.

Every system is shown the same corrupted raw signal. The lost channel is the paper's test (arXiv 2509.22810, Eq. 10: a
channel fails after a time), in a definition of ours, since the paper's "70 %" can be read in two ways: the channel is
dead for the last 70 % of each night, in every night, and each drawn channel is lost in turn, so that no lucky draw
decides. The agreement of a night is pooled over the channels.

All other corruptions are shown on a stretch of each night, the one whose stages are mixed most evenly, so that twenty
of them can be afforded; the clean recording they are held against is the same stretch.
"""

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock
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
from somnolens.recording import Signal

CHANNEL_LOSS: Final = "channel lost"
LOST_SHARES: Final = (0.35, 0.7)
PAPER_SHARE: Final = 0.7
CLEAN: Final = "clean"
WHOLE, STRETCH = "whole nights", "stretches"


@dataclass(frozen=True, eq=False)
class Spoilt:
    """One system on all nights under one corruption of one severity.

    Parameters
    ----------
    system, corruption, unit : str
    severity : float
    nights : sequence of NightResult
        A night that was spoilt in several ways stands there once for each.
    part : str
        `WHOLE` nights, or a `STRETCH` of each.
    """

    system: str
    corruption: str
    severity: float
    unit: str
    nights: Sequence[NightResult]
    part: str = WHOLE

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


_AS_IT_IS: Final = Trial(CLEAN, 0.0, "", lambda name, shown: iter([shown]))


def plan_losses(lost_shares: Sequence[float] = LOST_SHARES) -> list[Trial]:
    """The clean recording, and each channel lost in turn for a share of the night."""
    return [_AS_IT_IS, *(Trial(CHANNEL_LOSS, share, "of the night", _lose_each(share)) for share in lost_shares)]


def plan_trials(corruptions: Sequence[Corruption], seed: int = 7) -> list[Trial]:
    """The clean recording, and each corruption at each of its severities."""
    return [
        _AS_IT_IS,
        *(
            Trial(corruption.name, severity, corruption.unit, _spoil(corruption, severity, seed))
            for corruption in corruptions
            for severity in corruption.severities
        ),
    ]


def cut_night(night: LabelledNight, n_epochs: int) -> LabelledNight:
    """The stretch of a night whose stages are mixed most evenly; the whole night where it is no longer, or for 0."""
    n_all = len(night.codes)
    if not 0 < n_epochs < n_all:
        return night
    first = find_mixed(night.codes, n_epochs)
    kept, step_s = slice(first, first + n_epochs), night.known.truth.step_s
    begin_s = night.known.truth.start_s + first * step_s
    truth = replace(night.known.truth, stages=night.known.truth.stages[kept], start_s=0.0, probabilities=None)
    scorers = tuple(replace(one, stages=one.stages[kept], start_s=0.0) for one in night.known.scorers)
    known = replace(night.known, truth=truth, quality=night.known.quality[kept], scorers=scorers)
    return LabelledNight(known, lambda: cut_shown(night.read(), begin_s, n_epochs * step_s))


def cut_shown(shown: Shown, begin_s: float, duration_s: float) -> Shown:
    """A stretch of a recording, as if it had begun and ended there."""

    def cut(signal: Signal) -> Signal:
        first, last = (round(at_s * signal.sampling_rate_hz) for at_s in (begin_s, begin_s + duration_s))
        return replace(signal, samples_uv=signal.samples_uv[first:last])

    signals = tuple(cut(signal) for signal in shown.recording)
    recording = replace(shown.recording, signals=signals, duration_s=duration_s, start=None)
    return replace(shown.corrupt(recording), start_s=0.0)


def find_mixed(codes: np.ndarray, n_epochs: int) -> int:
    """First epoch of the stretch with the greatest entropy of its stages, the first of equals.

    Examples
    --------
    >>> find_mixed(np.array([2, 2, 2, 0, 1, 2, 4, 4]), 4)
    3
    """
    entropies = []
    for first in range(len(codes) - n_epochs + 1):
        part = codes[first : first + n_epochs]
        shares = np.bincount(part[part >= 0], minlength=5) / n_epochs
        entropies.append(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())
    return int(np.argmax(np.round(entropies, 12)))


def measure_robustness(
    contestants: Sequence[Contestant],
    nights: Sequence[LabelledNight],
    trials: Sequence[Trial],
    part: str = WHOLE,
    report: Callable[[str], None] = lambda note: None,
) -> list[Spoilt]:
    """Let every system stage every corrupted night; as many nights at once as there are cores.

    Parameters
    ----------
    contestants : sequence of Contestant
        Fitted.
    nights : sequence of LabelledNight
    trials : sequence of Trial
    part : str
        What the nights are: `WHOLE`, or a `STRETCH` of each.
    report : callable
        Hears of each night of each trial.
    """
    telling = Lock()

    def spoil(night: LabelledNight) -> dict[tuple[int, str], list[NightResult]]:
        clean, judged = night.read(), {}
        for number, trial in enumerate(trials):
            for shown in trial.spoil(night.night, clean):
                for contestant in contestants:
                    judged.setdefault((number, contestant.name), []).append(_judge(contestant, night, shown))
            with telling:
                report(f"{night.night}, {trial.corruption} {trial.severity:g} {trial.unit}")
        return judged

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        of_nights = list(pool.map(spoil, nights))
    found: dict[tuple[int, str], list[NightResult]] = {}
    for judged in of_nights:
        for key, results in judged.items():
            found.setdefault(key, []).extend(results)
    return [
        Spoilt(name, trials[number].corruption, trials[number].severity, trials[number].unit, results, part)
        for (number, name), results in sorted(found.items(), key=lambda item: item[0][0])
    ]


def find_spoilt(
    results: Sequence[Spoilt], system: str, corruption: str, severity: float = 0.0, part: str = WHOLE
) -> Spoilt:
    """The one result of a system under a corruption of a severity."""
    asked = (system, corruption, severity, part)
    return next(one for one in results if (one.system, one.corruption, one.severity, one.part) == asked)


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

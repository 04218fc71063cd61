"""Evidence: what a technologist would look for in each epoch, measured.

Nothing here knows a stage. What cannot be measured, because a derivation is missing or bad in an epoch, is None,
and no rule speaks of it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from somnolens.aasm import EPOCH_S
from somnolens.epochs import GOOD, Epochs
from somnolens.explain.events import (
    ALPHA,
    ROLL,
    Event,
    find_rapid_movements,
    find_runs,
    find_spindles,
    find_waves,
    join_epochs,
    pick_k_complexes,
)
from somnolens.explain.rhythms import (
    find_arousals,
    find_movements,
    mark_alpha,
    mark_low_mixed,
    mark_rolls,
    measure_tone,
)

FRONTAL, CENTRAL, OCCIPITAL = ("F4-M1", "C4-M1", "O2-M1"), ("C4-M1", "F4-M1", "O2-M1"), ("O2-M1", "C4-M1", "F4-M1")
"""Where to look for slow waves and K-complexes, for spindles, for alpha; the first that the night has is taken."""

LOWEST_SHARE = 0.05
"""The night's lowest chin tone is that of its quietest twentieth of epochs."""


@dataclass(frozen=True)
class Evidence:
    """What one epoch holds.

    Parameters
    ----------
    epoch : int
    alpha_s, low_mixed_s : float or None
        Seconds in which an alpha rhythm rules the occipital EEG; seconds of low-amplitude mixed-frequency EEG.
    spindles, k_complexes, waves : tuple of Event, or None
        Central spindles; frontal K-complexes; frontal waves of 0.5 to 2 Hz and at least 75 microvolts.
    slow_wave_share : float or None
        Share of the epoch that these waves fill.
    rapid : tuple of Event, or None
        Rapid eye movements and blinks.
    rolls_s : float or None
        Seconds of slow eye movements.
    alpha, rolls : tuple of Event, or None
        The stretches of these seconds.
    arousals : tuple of Event, or None
    tone_uv, tone_ratio : float or None
        Median chin tone, root mean square, and how many times the night's lowest it is.
    movement_s : float or None
    """

    epoch: int
    alpha_s: float | None = None
    low_mixed_s: float | None = None
    spindles: tuple[Event, ...] | None = None
    k_complexes: tuple[Event, ...] | None = None
    waves: tuple[Event, ...] | None = None
    slow_wave_share: float | None = None
    rapid: tuple[Event, ...] | None = None
    rolls_s: float | None = None
    alpha: tuple[Event, ...] | None = None
    rolls: tuple[Event, ...] | None = None
    arousals: tuple[Event, ...] | None = None
    tone_uv: float | None = None
    tone_ratio: float | None = None
    movement_s: float | None = None

    @property
    def events(self) -> tuple[Event, ...]:
        """All events, by their time."""
        groups = (self.spindles, self.k_complexes, self.waves, self.alpha, self.rapid, self.rolls)
        groups = (*groups, self.arousals)
        return tuple(sorted((event for group in groups for event in group or ()), key=lambda event: event.start_s))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return asdict(self)


@dataclass(frozen=True)
class _Night:
    """The continuous night, and which epochs of each derivation can be believed."""

    epochs: Epochs
    samples_uv: np.ndarray

    def choose(self, names: Sequence[str]) -> str | None:
        """The first derivation there is that is good in at least half of the night."""
        usable = [name for name in names if name in self.epochs.derivations and self.is_good(name).mean() >= 0.5]
        return usable[0] if usable else None

    def is_good(self, name: str) -> np.ndarray:
        place = self.epochs.derivations.index(name)
        return (self.epochs.quality[:, place] == GOOD) & bool(self.epochs.present[place])

    def signal(self, name: str) -> np.ndarray:
        return self.samples_uv[self.epochs.derivations.index(name)]

    def pick_epochs(self, names: Iterable[str], measure: Callable[[float], Any]) -> list[Any]:
        """Measure epoch by epoch from its onset in seconds; None where one of the derivations is not good."""
        good = np.logical_and.reduce([self.is_good(name) for name in names])
        return [measure(self.onset_s(epoch)) if good[epoch] else None for epoch in range(len(self.epochs))]

    def onset_s(self, epoch: int) -> float:
        return epoch * self.epochs.step_s


def measure_night(epochs: Epochs) -> list[Evidence]:
    """Measure the evidence of every epoch of a night.

    Parameters
    ----------
    epochs : Epochs
        All epochs of the night: thresholds and the lowest chin tone are relative to it.

    Returns
    -------
    list of Evidence, one per epoch
    """
    night = _Night(epochs, join_epochs(epochs))
    columns = _look_at_brain(night) | _look_at_eyes(night) | _look_at_chin(night)
    return [
        Evidence(epoch, **{name: values[epoch] for name, values in columns.items()}) for epoch in range(len(epochs))
    ]


def _look_at_brain(night: _Night) -> dict[str, list[Any]]:
    rate_hz, columns = night.epochs.sampling_rate_hz, {}
    frontal, central, occipital = (night.choose(names) for names in (FRONTAL, CENTRAL, OCCIPITAL))
    if not (frontal and central and occipital):
        return {}
    waves = find_waves(night.signal(frontal), rate_hz, frontal)
    complexes = pick_k_complexes(waves, night.signal(frontal), rate_hz)
    spindles = find_spindles(night.signal(central), rate_hz, central)
    arousals = find_arousals(night.signal(central), spindles, rate_hz, central)
    found = {"waves": (waves, frontal), "k_complexes": (complexes, frontal), "spindles": (spindles, central)}
    found["arousals"] = arousals, central
    for name, (events, derivation) in found.items():
        columns[name] = night.pick_epochs([derivation], _in_epoch(events))
    fill = _fill_epoch(waves)
    columns["slow_wave_share"] = night.pick_epochs([frontal], lambda onset_s: fill(onset_s) / EPOCH_S)
    alpha = mark_alpha(night.signal(occipital), rate_hz)
    columns["alpha_s"] = night.pick_epochs([occipital], _count_seconds(alpha))
    columns["alpha"] = night.pick_epochs([occipital], _cut_runs(alpha, ALPHA, occipital))
    columns["low_mixed_s"] = night.pick_epochs(
        [central], _count_seconds(mark_low_mixed(night.signal(central), rate_hz))
    )
    return columns


def _look_at_eyes(night: _Night) -> dict[str, list[Any]]:
    eyes = ("E1-M2", "E2-M2")
    if any(night.choose([name]) is None for name in eyes):
        return {}
    rate_hz, (e1_uv, e2_uv) = night.epochs.sampling_rate_hz, (night.signal(name) for name in eyes)
    rapid = find_rapid_movements(e1_uv, e2_uv, rate_hz)
    rolling = mark_rolls(e1_uv, e2_uv, rapid, rate_hz)
    return {
        "rapid": night.pick_epochs(eyes, _in_epoch(rapid)),
        "rolls_s": night.pick_epochs(eyes, _count_seconds(rolling)),
        "rolls": night.pick_epochs(eyes, _cut_runs(rolling, ROLL, "E2-M2")),
    }


def _look_at_chin(night: _Night) -> dict[str, list[Any]]:
    chin, central = night.choose(["chin EMG"]), night.choose(CENTRAL)
    if chin is None:
        return {}
    rate_hz = night.epochs.sampling_rate_hz
    tone_uv = measure_tone(night.signal(chin), rate_hz)
    eeg_uv = night.signal(central) if central else np.zeros_like(night.signal(chin))
    movements = find_movements(tone_uv, eeg_uv, rate_hz)
    tones = night.pick_epochs([chin], lambda onset_s: float(np.median(_cut_epoch(tone_uv, onset_s))))
    lowest_uv = max(0.05, float(np.quantile([tone for tone in tones if tone is not None], LOWEST_SHARE)))
    return {
        "tone_uv": tones,
        "tone_ratio": [None if tone is None else tone / lowest_uv for tone in tones],
        "movement_s": night.pick_epochs([chin], _fill_epoch(movements)),
    }


def _cut_epoch(seconds: np.ndarray, onset_s: float) -> np.ndarray:
    return seconds[round(onset_s) : round(onset_s) + EPOCH_S]


def _count_seconds(is_marked: np.ndarray) -> Callable[[float], float]:
    return lambda onset_s: float(_cut_epoch(is_marked, onset_s).sum())


def _cut_runs(is_marked: np.ndarray, kind: str, derivation: str) -> Callable[[float], tuple[Event, ...]]:
    """Stretches of marked seconds, cut at the borders of the epoch."""
    return lambda onset_s: tuple(
        Event(kind, onset_s + first, float(n), derivation) for first, n in find_runs(_cut_epoch(is_marked, onset_s))
    )


def _in_epoch(events: Sequence[Event]) -> Callable[[float], tuple[Event, ...]]:
    """Events whose middle lies in the epoch: each belongs to one epoch."""
    events = sorted(events, key=lambda event: event.start_s + event.duration_s / 2)
    middles_s = np.array([event.start_s + event.duration_s / 2 for event in events])

    def pick(onset_s: float) -> tuple[Event, ...]:
        first, last = np.searchsorted(middles_s, [onset_s, onset_s + EPOCH_S])
        return tuple(events[first:last])

    return pick


def _fill_epoch(events: Sequence[Event]) -> Callable[[float], float]:
    """Seconds of the epoch that the events fill; those of one kind do not overlap."""
    starts_s = np.array([event.start_s for event in events])

    def measure(onset_s: float) -> float:
        first, last = np.searchsorted(starts_s, [onset_s - EPOCH_S, onset_s + EPOCH_S])
        return float(sum(event.overlap_s(onset_s, onset_s + EPOCH_S) for event in events[first:last]))

    return measure

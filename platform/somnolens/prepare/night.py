"""A recording and its montage to epochs that can be drawn, and their alignment with a scoring."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from somnolens.aasm import EPOCH_S
from somnolens.epochs import MISSING, QUALITY, Epochs
from somnolens.errors import MismatchedHypnogramError, UnreadableRecordingError
from somnolens.hypnogram import Hypnogram
from somnolens.prepare.cut import count_epochs, cut_epochs
from somnolens.prepare.filters import Mains, find_mains, respond
from somnolens.prepare.quality import mark_quality, share_per_epoch
from somnolens.prepare.resample import filter_and_resample
from somnolens.read.montage import Derivation, Montage
from somnolens.recording import Recording, Signal

ON_GRID_S: Final = 0.5
"""Scoring whose epochs begin within this of those of the signal is on the same grid."""


def prepare_epochs(
    recording: Recording,
    montage: Montage,
    sampling_rate_hz: float = 100.0,
    mains_hz: Mains = "auto",
    start_s: float = 0.0,
    step_s: float = float(EPOCH_S),
) -> Epochs:
    """Filter, resample and cut the derivations of a night.

    Samples that are no number are bridged by a straight line before filtering, and their epochs marked.
    A missing derivation is zero and marked.

    Parameters
    ----------
    recording : Recording
    montage : Montage
        From `find_montage` of the same recording.
    sampling_rate_hz : float
        Common rate of all derivations afterwards.
    mains_hz : {'auto', '50', '60', 'none'}
        'auto' notches a derivation only where hum is found in it.
    start_s : float
        Time of the first epoch in the recording: where the scoring starts, `hypnogram.start_s`.
        Below 0 the epochs start on the same grid, with the first that lies in the recording.
    step_s : float
        From one epoch to the next: `hypnogram.step_s`.

    Returns
    -------
    Epochs

    Raises
    ------
    UnreadableRecordingError
        When the recording is shorter than one epoch.

    Examples
    --------
    >>> from somnolens.read.montage import find_montage
    >>> signal = Signal("C4-M1", np.random.default_rng(0).normal(0, 20, 15_360), 256.0)
    >>> night = Recording("night", (signal,), 60.0)
    >>> prepare_epochs(night, find_montage(night)).signals_uv.shape
    (2, 6, 3000)
    """
    start_s = start_s if start_s >= 0 else start_s % step_s
    n_epochs = count_epochs(recording.duration_s, start_s, step_s)
    if n_epochs == 0:
        raise UnreadableRecordingError(
            f"{recording.name} holds {recording.duration_s:g} s of signal, of which staging would begin at "
            f"{start_s:g} s: not one epoch of {EPOCH_S} s. Name a longer recording."
        )
    plan = _Plan(recording, sampling_rate_hz, mains_hz, start_s, step_s, n_epochs)
    prepared = [_prepare_derivation(plan, derivation) for derivation in montage.derivations]
    signals_uv = np.stack([one.epochs_uv for one in prepared], axis=1)
    quality = np.stack([one.quality for one in prepared], axis=1)
    notes = (*_tell_missing(montage), *_tell_mains(montage, prepared), *_tell_quality(montage, quality))
    return Epochs(
        night=recording.name,
        signals_uv=signals_uv,
        derivations=montage.names,
        sampling_rate_hz=sampling_rate_hz,
        quality=quality,
        sources=montage.sources,
        start_s=start_s,
        step_s=step_s,
        notes=(*recording.notes, *notes),
    )


@dataclass(frozen=True)
class _Plan:
    """What all derivations of a night share."""

    recording: Recording
    sampling_rate_hz: float
    mains_hz: Mains
    start_s: float
    step_s: float
    n_epochs: int


@dataclass(frozen=True)
class _Prepared:
    """One derivation: epochs, shape (n_epochs, n_samples); quality, shape (n_epochs,)."""

    epochs_uv: np.ndarray
    quality: np.ndarray
    mains_hz: float | None = None


def _prepare_derivation(plan: _Plan, derivation: Derivation) -> _Prepared:
    if not derivation.parts:
        return _prepare_missing(plan)
    signals = [plan.recording[name] for name, _ in derivation.parts]
    rate_hz = signals[0].sampling_rate_hz
    bad = np.unique(np.concatenate([_find_bad_numbers(signal) for signal in signals]))
    samples_uv = _bridge(_add_up(signals, derivation), bad)
    mains_hz = _choose_mains(samples_uv, rate_hz, plan.mains_hz)
    filtered_uv = filter_and_resample(
        samples_uv, rate_hz, plan.sampling_rate_hz, lambda hz: respond(hz, derivation.kind, mains_hz)
    )
    epochs_uv = _cut(plan, filtered_uv)
    clipped = np.max([_share_clipped(plan, signal) for signal in signals], axis=0)
    is_bad = share_per_epoch(bad, rate_hz, plan.start_s, plan.n_epochs, plan.step_s) > 0
    return _Prepared(epochs_uv, mark_quality(epochs_uv, is_bad, clipped), mains_hz)


def _prepare_missing(plan: _Plan) -> _Prepared:
    n_samples = round(EPOCH_S * plan.sampling_rate_hz)
    quality = np.full(plan.n_epochs, MISSING, np.uint8)
    return _Prepared(np.zeros((plan.n_epochs, n_samples), np.float32), quality)


def _add_up(signals: list[Signal], derivation: Derivation) -> np.ndarray:
    """The sum of the signals with their signs, as a copy that may be mended."""
    total = np.zeros(len(signals[0].samples_uv), np.float32)
    for signal, (_, sign) in zip(signals, derivation.parts, strict=True):
        total += np.float32(sign) * signal.samples_uv
    return total


def _find_bad_numbers(signal: Signal) -> np.ndarray:
    return np.flatnonzero(~np.isfinite(signal.samples_uv))


def _bridge(samples_uv: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """Replace bad samples by straight lines between their good neighbours, all by zero if none is good."""
    if not len(bad):
        return samples_uv
    if len(bad) == len(samples_uv):
        return np.zeros_like(samples_uv)
    good = np.delete(np.arange(len(samples_uv)), bad)
    samples_uv[bad] = np.interp(bad, good, samples_uv[good])
    return samples_uv


def _choose_mains(samples_uv: np.ndarray, rate_hz: float, mains_hz: Mains) -> float | None:
    if mains_hz == "auto":
        return find_mains(samples_uv, rate_hz)
    return None if mains_hz == "none" else float(mains_hz)


def _cut(plan: _Plan, filtered_uv: np.ndarray) -> np.ndarray:
    """Epochs, shape (n_epochs, n_samples); the last sample may be one short by rounding: repeat it."""
    needed = round((plan.start_s + (plan.n_epochs - 1) * plan.step_s + EPOCH_S) * plan.sampling_rate_hz)
    if len(filtered_uv) < needed:
        filtered_uv = np.pad(filtered_uv, (0, needed - len(filtered_uv)), mode="edge")
    return cut_epochs(filtered_uv[None], plan.sampling_rate_hz, plan.start_s, plan.step_s)[: plan.n_epochs, 0]


def _share_clipped(plan: _Plan, signal: Signal) -> np.ndarray:
    """Share of samples at the ends of the physical range, shape (n_epochs,)."""
    lowest_uv, highest_uv = signal.physical_range_uv
    margin_uv = 1e-5 * (highest_uv - lowest_uv) if np.isfinite(highest_uv - lowest_uv) else 0.0
    at_limit = (signal.samples_uv <= lowest_uv + margin_uv) | (signal.samples_uv >= highest_uv - margin_uv)
    limits = np.flatnonzero(at_limit)
    return share_per_epoch(limits, signal.sampling_rate_hz, plan.start_s, plan.n_epochs, plan.step_s)


def _tell_missing(montage: Montage) -> Iterator[str]:
    yield from (f"{derivation.name} is missing: {derivation.reason}." for derivation in montage.missing)


def _tell_mains(montage: Montage, prepared: list[_Prepared]) -> Iterator[str]:
    found = [(one.mains_hz, name) for one, name in zip(prepared, montage.names, strict=True) if one.mains_hz]
    for mains_hz in sorted({hz for hz, _ in found}):
        names = ", ".join(name for hz, name in found if hz == mains_hz)
        yield f"Mains hum of {mains_hz:g} Hz was removed from {names}."


def _tell_quality(montage: Montage, quality: np.ndarray) -> Iterator[str]:
    """One sentence for each derivation and kind of trouble."""
    for derivation, codes in zip(montage.names, quality.T, strict=True):
        for code, word in enumerate(QUALITY):
            n = int((codes == code).sum())
            if n and word not in ("good", "missing"):
                yield f"{derivation} is {word} in {n} of {len(codes)} epochs."


def align(epochs: Epochs, hypnogram: Hypnogram) -> tuple[Epochs, Hypnogram]:
    """Give both the same stretch of time: one stage for each epoch.

    Scoring before the first epoch and after the last is dropped; epochs nobody scored become UNSCORED.
    Both are said in the notes of the hypnogram.

    Raises
    ------
    MismatchedHypnogramError
        When they share no epoch, or begin off each other's grid: then prepare the epochs with
        `start_s=hypnogram.start_s` and `step_s=hypnogram.step_s`.

    Examples
    --------
    >>> signals_uv = np.zeros((3, 1, 3000), np.float32)
    >>> night = Epochs("night", signals_uv, ("C4-M1",), 100.0, np.zeros((3, 1), np.uint8), ("C4-M1",))
    >>> align(night, Hypnogram(("W", "N1"), start_s=30.0))[1].stages
    ('UNSCORED', 'W', 'N1')
    """
    shift = _count_shift(epochs, hypnogram)
    first, last = max(0, shift), min(len(epochs), shift + len(hypnogram))
    if first >= last:
        raise MismatchedHypnogramError(
            f"{epochs.night}: the signal runs from {epochs.start_s:g} to {_end_s(epochs):g} s, "
            f"the scoring from {hypnogram.start_s:g} to {hypnogram.start_s + hypnogram.duration_s:g} s: they share no "
            "epoch. Check that the two files belong together."
        )
    stages = ["UNSCORED"] * len(epochs)
    stages[first:last] = hypnogram.stages[first - shift : last - shift]
    probabilities = _align_probabilities(hypnogram, len(epochs), shift, first, last)
    notes = (*hypnogram.notes, *_tell_alignment(len(epochs), len(hypnogram), last - first))
    return epochs, replace(
        hypnogram, stages=tuple(stages), start_s=epochs.start_s, probabilities=probabilities, notes=notes
    )


def _end_s(epochs: Epochs) -> float:
    return epochs.start_s + (len(epochs) - 1) * epochs.step_s + EPOCH_S


def _count_shift(epochs: Epochs, hypnogram: Hypnogram) -> int:
    """Epochs by which the scoring begins after the signal."""
    assert epochs.step_s == hypnogram.step_s
    shift = (hypnogram.start_s - epochs.start_s) / epochs.step_s
    off_s = abs(shift - round(shift)) * epochs.step_s
    if off_s > ON_GRID_S:
        raise MismatchedHypnogramError(
            f"{epochs.night}: the scoring begins at {hypnogram.start_s:g} s and the epochs at {epochs.start_s:g} s, "
            f"{off_s:g} s off the {epochs.step_s:g}-s grid. Prepare the epochs with start_s={hypnogram.start_s:g}."
        )
    return round(shift)


def _align_probabilities(hypnogram: Hypnogram, n_epochs: int, shift: int, first: int, last: int) -> np.ndarray | None:
    """Rows of nobody's epochs are uniform, so that they still sum to 1."""
    if hypnogram.probabilities is None:
        return None
    n_stages = hypnogram.probabilities.shape[1]
    aligned = np.full((n_epochs, n_stages), 1 / n_stages)
    aligned[first:last] = hypnogram.probabilities[first - shift : last - shift]
    return aligned


def _tell_alignment(n_epochs: int, n_scored: int, n_shared: int) -> Iterator[str]:
    if n_scored > n_shared:
        yield f"{n_scored - n_shared} of {n_scored} scored epochs lie outside the signal and were dropped."
    if n_epochs > n_shared:
        yield f"{n_epochs - n_shared} of {n_epochs} epochs of the signal are not scored."

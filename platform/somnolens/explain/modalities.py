"""Which modality drives which stage: what is lost when the EEG, the eyes or the chin say nothing.

A whole modality of every epoch is replaced by the night's neutral background, and drawn and scored again. The paper
tells the same from heat maps (eyes for R, EEG for N1, N2 and N3); here it is a figure with an interval.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from somnolens.aasm import RECOMMENDED_DERIVATIONS, STAGES
from somnolens.epochs import Epochs
from somnolens.explain.intervals import Interval, divide_sums
from somnolens.explain.neutral import measure_background
from somnolens.prepare.filters import respond
from somnolens.score.engine import Engine

MODALITIES: Final = ("EEG", "EOG", "EMG")

CORRUPTION_UV: Final = 100.0
"""Root mean square of the noise put over a derivation that is corrupted: more than any sleep has."""


@dataclass(frozen=True, eq=False)
class TestNight:
    """One night of a test set: its subject, its epochs, and the scorer's codes, -1 where there is none."""

    subject: str
    epochs: Epochs
    codes: np.ndarray

    __test__ = False


@dataclass(frozen=True)
class Loss:
    """What a stage loses without a modality.

    Parameters
    ----------
    probability : Interval
        Of the true stage, mean over its epochs: with the modality less without it.
    recall : Interval
        Share of its epochs that are named right: the same difference.
    """

    probability: Interval
    recall: Interval


@dataclass(frozen=True)
class Neglect:
    """What becomes of a corrupted derivation.

    Parameters
    ----------
    cost : Interval
        Probability of the true stage lost by the corruption.
    weight_clean, weight_corrupted : Interval
        How far the probabilities move (total variation) when the derivation is made neutral, before and after it
        was corrupted. A corrupted derivation is ignored where the second is near 0.
    """

    cost: Interval
    weight_clean: Interval
    weight_corrupted: Interval


@dataclass(frozen=True)
class ModalityReport:
    """Losses by modality and stage, and neglect by derivation.

    Parameters
    ----------
    losses : dict of modality to dict of stage to Loss
    neglect : dict of derivation to Neglect
    all_neutral : dict of stage to float
        Mean probabilities of epochs of which nothing is left: what the neutral background itself looks like.
    n_epochs : dict of stage to int
    n_subjects : int
    """

    losses: dict[str, dict[str, Loss]]
    neglect: dict[str, Neglect]
    all_neutral: dict[str, float]
    n_epochs: dict[str, int]
    n_subjects: int

    @property
    def drivers(self) -> dict[str, str]:
        """The modality whose loss costs each stage the most probability; none where that may be chance."""
        found = {}
        for stage in STAGES:
            costs = {modality: by_stage[stage].probability for modality, by_stage in self.losses.items()}
            most = max(costs, key=lambda modality: np.nan_to_num(costs[modality].value, nan=-np.inf))
            if costs[most].low > 0:
                found[stage] = most
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "n_subjects": self.n_subjects,
            "n_epochs": self.n_epochs,
            "drivers": self.drivers,
            "losses": {
                modality: {
                    s: {"probability": x.probability.to_list(), "recall": x.recall.to_list()} for s, x in by.items()
                }
                for modality, by in self.losses.items()
            },
            "neglect": {
                name: {
                    "cost": x.cost.to_list(),
                    "weight_clean": x.weight_clean.to_list(),
                    "weight_corrupted": x.weight_corrupted.to_list(),
                }
                for name, x in self.neglect.items()
            },
            "all_neutral": self.all_neutral,
        }


@dataclass
class _Sums:
    """Per subject and stage: what is added up, and over how many epochs."""

    added: dict[str, list[np.ndarray]] = field(default_factory=dict)
    counts: list[np.ndarray] = field(default_factory=list)

    def add(self, name: str, values: np.ndarray, codes: np.ndarray) -> None:
        self.added.setdefault(name, []).append(np.bincount(codes, values, minlength=len(STAGES)))

    def divide(self, name: str, code: int | None = None) -> Interval:
        """Of one stage, or of all epochs."""
        added, counts = np.stack(self.added[name]), np.stack(self.counts)
        if code is None:
            return divide_sums(added.sum(axis=1), counts.sum(axis=1))
        return divide_sums(added[:, code], counts[:, code])


def measure_modalities(
    nights: Iterable[TestNight],
    engine: Engine,
    corrupted: Sequence[str] = ("C4-M1", "E2-M2"),
    every: int = 1,
    seed: int = 7,
    report: Callable[[str], None] = lambda subject: None,
) -> ModalityReport:
    """Neutralise each modality of each night, and corrupt and neutralise some derivations.

    Parameters
    ----------
    nights : iterable of TestNight
        One per subject; intervals are over them.
    engine : Engine
        Pictures are judged by themselves, without the night-level step.
    corrupted : sequence of str
        Derivations that are covered with noise, one at a time.
    every : int
        Only every so many epochs are looked at.
    seed : int
    report : callable
        Hears of each subject that is done.
    """
    sums, neutral = _Sums(), []
    for number, night in enumerate(nights):
        scored = np.flatnonzero(night.codes >= 0)[::every]
        codes = night.codes[scored]
        look = _Looking(night.epochs, engine, scored, np.random.default_rng([seed, number]))
        sums.counts.append(np.bincount(codes, minlength=len(STAGES)).astype(float))
        clean = look.score()
        for modality in MODALITIES:
            _add_losses(sums, modality, clean, look.score(neutral=_list_derivations(night.epochs, modality)), codes)
        for name in corrupted:
            _add_neglect(sums, name, clean, look, codes)
        neutral.append(look.score(neutral=night.epochs.derivations))
        report(night.subject)
    assert neutral, "no night"
    losses = {m: {s: _read_loss(sums, m, code) for code, s in enumerate(STAGES)} for m in MODALITIES}
    neglect = {n: Neglect(*(sums.divide(f"{n} {what}") for what in ("cost", "clean", "corrupted"))) for n in corrupted}
    mean = np.concatenate(neutral).mean(axis=0)
    counts = np.stack(sums.counts).sum(axis=0).astype(int)
    return ModalityReport(
        losses,
        neglect,
        dict(zip(STAGES, mean.round(4).tolist(), strict=True)),
        dict(zip(STAGES, counts.tolist(), strict=True)),
        len(sums.counts),
    )


@dataclass
class _Looking:
    """Some epochs of one night, looked at with derivations changed."""

    epochs: Epochs
    engine: Engine
    places: np.ndarray
    rng: np.random.Generator

    def __post_init__(self) -> None:
        background = measure_background(self.epochs)
        n_epochs, _, n_samples = self.epochs.signals_uv.shape
        self.neutral_uv = np.stack([background.draw(n_samples, self.rng) for _ in range(n_epochs)])

    def score(self, neutral: Sequence[str] = (), corrupted: Sequence[str] = ()) -> np.ndarray:
        """Probabilities of each epoch by itself, shape (n, 5)."""
        signals_uv = self.epochs.signals_uv.copy()
        for name in corrupted:
            place = self.epochs.derivations.index(name)
            signals_uv[:, place] += self._draw_noise(name)
        for name in neutral:
            place = self.epochs.derivations.index(name)
            signals_uv[:, place] = self.neutral_uv[:, place]
        changed = replace(self.epochs, signals_uv=signals_uv)
        probabilities = np.empty((len(self.places), len(STAGES)))
        for first in range(0, len(self.places), 64):
            some = self.places[first : first + 64]
            pictures = np.concatenate([self.engine.draw(changed, e, e + 1) for e in some])
            probabilities[first : first + len(some)] = self.engine.score_pictures(pictures, 32)
        return probabilities

    def _draw_noise(self, name: str) -> np.ndarray:
        """White noise through the display filter of the derivation, as a broken electrode is drawn."""
        n_epochs, _, n_samples = self.epochs.signals_uv.shape
        rng = np.random.default_rng(len(name))
        spectra = np.fft.rfft(rng.standard_normal((n_epochs, n_samples)))
        hz = np.fft.rfftfreq(n_samples, 1 / self.epochs.sampling_rate_hz)
        noise = np.fft.irfft(spectra * respond(hz, RECOMMENDED_DERIVATIONS[name]), n=n_samples)
        return (CORRUPTION_UV * noise / noise.std()).astype(np.float32)


def _list_derivations(epochs: Epochs, modality: str) -> list[str]:
    return [name for name in epochs.derivations if RECOMMENDED_DERIVATIONS[name] == modality]


def _add_losses(sums: _Sums, modality: str, clean: np.ndarray, without: np.ndarray, codes: np.ndarray) -> None:
    rows = np.arange(len(codes))
    sums.add(f"{modality} probability", clean[rows, codes] - without[rows, codes], codes)
    hits = (clean.argmax(axis=1) == codes).astype(float) - (without.argmax(axis=1) == codes)
    sums.add(f"{modality} recall", hits, codes)


def _add_neglect(sums: _Sums, name: str, clean: np.ndarray, look: _Looking, codes: np.ndarray) -> None:
    rows = np.arange(len(codes))
    noisy, neutral = look.score(corrupted=[name]), look.score(neutral=[name])
    sums.add(f"{name} cost", clean[rows, codes] - noisy[rows, codes], codes)
    sums.add(f"{name} clean", 0.5 * np.abs(clean - neutral).sum(axis=1), codes)
    sums.add(f"{name} corrupted", 0.5 * np.abs(noisy - neutral).sum(axis=1), codes)


def _read_loss(sums: _Sums, modality: str, code: int) -> Loss:
    return Loss(sums.divide(f"{modality} probability", code), sums.divide(f"{modality} recall", code))

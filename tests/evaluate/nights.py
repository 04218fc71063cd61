"""Nights made by hand, for tests of what is measured of them."""

from collections.abc import Sequence

import numpy as np

from somnolens.aasm import STAGES
from somnolens.evaluate.evaluation import Evaluation, KnownNight, NightResult
from somnolens.hypnogram import Hypnogram


def make_night(
    truth: Sequence[int],
    named: Sequence[int],
    name: str = "night",
    probabilities: np.ndarray | None = None,
    quality: np.ndarray | None = None,
    **known,
) -> NightResult:
    """A night of stage codes, -1 where there is none; its subject is its name unless `known` says otherwise."""
    about = {"subject": name, "cohort": "isruc"} | known
    if quality is None:
        quality = np.zeros((len(truth), 2), dtype=np.uint8)
    night = KnownNight(
        night=name, truth=hypnogram(truth, "expert"), quality=quality, derivations=("C4-M1", "chin EMG"), **about
    )
    return NightResult(night, Hypnogram(hypnogram(named).stages, "model", probabilities=probabilities))


def hypnogram(codes: Sequence[int], scorer: str = "model") -> Hypnogram:
    return Hypnogram.from_codes(np.array(codes), scorer)


def make_evaluation(*nights: NightResult, system: str = "model") -> Evaluation:
    return Evaluation(list(nights), system)


def draw_nights(n_subjects: int, n_epochs: int = 200, skill: float = 0.8, seed: int = 0) -> Evaluation:
    """Nights at random: each subject is staged right with a chance of its own around `skill`."""
    rng = np.random.default_rng(seed)
    nights = []
    for subject in range(n_subjects):
        truth = rng.integers(0, len(STAGES), n_epochs)
        right = rng.random(n_epochs) < np.clip(skill + rng.normal(0, 0.08), 0, 1)
        named = np.where(right, truth, rng.integers(0, len(STAGES), n_epochs))
        nights.append(make_night(truth, named, f"S{subject:03d}"))
    return make_evaluation(*nights)

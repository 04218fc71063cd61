"""Nights in which each stage is one plain wave: whoever can learn, learns them."""

import numpy as np

from somnolens.aasm import RECOMMENDED_DERIVATIONS, STAGES
from somnolens.evaluate.comparison import Nights
from somnolens.evaluate.evaluation import KnownNight
from somnolens.evaluate.systems import LabelledNight, Shown
from somnolens.hypnogram import Hypnogram
from somnolens.read.montage import find_montage
from somnolens.recording import Recording, Signal

RATE_HZ = 100
WAVES = {"W": (10.0, 30.0), "N1": (5.0, 20.0), "N2": (13.0, 25.0), "N3": (1.0, 90.0), "R": (2.0, 15.0)}
"""Frequency and amplitude of each stage."""

NAMES = ("EEG F4-M1", "EEG C4-M1", "EEG O2-M1", "EOG E1-M2", "EOG E2-M2", "EMG chin")


def make_recording(stages: tuple[str, ...], seed: int) -> Recording:
    """Six channels, each the stage's wave in noise; the two eyes mirror each other in R."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(len(stages) * 30 * RATE_HZ) / RATE_HZ
    hz, uv = (np.repeat([WAVES[stage][part] for stage in stages], 30 * RATE_HZ) for part in (0, 1))
    wave = uv * np.sin(2 * np.pi * hz * times_s)
    signals = []
    for name in NAMES:
        sign = -1.0 if name == "EOG E2-M2" else 1.0
        samples_uv = (sign * wave + rng.normal(0, 3, len(wave))).astype(np.float32)
        signals.append(Signal(name, samples_uv, float(RATE_HZ), (-1000.0, 1000.0)))
    return Recording(f"toy{seed}", tuple(signals), len(stages) * 30.0)


def make_night(seed: int, n_epochs: int = 30) -> LabelledNight:
    """A night of runs of three epochs, one epoch unscored."""
    rng = np.random.default_rng([seed, 1])
    runs = [stage for _ in range(-(-n_epochs // 15)) for stage in rng.permutation(STAGES).tolist()]
    stages = tuple(np.repeat(runs, 3)[:n_epochs].tolist())
    truth = Hypnogram(("UNSCORED", *stages[1:]), scorer="expert")
    recording = make_recording(stages, seed)
    known = KnownNight(
        f"toy{seed}",
        f"subject{seed}",
        "toy",
        truth,
        np.zeros((n_epochs, 6), np.uint8),
        tuple(RECOMMENDED_DERIVATIONS),
    )
    return LabelledNight(known, lambda: Shown(recording, find_montage(recording)))


def make_nights(n_training: int = 3, n_validation: int = 1, n_test: int = 2, n_epochs: int = 30) -> Nights:
    """Nights of a small comparison, every one of another subject."""
    ends = np.cumsum([n_training, n_validation, n_test]).tolist()
    splits = (range(begin, end) for begin, end in zip([0, *ends[:-1]], ends, strict=True))
    return Nights(*([make_night(seed, n_epochs) for seed in split] for split in splits))

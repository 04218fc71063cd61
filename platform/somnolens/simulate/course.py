"""How strongly everything in a night is going on, second by second.

Stages change inside epochs; the stage of an epoch is the one that fills most of it (AASM IV.A).
Stages also overlap, as in life: for stretches of seconds to minutes a stage leans towards one of its
neighbours (drowsy wakefulness, N1 with fragments of alpha), but never by half.
"""

from dataclasses import dataclass

import numpy as np
from scipy import signal

from somnolens.aasm import EPOCH_S, SLOW_WAVE_SHARE, STAGES
from somnolens.simulate.chain import N1, N2, N3, R, W
from somnolens.simulate.fitting import cut_bouts
from somnolens.simulate.subject import Subject

LEVELS = {
    #                      W     N1    N2    N3    R     log sd over time
    "background":        (1.00, 0.88, 0.95, 1.05, 0.86, 0.18),
    "fast":              (1.00, 0.72, 0.60, 0.45, 0.70, 0.20),
    "alpha":             (1.00, 0.32, 0.20, 0.16, 0.24, 0.45),
    "theta":             (0.55, 1.00, 1.05, 1.15, 0.95, 0.20),
    "delta":             (0.42, 0.48, 1.00, 1.45, 0.46, 0.32),
    "spindles_per_min":  (0.00, 0.15, 3.60, 1.60, 0.05, 0.50),
    "k_per_min":         (0.00, 0.05, 1.20, 0.50, 0.00, 0.50),
    "vertex_per_min":    (0.00, 2.50, 0.60, 0.00, 0.05, 0.50),
    "sawtooth_per_min":  (0.00, 0.05, 0.00, 0.00, 1.60, 0.70),
    "saccades_per_min":  (4.50, 0.25, 0.00, 0.00, 6.50, 0.80),
    "slow_rolls_per_min": (1.00, 6.00, 0.30, 0.00, 0.40, 0.40),
    "blinks_per_min":    (11.0, 0.50, 0.00, 0.00, 0.20, 0.50),
    "tone":              (1.00, 0.70, 0.55, 0.48, 0.00, 0.18),
    "movements_per_min": (0.25, 0.12, 0.04, 0.02, 0.07, 0.50),
    "arousals_per_min":  (0.00, 0.30, 0.22, 0.05, 0.25, 0.30),
}  # fmt: skip
"""Level of each thing per stage in the average adult, and how much it wanders.

Gains are relative to the stage where the thing is strongest; rates are counts a minute. Spindle and
K-complex densities: Purcell et al. 2017, Nat Commun 8:15930; arousals: Bonnet and Arand 2007, J Clin
Sleep Med 3:271; the rest follows the wording of the manual. Tone in R is the subject's `atonia`.
"""

LEANINGS = {W: (N1,), N1: (W, N2, R), N2: (N1, N1, N3), N3: (N2,), R: (N1, N1, W)}
"""The stages that a stage may look like for a while."""

LEAN_MEAN, LEAN_MAX = 0.22, 0.45
"""How far it leans. Set by what YASA, which learnt on real nights, makes of simulated ones."""

WANDER_S = 40.0
"""Time constant of the wandering of levels."""


@dataclass(frozen=True, eq=False)
class Course:
    """The hidden course of a night.

    Parameters
    ----------
    subject : Subject
    stages : ndarray of int, shape (n_seconds,)
        Stage of each second.
    weights : ndarray, shape (n_seconds, 5)
        What each second looks like: mostly its stage, partly a neighbour.
    eyes_open : ndarray, shape (n_seconds,)
        1 where awake with open eyes, else 0.
    slow_wave_share : ndarray, shape (n_seconds,)
        Share of time that waves of more than 75 microvolts fill.
    arousal : ndarray, shape (n_seconds,)
        0 to 1.
    seed : int
    """

    subject: Subject
    stages: np.ndarray
    weights: np.ndarray
    eyes_open: np.ndarray
    slow_wave_share: np.ndarray
    arousal: np.ndarray
    seed: int

    def level(self, name: str) -> np.ndarray:
        """Level of one thing, second by second, shape (n_seconds,)."""
        *per_stage, wander = LEVELS[name]
        rng = self.stream(f"level {name}")
        return (self.weights @ np.array(per_stage)) * np.exp(wander * draw_wandering(len(self.stages), WANDER_S, rng))

    def stream(self, purpose: str) -> np.random.Generator:
        """Random numbers of their own for each purpose: a change in one leaves the others alone."""
        return np.random.default_rng([self.seed, *purpose.encode()])


def draw_course(stages: np.ndarray, subject: Subject, seed: int) -> Course:
    """Draw the hidden course of a night from its stages.

    Parameters
    ----------
    stages : ndarray of int, shape (n_epochs,)
        Index into `aasm.STAGES`.
    """
    rng = np.random.default_rng([seed, 2])
    seconds = _move_boundaries(stages, rng)
    arousal = _draw_arousals(seconds, subject, rng)
    weights = _lean(seconds, rng)
    weights = _smooth(weights * (1 - 0.7 * arousal[:, None]) + 0.7 * arousal[:, None] * np.eye(len(STAGES))[W])
    eyes_open = _draw_eyes_open(seconds, rng)
    return Course(subject, seconds, weights, eyes_open, _draw_slow_wave_share(seconds, rng), arousal, seed)


def vote(seconds: np.ndarray) -> np.ndarray:
    """The stage that fills most of each epoch."""
    counts = (seconds.reshape(-1, EPOCH_S, 1) == np.arange(len(STAGES))).sum(axis=1)
    return counts.argmax(axis=1)


def draw_wandering(n_seconds: int, time_constant_s: float, rng: np.random.Generator) -> np.ndarray:
    """A first-order autoregressive walk around 0, standard deviation 1, one value a second."""
    keep = np.exp(-1 / time_constant_s)
    steps = rng.standard_normal(n_seconds) * np.sqrt(1 - keep**2)
    steps[0] = rng.standard_normal()
    return signal.lfilter([1], [1, -keep], steps)


def _move_boundaries(stages: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Let stages change inside epochs, so little that each epoch keeps its majority."""
    lengths = np.array([length for _, length in cut_bouts(stages)])
    codes = np.array([stage for stage, _ in cut_bouts(stages)])
    room = np.where(lengths == 1, 7, 14)
    shifts = rng.integers(-room[:-1], room[1:], endpoint=True)
    edges = np.concatenate([[0], np.cumsum(lengths)[:-1] * EPOCH_S + shifts, [len(stages) * EPOCH_S]])
    return np.repeat(codes, np.diff(edges))


def _lean(seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Weights of what each second looks like; stretches of half a minute to a few minutes."""
    weights = np.eye(len(STAGES))[seconds]
    start = 0
    while start < len(seconds):
        stop = start + int(rng.gamma(2, 45)) + 10
        for stage in np.unique(seconds[start:stop]):
            lean = min(LEAN_MAX, rng.exponential(LEAN_MEAN))
            rows = start + np.flatnonzero(seconds[start:stop] == stage)
            weights[rows, stage] -= lean
            weights[rows, rng.choice(LEANINGS[int(stage)])] += lean
        start = stop
    return weights


def _smooth(weights: np.ndarray) -> np.ndarray:
    """Fade over about 5 s: nothing in a brain is switched."""
    window = signal.windows.hann(7, sym=True)[1:-1]
    padded = np.pad(weights, ((2, 2), (0, 0)), mode="edge")
    return signal.convolve(padded, (window / window.sum())[:, None], mode="valid")


def _draw_eyes_open(seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Eyes open and close in bouts of about half a minute, while awake."""
    lengths = rng.gamma(1.2, np.where(np.arange(len(seconds) // 10) % 2, 18, 32)) + 3
    edges = np.minimum(np.cumsum(lengths).astype(int), len(seconds))
    opened = np.zeros(len(seconds))
    for start, stop in zip(edges[:-1:2], edges[1::2], strict=False):
        opened[start:stop] = 1
    return opened * (seconds == W)


def _draw_slow_wave_share(seconds: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """At least the manual's 20 % in N3, less in N2, with N2 near N3 closer to it than other N2."""
    nearness = np.exp(-_distance_s(seconds, N3) / 120)
    depth = 1 / (1 + np.exp(-draw_wandering(len(seconds), 100, rng)))
    n3 = SLOW_WAVE_SHARE + 0.05 + 0.45 * depth**1.5
    n2 = 0.17 * depth * (0.25 + 0.75 * nearness)
    return np.select([seconds == N3, seconds == N2], [n3, n2], 0.0)


def _distance_s(seconds: np.ndarray, stage: int) -> np.ndarray:
    """Seconds to the nearest second of a stage."""
    where = np.flatnonzero(seconds == stage)
    if not len(where):
        return np.full(len(seconds), np.inf)
    here = np.arange(len(seconds))
    after = np.clip(np.searchsorted(where, here), 0, len(where) - 1)
    return np.minimum(np.abs(where[after] - here), np.abs(where[np.maximum(after - 1, 0)] - here))


def _draw_arousals(seconds: np.ndarray, subject: Subject, rng: np.random.Generator) -> np.ndarray:
    """Arousals of 3 to 12 s; one of 15 s or more would end the stage."""
    rate = np.array(LEVELS["arousals_per_min"][: len(STAGES)])[seconds] * subject.arousal_rate
    arousal = np.zeros(len(seconds))
    for start in np.flatnonzero(rng.random(len(seconds)) < rate / 60):
        arousal[start : start + int(rng.integers(3, 13))] = rng.uniform(0.5, 1)
    return arousal

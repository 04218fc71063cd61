"""The order and length of stages: phases of sleep cycles, each a semi-Markov chain of stages.

A night is wakefulness before sleep, then cycles of a NREM phase and a REM phase until the sleep
period is over, then wakefulness. Inside a phase, bouts of stages follow one another with fitted
transition probabilities and fitted bout lengths, which differ from cycle to cycle: N3 comes early,
R late and long. All numbers are in `chain.json`; `fitting.py` makes them from real hypnograms.
"""

import json
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from somnolens.aasm import STAGES

W, N1, N2, N3, R = range(len(STAGES))

Chain = dict[str, Any]

LEVELS = np.linspace(0, 1, 11)
"""The fitted quantiles: minimum, deciles, maximum."""

SETTLING_EPOCHS = (16, 60)
"""Wakefulness before sleep, uniform. An assumption: real recordings run all day and are cropped."""


@cache
def load_chain() -> Chain:
    """The committed fit to 20 hypnograms of Sleep-EDF (SC4001 to SC4092)."""
    return json.loads(resources.files(__package__).joinpath("chain.json").read_text())


def draw_stages(n_epochs: int, rng: np.random.Generator, chain: Chain | None = None) -> np.ndarray:
    """Draw the stages of a night.

    Nothing is stretched or squeezed to the length asked for: 3 h hold about two cycles, because a
    cycle takes about 90 min.

    Returns
    -------
    ndarray of int, shape (n_epochs,)
        Index into `aasm.STAGES`.

    Examples
    --------
    >>> draw_stages(360, np.random.default_rng(1)).shape
    (360,)
    """
    chain = chain or load_chain()
    stages = [W] * int(rng.integers(*SETTLING_EPOCHS, endpoint=True))
    end = len(stages) + _draw_quantile(chain["sleep_period_epochs"], rng)
    cycle = 0
    while len(stages) < min(n_epochs, end):
        for kind in ("nrem", "rem"):
            stages += _draw_phase(chain[kind][min(cycle, len(chain[kind]) - 1)], kind, rng)
        cycle += 1
    stages = stages[: min(n_epochs, end)] + [W] * max(0, n_epochs - end)
    return np.array(stages[:n_epochs])


def _draw_phase(phase: Chain, kind: str, rng: np.random.Generator) -> list[int]:
    """Bouts until the end of a bout is nearest to the drawn length of the phase."""
    target = _draw_quantile(phase["epochs"], rng)
    stage, stages = _draw_stage(phase["first"], rng), []
    while True:
        bout = _draw_quantile(phase["bouts"][STAGES[stage]], rng)
        too_far = len(stages) + bout - target > target - len(stages)
        if stages and too_far and _may_end(stages[-1], kind):
            return stages
        stages += [stage] * bout
        if len(stages) >= target and _may_end(stage, kind):
            return stages
        stage = _draw_stage(phase["next"][STAGES[stage]], rng)


def _may_end(stage: int, kind: str) -> bool:
    """A REM phase ends, by definition, with its last R; from N3 nobody falls into R."""
    return stage == R if kind == "rem" else stage != N3


def _draw_stage(probabilities: list[float], rng: np.random.Generator) -> int:
    return int(rng.choice(len(STAGES), p=probabilities))


def _draw_quantile(quantiles: list[float], rng: np.random.Generator) -> int:
    """Draw a length from its fitted quantiles, straight lines between them."""
    return max(1, round(float(np.interp(rng.random(), LEVELS, quantiles))))

"""Fit the chain of stages to real hypnograms: `python -m somnolens.simulate.fitting FOLDER > chain.json`.

The folder holds EDF+ hypnograms in the Sleep-EDF manner. Stages 3 and 4 become N3, other texts are
dropped, wakefulness is cropped to 30 min around sleep: the usual handling of this cohort.
"""

import json
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyedflib

from somnolens.aasm import EPOCH_S, STAGES
from somnolens.simulate.chain import LEVELS, N1, Chain, R, W

SLEEP_EDF_TEXTS = {
    "Sleep stage W": "W",
    "Sleep stage 1": "N1",
    "Sleep stage 2": "N2",
    "Sleep stage 3": "N3",
    "Sleep stage 4": "N3",
    "Sleep stage R": "R",
}
CROP_EPOCHS = 60
REM_GAP_EPOCHS = 30
"""R separated by less than 15 min belongs to one REM phase (Feinberg and Floyd 1979)."""

N_CYCLES = 3
"""Cycles fitted on their own; the last stands for itself and all later ones."""

Bout = tuple[int, int]


def fit_chain(nights: Sequence[np.ndarray]) -> Chain:
    """Fit transition probabilities and bout lengths per phase of the cycle.

    Parameters
    ----------
    nights : sequence of ndarray of int, shape (n_epochs,)
        Stages as index into `aasm.STAGES`, wakefulness around sleep included or not.
    """
    phases = [list(_cut_phases(_cut_to_sleep(night))) for night in nights]
    return {
        "sleep_period_epochs": _quantiles([len(_cut_to_sleep(night)) for night in nights]),
        "shares": summarise(nights)[0],
        "mean_bouts": summarise(nights)[1],
        **{kind: [_fit_phase(_of_cycle(phases, kind, cycle)) for cycle in range(N_CYCLES)] for kind in ("nrem", "rem")},
    }


def summarise(nights: Sequence[np.ndarray]) -> tuple[dict[str, float], dict[str, float]]:
    """Share of each stage, and mean bout length in epochs, from sleep onset to the last sleep."""
    bouts = [bout for night in nights for bout in cut_bouts(_cut_to_sleep(night))]
    lengths = {name: [length for stage, length in bouts if stage == code] for code, name in enumerate(STAGES)}
    total = sum(length for _, length in bouts)
    shares = {name: round(sum(values) / total, 4) for name, values in lengths.items()}
    return shares, {name: round(float(np.mean(values or [0])), 3) for name, values in lengths.items()}


def cut_bouts(stages: np.ndarray) -> list[Bout]:
    """Runs of equal stages as (stage, length)."""
    edges = np.concatenate([[0], np.flatnonzero(np.diff(stages)) + 1, [len(stages)]])
    return [(int(stages[start]), int(stop - start)) for start, stop in pairwise(edges)]


def read_night(path: Path) -> np.ndarray:
    """Read one Sleep-EDF hypnogram as stage codes, wakefulness cropped to 30 min around sleep."""
    with pyedflib.EdfReader(str(path)) as reader:
        _, durations_s, texts = reader.readAnnotations()
    known = [(SLEEP_EDF_TEXTS[t], d) for t, d in zip(texts, durations_s, strict=True) if t in SLEEP_EDF_TEXTS]
    night = np.concatenate([[STAGES.index(stage)] * round(float(d) / EPOCH_S) for stage, d in known])
    asleep = np.flatnonzero(night != W)
    return night[max(0, asleep[0] - CROP_EPOCHS) : asleep[-1] + CROP_EPOCHS + 1]


def _cut_to_sleep(night: np.ndarray) -> np.ndarray:
    asleep = np.flatnonzero(night != W)
    return night[asleep[0] : asleep[-1] + 1]


def _cut_phases(stages: np.ndarray):
    """Yield (kind, stages of the phase), NREM and REM in turn."""
    rem = np.flatnonzero(stages == R)
    breaks = np.flatnonzero(np.diff(rem) > REM_GAP_EPOCHS)
    starts, stops = rem[np.concatenate([[0], breaks + 1])], rem[np.concatenate([breaks, [len(rem) - 1]])] + 1
    done = 0
    for start, stop in zip(starts, stops, strict=True):
        yield "nrem", stages[done:start]
        yield "rem", stages[start:stop]
        done = stop


def _of_cycle(nights: list[list[tuple[str, np.ndarray]]], kind: str, cycle: int) -> list[np.ndarray]:
    chosen = []
    for phases in nights:
        same = [stages for name, stages in phases if name == kind and len(stages)]
        chosen += same[cycle:] if cycle == N_CYCLES - 1 else same[cycle : cycle + 1]
    return chosen


def _fit_phase(phases: list[np.ndarray]) -> Chain:
    bouts = [cut_bouts(stages) for stages in phases]
    first = np.bincount([chain[0][0] for chain in bouts], minlength=len(STAGES))
    counts = np.zeros((len(STAGES), len(STAGES)))
    for chain in bouts:
        for (stage, _), (after, _) in pairwise(chain):
            counts[stage, after] += 1
    lengths = [[length for chain in bouts for stage, length in chain if stage == code] for code in range(len(STAGES))]
    return {
        "epochs": _quantiles([len(stages) for stages in phases]),
        "first": _shares(first),
        "next": {name: _shares(counts[code]) for code, name in enumerate(STAGES)},
        "bouts": {name: _quantiles(lengths[code] or [1]) for code, name in enumerate(STAGES)},
    }


def _shares(counts: np.ndarray) -> list[float]:
    """Probabilities that sum to 1 after rounding; a stage never left goes to N1."""
    total = counts.sum()
    shares = np.round(counts / total, 4) if total else np.eye(len(STAGES))[N1]
    shares[int(np.argmax(shares))] += 1 - shares.sum()
    return [round(float(share), 4) for share in shares]


def _quantiles(values: list[int]) -> list[float]:
    return [round(float(value), 2) for value in np.quantile(values, LEVELS)]


if __name__ == "__main__":
    print(json.dumps(fit_chain([read_night(path) for path in sorted(Path(sys.argv[1]).glob("*.edf"))]), indent=1))

"""Explaining with the embedded model: heat of one epoch, the evidence of a night, and what the evidence is worth."""

import time
from typing import Any

import numpy as np

from somnolens.config import ScoreSettings, SimulateSettings
from somnolens.explain.evidence import measure_night
from somnolens.explain.night import explain_night
from somnolens.explain.occlusion import occlude_signal
from somnolens.explain.support import measure_support
from somnolens.prepare.night import prepare_epochs
from somnolens.read.montage import find_montage
from somnolens.score.engine import Engine, load_engine
from somnolens.score.night import score_epochs
from somnolens.simulate.night import simulate_night, subject_seed
from somnolens.simulate.subject import draw_subject

N_EPOCHS = 960
NEW_SUBJECTS = SimulateSettings(n_subjects=6, hours=3.0, seed=505)
"""Subjects that neither the adapter nor any threshold of the detectors has seen."""


def measure() -> list[dict]:
    """Rows of the benchmark table."""
    engine = load_engine("embedded")
    return [*_time_explanations(engine), *_measure_worth(engine)]


def _time_explanations(engine: Engine) -> list[dict]:
    recording, _ = simulate_night(draw_subject(61), hours=N_EPOCHS / 120, seed=61)
    epochs = prepare_epochs(recording, find_montage(recording))
    occlude_signal(epochs, 3, engine, cell_s=10.0)
    started = time.perf_counter()
    heat = occlude_signal(epochs, 500, engine)
    epoch_s = time.perf_counter() - started
    assert heat.values.shape == (6, 30)
    assert np.all(heat.values != 0)
    measure_night(epochs)  # compiles what YASA compiles
    started = time.perf_counter()
    measure_night(epochs)
    night_s = time.perf_counter() - started
    return [
        describe("explain.epoch_s", epoch_s, "s for 180 cells, all cores", "<=15", higher_is_better=False),
        describe("explain.night_s", night_s, "s for the evidence of 960 epochs", None, higher_is_better=False),
    ]


def _measure_worth(engine: Engine) -> list[dict]:
    """How often the evidence supports right answers and wrong ones, on subjects that nothing was made on."""
    judged = []
    for index in range(NEW_SUBJECTS.n_subjects):
        seed = subject_seed(index, NEW_SUBJECTS)
        recording, hypnogram = simulate_night(draw_subject(seed), NEW_SUBJECTS.hours, seed)
        epochs = prepare_epochs(recording, find_montage(recording))
        scored = score_epochs(epochs, engine, ScoreSettings().batch_size)
        judged.append((explain_night(epochs, scored.hypnogram), hypnogram.codes()))
    support = measure_support(judged)
    return [
        describe("explain.support_gap", 100 * support.gap().value, "points, right answers less wrong ones", ">=20"),
        describe("explain.support_right", 100 * support.rate(right=True).value, "% of right answers supported", None),
        describe("explain.support_wrong", 100 * support.rate(right=False).value, "% of wrong answers supported", None),
    ]


def describe(name: str, value: float, unit: str, bar: str | None, **more: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "higher_is_better": True, "bar": bar} | more

"""Explaining with the embedded model: heat of one epoch, and the evidence of a night."""

import time

import numpy as np

from somnolens.explain.evidence import measure_night
from somnolens.explain.occlusion import occlude_signal
from somnolens.prepare.night import prepare_epochs
from somnolens.read.montage import find_montage
from somnolens.score.engine import load_engine
from somnolens.simulate.night import simulate_night
from somnolens.simulate.subject import draw_subject

N_EPOCHS = 960


def measure() -> list[dict]:
    """Rows of the benchmark table."""
    engine = load_engine("embedded")
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
        {
            "name": "explain.epoch_s",
            "value": epoch_s,
            "unit": "s for 180 cells, all cores",
            "higher_is_better": False,
            "bar": "<=15",
        },
        {
            "name": "explain.night_s",
            "value": night_s,
            "unit": "s for the evidence of 960 epochs",
            "higher_is_better": False,
            "bar": None,
        },
    ]

"""Scoring a whole night with the embedded model, from EDF to hypnogram."""

import tempfile
import time
from pathlib import Path

from somnolens.config import ScoreSettings, SimulateSettings
from somnolens.score.engine import load_engine
from somnolens.score.night import score_recording
from somnolens.simulate.night import simulate_subject

N_EPOCHS = 960


def measure() -> list[dict]:
    """Rows of the benchmark table."""
    engine = load_engine("embedded")
    with tempfile.TemporaryDirectory() as folder:
        path = simulate_subject(0, SimulateSettings(hours=N_EPOCHS / 120, seed=11), Path(folder))
        score_recording(simulate_subject(0, SimulateSettings(hours=0.1, seed=12), Path(folder) / "warm"), engine)
        started = time.perf_counter()
        scored = score_recording(path, engine, ScoreSettings().batch_size)
        seconds = time.perf_counter() - started
    assert len(scored.hypnogram) == N_EPOCHS
    return [
        {
            "name": "score.night_s",
            "value": seconds,
            "unit": "s for 960 epochs, all cores",
            "higher_is_better": False,
            "bar": "<=45",
        },
        {
            "name": "score.epochs_per_s",
            "value": N_EPOCHS / seconds,
            "unit": "epochs/s, all cores",
            "higher_is_better": True,
            "bar": None,
        },
    ]

"""From EDF on disk to a Parquet shard, against matplotlib drawing the same epochs, on one core."""

import tempfile
import time
from pathlib import Path

from somnolens.config import SimulateSettings
from somnolens.dataset.rows import encode_shard, read_night
from somnolens.read.cohorts import find_nights
from somnolens.simulate.night import simulate_subject
from tests.benchmarks.bench_render import N_MATPLOTLIB, STYLE, draw_with_matplotlib, time_per_epoch

HOURS = 3.0


def measure() -> list[dict]:
    """Rows of the benchmark table."""
    with tempfile.TemporaryDirectory() as folder:
        simulate_subject(0, SimulateSettings(hours=HOURS, seed=11), Path(folder))
        night = find_nights(Path(folder), "simulated")[0]
        encode_shard(night, "train", STYLE, read_night(night, STYLE.prepare))  # compiles
        started = time.process_time()
        scored = read_night(night, STYLE.prepare)
        encode_shard(night, "train", STYLE, scored)
        ours_s = time.process_time() - started
    draw_with_matplotlib(scored.epochs.signals_uv[0])
    some = scored.epochs.signals_uv[:N_MATPLOTLIB]
    theirs_s = len(scored.epochs) * time_per_epoch(
        lambda signals: [draw_with_matplotlib(one) for one in signals], some, 3
    )
    return [
        {
            "name": "dataset.ratio_matplotlib",
            "value": theirs_s / ours_s,
            "unit": "times",
            "ratio_to": "matplotlib drawing the same night, nothing else",
            "higher_is_better": True,
            "bar": ">=20",
        },
        {
            "name": "dataset.night_s",
            "value": ours_s,
            "unit": "s of one core for a 3-h night",
            "higher_is_better": False,
            "bar": None,
        },
    ]

"""Does the search pay? Twelve trials; then the best settings and the defaults, both with three seeds.

The seeds are new ones, and judged are subjects that neither the search nor any training has seen, so that what the
search won by choosing the luckiest trial does not count.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from scipy import stats

from somnolens.config import Settings, read_settings
from somnolens.evaluate.evaluation import evaluate_adapter
from somnolens.jobs.arguments import DEMO_CONFIG
from somnolens.jobs.build_dataset import build
from somnolens.jobs.cluster import LOG_FILE, cluster
from somnolens.jobs.search_hyperparameters import search
from somnolens.jobs.simulate_nights import simulate
from somnolens.jobs.train_adapter import train
from somnolens.score.engine import load_engine
from somnolens.train.study import place_values

SETTINGS = read_settings(
    DEMO_CONFIG,
    ["simulate.n_subjects=16", "simulate.hours=2", "simulate.seed=707", "search.n_trials=12", "train.max_failures=0"],
)
SEEDS = (101, 102, 103)


def measure(folder: Path | None = None) -> list[dict]:
    """Rows of the benchmark table; with a folder, everything made on the way is kept there."""
    if folder is None:
        with tempfile.TemporaryDirectory() as made:
            return measure(Path(made))
    with cluster(folder / LOG_FILE, SETTINGS.train.n_workers + 1) as console:
        nights = folder / "nights"
        simulate(SETTINGS, nights, console)
        dataset = build(nights, folder / "dataset", SETTINGS, console)
        started = time.perf_counter()
        found = search(dataset.folder, folder / "search", SETTINGS, console)
        minutes = (time.perf_counter() - started) / 60
        best = place_values(SETTINGS.model_dump(mode="json"), found.best.values)
        kappas = {
            name: [learn_and_judge(settings, seed, dataset, folder / f"{name}-{seed}", console) for seed in SEEDS]
            for name, settings in (("best", best), ("default", SETTINGS))
        }
    return describe(minutes, kappas["best"], kappas["default"])


def learn_and_judge(settings: Settings, seed: int, dataset, run: Path, console: Console) -> float:
    """Cohen's kappa on the test subjects of one training."""
    seeded = settings.model_copy(update={"train": settings.train.model_copy(update={"seed": seed})})
    train(dataset.folder, run, seeded, console)
    return evaluate_adapter(load_engine(run / "adapter"), dataset, "test").pooled.kappa


def describe(minutes: float, best: list[float], default: list[float]) -> list[dict]:
    """Rows with the 95 % interval of the mean gain over seeds (Student's t, paired).

    Where the search finds nothing better than the defaults, both are the same training, and the gain is zero for sure.
    """
    gains = np.subtract(best, default)
    spread = stats.sem(gains) * stats.t.ppf(0.975, len(gains) - 1)
    low, high = np.mean(gains) - spread, np.mean(gains) + spread
    unit = "Cohen's kappa on new subjects, mean of 3 seeds"
    rows = [
        ("search.minutes_12_trials", minutes, "min", False, "<=20"),
        ("search.kappa_best", np.mean(best), unit, True, None),
        ("search.kappa_default", np.mean(default), unit, True, None),
        ("search.gain_low", low, "of best over default, 95 % interval over 3 seeds", None, None),
        ("search.gain_high", high, "of best over default, 95 % interval over 3 seeds", None, None),
    ]
    names = ("name", "value", "unit", "higher_is_better", "bar")
    return [dict(zip(names, (name, round(float(value), 4), *rest), strict=True)) for name, value, *rest in rows]

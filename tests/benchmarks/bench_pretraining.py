"""Whether pre-training pays: the same LoRA on the embedded model and on its shape with random weights.

Both learn from the same nights with the same settings and the same number of steps, and name the epochs of
subjects neither has seen; once from all training nights, once from a few of them. Hard nights are the half
of the test nights that YASA agrees with least. Epoch by epoch, without the night-level step.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import cohen_kappa_score

from somnolens.config import ModelSettings, Settings, SimulateSettings
from somnolens.model.adapters import attach_lora, prepare_looker
from somnolens.model.architecture import build_model, write_model
from somnolens.prepare.night import prepare_epochs
from somnolens.read.montage import find_montage
from somnolens.render.pictures import render_epochs
from somnolens.render.png import encode_png
from somnolens.render.style import Style
from somnolens.simulate.night import simulate_night, subject_seed
from somnolens.simulate.subject import draw_subject
from somnolens.train.loop import run_training, score_rows
from somnolens.train.rows import Rows
from tests.benchmarks.bench_simulate import stage_with_yasa

NIGHTS = SimulateSettings(n_subjects=12, hours=2.0, seed=606)
N_TRAINING, N_FEW = 6, 1
STEPS_IN_PASSES = 3
"""Passes over all training nights; over a few, as many steps."""

SETTINGS = Settings(train={"n_workers": 1})
STYLE = Style(SETTINGS.render, SETTINGS.prepare)


@dataclass(frozen=True, eq=False)
class Night:
    """Pictures and right answer of a night, and how well YASA does on it."""

    images: list[bytes]
    codes: np.ndarray
    yasa_kappa: float


def measure() -> list[dict]:
    """Rows of the benchmark table."""
    nights = [draw_night(index) for index in range(NIGHTS.n_subjects)]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_model(*build_model(seed=0), Path(folder), {"weights": "random"})
        for label, base in (("embedded", "embedded"), ("random", folder)):
            rows += measure_base(label, ModelSettings(base=base), nights)
    return rows


def draw_night(index: int) -> Night:
    seed = subject_seed(index, NIGHTS)
    recording, hypnogram = simulate_night(draw_subject(seed), NIGHTS.hours, seed)
    epochs = prepare_epochs(recording, find_montage(recording))
    images = [encode_png(picture, STYLE.palette) for picture in render_epochs(epochs, STYLE)]
    codes = hypnogram.codes()
    return Night(images, codes, cohen_kappa_score(codes, stage_with_yasa(recording)))


def measure_base(label: str, model: ModelSettings, nights: list[Night]) -> list[dict]:
    """Kappa on all and on hard test nights, after learning from all and from a few training nights."""
    settings = SETTINGS.model_copy(update={"model": model})
    training, testing = nights[:N_TRAINING], nights[N_TRAINING:]
    hard = sorted(testing, key=lambda night: night.yasa_kappa)[: len(testing) // 2]
    features = {id(night): see(settings, night) for night in nights}
    rows = []
    for amount, chosen in (("all", training), ("few", training[:N_FEW])):
        named = learn_and_name(settings, chosen, testing, features, STEPS_IN_PASSES * N_TRAINING // len(chosen))
        for which, asked in (("", testing), ("_hard", hard)):
            truth = np.concatenate([night.codes for night in asked])
            kappa = cohen_kappa_score(truth, np.concatenate([named[id(night)] for night in asked]))
            rows.append(describe(f"pretraining.kappa_{label}_{amount}{which}", kappa))
    return rows


@torch.inference_mode()
def see(settings: Settings, night: Night) -> np.ndarray:
    """Vision features of a night: LoRA on the language side leaves them as they are."""
    looker, rows = prepare_looker(settings, STYLE).eval(), Rows(night.codes, night.images)
    batches = np.array_split(np.arange(len(rows)), max(1, len(rows) // 32))
    return np.concatenate([looker.see(rows.take(places)).half().numpy() for places in batches])


def learn_and_name(
    settings: Settings, training: list[Night], testing: list[Night], features: dict[int, np.ndarray], passes: int
) -> dict[int, np.ndarray]:
    """Stage codes of each test night, by its id."""

    def gather(nights: list[Night]) -> Rows:
        codes = np.concatenate([night.codes for night in nights])
        return Rows(codes, [], np.concatenate([features[id(night)] for night in nights]))

    train = settings.train.model_copy(update={"passes": passes})
    torch.manual_seed(train.seed)
    looker = prepare_looker(settings, STYLE)
    attach_lora(looker, train)
    rows = gather(training)
    run_training(looker, rows, Rows(rows.codes[:32], [], rows.features[:32]), train, lambda figures, save: None)
    return {id(night): score_rows(looker, gather([night]), np.arange(len(night.codes))).argmax(1) for night in testing}


def describe(name: str, kappa: float) -> dict:
    return {
        "name": name,
        "value": round(float(kappa), 4),
        "unit": "Cohen's kappa on new subjects",
        "higher_is_better": True,
        "bar": None,
    }

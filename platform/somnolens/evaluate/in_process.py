"""Datasets and adapters made in this one process, without Ray: for comparisons of many small trainings.

The steps are those of jobs/build_dataset.py and jobs/train_adapter.py, by the same functions: shards, cached vision
features, the training loop, the night-level step. Only who runs them differs. One process takes whole batches, which
gives the same gradient as workers that share them.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from somnolens.config import Settings
from somnolens.dataset.manifest import Dataset, open_training_dataset, write_manifest
from somnolens.dataset.rows import build_shard
from somnolens.dataset.splits import split_subjects
from somnolens.model.adapter_card import AdapterCard
from somnolens.model.adapters import attach_lora, make_card, prepare_looker, write_adapter
from somnolens.model.base import choose_device
from somnolens.read.night import Night
from somnolens.render.style import Style
from somnolens.score.fitting import finish_adapter
from somnolens.train.features import cache_features, load_training_rows
from somnolens.train.loop import run_training

Report = Callable[[str], None]


def build_here(
    nights: Sequence[Night], folder: Path, settings: Settings, report: Report = lambda note: None
) -> Dataset:
    """Render nights to a dataset folder, one after the other.

    Raises
    ------
    DatasetError
        Where not one night could be used.
    """
    style = Style(settings.render, settings.prepare)
    shares = settings.dataset.validation_share, settings.dataset.test_share
    splits = split_subjects((night.subject for night in nights), *shares, settings.dataset.split_seed)
    reports = []
    for night in nights:
        reports.append(build_shard(night, splits[night.subject], style, folder, settings.dataset))
        report(f"drew {night.night}")
    return write_manifest(folder, reports, settings, style)


def train_here(dataset: Path, run: Path, settings: Settings, report: Report = lambda note: None) -> AdapterCard:
    """Train one adapter into `run/adapter`: the weights of the report with the best validation kappa.

    Parameters
    ----------
    dataset : Path
        Dataset folder.
    run : Path
        Folder of this run.
    settings : Settings
        Batches are not shared: `train.n_workers` is not looked at.
    report : callable
        Hears how it goes.

    Raises
    ------
    DatasetError
    BaseModelError
    """
    opened = open_training_dataset(dataset, settings)
    cache_features(settings, opened, run / "cache", lambda done, total: report(f"looked at {done} of {total}"))
    torch.manual_seed(settings.train.seed)
    rows, validation = load_training_rows(settings, opened, run / "cache")
    looker = prepare_looker(settings, opened.style).to(choose_device())
    attach_lora(looker, settings.train)
    looker.to(choose_device())
    card = make_card(settings, opened.style, opened.summary)
    best = [-2.0]

    def keep_best(figures: dict[str, Any], save: Callable[[Path], None]) -> None:
        report(f"pass {figures['passes']:.2f}: validation kappa {figures['kappa']:.3f}")
        if figures["kappa"] > best[0]:
            best[0] = figures["kappa"]
            shutil.rmtree(run / "adapter", ignore_errors=True)
            write_adapter(run / "adapter", looker.model, card)

    run_training(looker, rows, validation, settings.train, keep_best)
    return finish_adapter(run / "adapter", opened)

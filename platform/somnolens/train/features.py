"""Vision features computed once, for every pass and every trial that leaves the vision side alone."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from somnolens.config import Settings
from somnolens.dataset.manifest import Dataset
from somnolens.model.adapters import prepare_looker
from somnolens.model.base import Looker, choose_device, identify_base
from somnolens.model.lanes import plan_lanes, run_lanes
from somnolens.provenance import fingerprint
from somnolens.storage import is_here, keep_copy, locate_copy, put_file
from somnolens.train.ahead import read_ahead
from somnolens.train.rows import Rows, hide_at_random, load_rows, spread_evenly

_BATCH = 32


def locate_features(cache: Path, settings: Settings, dataset: Dataset, split: str) -> Path:
    """File of a split's features, named after all that decides them."""
    train = settings.train
    chosen = [train.hide_share, train.seed] if split == "train" else train.max_validation_rows
    key = [
        identify_base(settings.model),
        settings.model.tiles,
        dataset.manifest["fingerprint"],
        dataset.style.hash,
        chosen,
        split,
    ]
    key += [settings.model.n_pictures] * (settings.model.n_pictures > 1)
    key += [f"gain {train.gain_range}"] * (split == "train" and train.gain_range > 1)
    return cache / f"features-{split}-{fingerprint(key)}.npy"


def load_training_rows(settings: Settings, dataset: Dataset, cache: Path) -> tuple[Rows, Rows]:
    """Training and validation rows; with features where `cache_features` has left them."""
    loaded = []
    for split in ("train", "validation"):
        rows = _choose_rows(settings, dataset, split)
        path = locate_features(cache, settings, dataset, split)
        if settings.train.may_cache and path.is_file():
            here = path if is_here(path) else keep_copy(path)
            rows = replace(rows, features=np.load(here, mmap_mode="r"))
        loaded.append(rows)
    return loaded[0], loaded[1]


def cache_features(
    settings: Settings, dataset: Dataset, cache: Path, report: Callable[[int, int], None] = lambda done, total: None
) -> None:
    """Do all that `write_features` does, and tell of it as it goes on."""
    for done, total in write_features(settings, dataset, cache):
        report(done, total)


def write_features(settings: Settings, dataset: Dataset, cache: Path) -> Iterator[tuple[int, int]]:
    """Run the vision side over the training and validation rows and keep its features as float16.

    Parameters
    ----------
    settings : Settings
        Nothing is done where `train.may_cache` says no, the files are there, or `train.max_cache_gb` would be passed.
    cache : Path
        Folder of the files, of this machine or of a store.

    Yields
    ------
    done, total
        Pictures, as the work goes on.
    """
    if not settings.train.may_cache:
        return
    splits = {split: _choose_rows(settings, dataset, split) for split in ("train", "validation")}
    todo = {s: rows for s, rows in splits.items() if not locate_features(cache, settings, dataset, s).is_file()}
    if not todo:
        return
    looker = prepare_looker(settings, dataset.style).to(choose_device()).eval()
    if measure_features(looker, splits) > settings.train.max_cache_gb * 1e9:
        return
    done, total = 0, sum(len(rows.images) for rows in todo.values())
    for split, rows in todo.items():
        path = locate_features(cache, settings, dataset, split)
        for done_here in _write_features(looker, rows, path):
            yield done + done_here, total
        done += len(rows.images)


@torch.inference_mode()
def measure_features(looker: Looker, splits: dict[str, Rows]) -> int:
    """Bytes on disk of the features of all pictures, reckoned from those of one."""
    one = looker.see(next(iter(splits.values())).draw(np.zeros(1, int)).to(next(looker.parameters()).device))
    return 2 * one.numel() * sum(len(rows.images) for rows in splits.values())


def _choose_rows(settings: Settings, dataset: Dataset, split: str) -> Rows:
    train = settings.train
    if split == "train" and train.gain_range > 1:
        dataset = dataset.vary_gain(train.gain_range, train.seed)
    rows = load_rows(dataset, split, settings.model.n_pictures)
    if split == "train":
        hide = hide_at_random(len(rows.images), train.hide_share, train.seed, dataset.style)
        return replace(rows, hide=hide)
    return rows.pick(spread_evenly(len(rows), train.max_validation_rows))


def _write_features(looker: Looker, rows: Rows, path: Path) -> Iterator[int]:
    """Yield the number of pictures done; the file appears under its name only when it is whole."""
    here = path if is_here(path) else locate_copy(path)
    here.parent.mkdir(parents=True, exist_ok=True)
    temporary = here.with_suffix(f".tmp-{os.getpid()}")
    device = next(looker.parameters()).device
    n_images = len(rows.images)
    parts = np.split(np.arange(n_images), range(_BATCH, n_images, _BATCH))
    file = None
    for places, shown in read_ahead(parts, rows.draw, n_ahead=2):
        features = _see(looker, shown.to(device))
        if file is None:
            shape = (n_images, *features.shape[1:])
            file = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float16, shape=shape)
        file[places] = features
        yield int(places[-1]) + 1
    file.flush()
    os.replace(temporary, here)
    if not is_here(path):
        put_file(here, path)


def _see(looker: Looker, pictures: torch.Tensor) -> np.ndarray:
    @torch.inference_mode()
    def see(lane: slice) -> np.ndarray:
        return looker.see(pictures[lane]).half().cpu().numpy()

    return np.concatenate(run_lanes(see, plan_lanes(len(pictures), _BATCH, pictures.device)))

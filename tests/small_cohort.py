"""A few short nights on disk, and the settings that go with them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from somnolens.config import Settings, read_settings
from somnolens.dataset.manifest import Dataset, write_manifest, write_report
from somnolens.dataset.rows import build_shard
from somnolens.dataset.splits import split_subjects
from somnolens.hypnogram import Hypnogram
from somnolens.read.cohorts import find_nights
from somnolens.read.night import Night
from somnolens.recording import Recording
from somnolens.render.style import Style
from somnolens.simulate.night import simulate_night
from somnolens.simulate.subject import draw_subject
from somnolens.simulate.writing import write_hypnogram, write_recording
from somnolens.storage import list_names

STAGES = ("W", "N1", "N2", "N3", "R", "UNSCORED", "N2", "W")
"""What the scorer of every small night wrote: each stage, and an epoch nobody scored."""

N_EPOCHS = len(STAGES)

SETTINGS = (
    "dataset.cohort=simulated",
    "dataset.n_workers=2",
    "train.passes=2",
    "train.batch_size=8",
    "train.lora_rank=4",
    "score.batch_size=8",
)
"""As `--set` takes them."""


def write_small_cohort(folder: Path, n_subjects: int) -> Path:
    """Write short simulated nights under different names: one signal, each time weaker, so that no two look alike."""
    recording, _ = simulate_night(draw_subject(3), hours=N_EPOCHS / 120, seed=3)
    for number in range(1, n_subjects + 1):
        write_small_night(change_gain(recording, 1 / (1 + 0.02 * (number - 1))), folder, f"SIM{number:03d}")
    return folder


def change_gain(recording: Recording, gain: float) -> Recording:
    """The same recording with all samples times `gain`."""
    signals = tuple(replace(signal, samples_uv=gain * signal.samples_uv) for signal in recording.signals)
    return replace(recording, signals=signals)


def write_small_night(recording: Recording, folder: Path, name: str) -> Path:
    """Write one night and its scoring; the path of its recording is returned."""
    path = folder / f"{name}-PSG.edf"
    write_hypnogram(Hypnogram(STAGES), folder / f"{name}-Hypnogram.edf", recording.start)
    write_recording(recording, path)
    return path


def small_settings(base: Path | str, *more: str) -> Settings:
    """Settings of short runs on a base model folder."""
    return read_settings(overrides=[*SETTINGS, f"model.base={base}", *more])


def build_without_ray(nights: Path, folder: Path, settings: Settings) -> Dataset:
    """What jobs/build_dataset.py does, one night after the other in this process."""
    return build_one_by_one(find_nights(nights, settings.dataset.cohort), folder, settings)


def build_one_by_one(nights: Sequence[Night], folder: Path, settings: Settings) -> Dataset:
    """What `build_dataset` does, one night after the other in this process."""
    style = Style(settings.render, settings.prepare)
    shares = settings.dataset.validation_share, settings.dataset.test_share
    splits = split_subjects((night.subject for night in nights), *shares, settings.dataset.split_seed)
    reports = []
    for night in nights:
        reports.append(replace(build_shard(night, splits[night.subject], style, folder, settings.dataset), seconds=0.0))
        write_report(folder, reports[-1], style.hash)
    return write_manifest(folder, reports, settings, style)


def find_shard(folder: Path, night: str) -> Path:
    """The shard of a night, whatever its split."""
    (shard,) = folder.glob(f"shards/*/night={night}/part-0.parquet")
    return shard


def read_outputs(folder: Path) -> dict[str, bytes]:
    """What a dataset folder holds, but for the tables that tell the time."""
    left_out = ("nights.csv", "failures.csv", "report.json", "ray.log")
    return {name: (folder / name).read_bytes() for name in list_names(folder) if not name.endswith(left_out)}

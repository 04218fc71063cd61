"""A small dataset, and a base model of random weights, for real training runs of a few steps."""

from pathlib import Path

import pytest

from somnolens.config import Settings
from somnolens.dataset.manifest import Dataset
from tests.small_cohort import build_without_ray, small_settings, write_small_cohort


@pytest.fixture(scope="session")
def short_settings(adapter_folder: Path) -> Settings:
    """Two passes of three steps on two workers."""
    return small_settings(adapter_folder.parent / "base", "train.max_failures=1")


@pytest.fixture(scope="session")
def small_dataset(short_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Three short nights to learn from, one to validate on, one to test on; never written to."""
    folder = tmp_path_factory.mktemp("learning")
    return build_without_ray(write_small_cohort(folder / "nights", 5), folder / "dataset", short_settings)

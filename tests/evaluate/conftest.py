"""A small dataset, opened, for the tests of this folder."""

from pathlib import Path

import pytest

from somnolens.dataset.manifest import Dataset
from tests.small_cohort import build_without_ray, small_settings, write_small_cohort


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory: pytest.TempPathFactory, adapter_folder: Path) -> Dataset:
    """Five short nights: three to learn from, one to validate on, one to test on; never written to."""
    folder = tmp_path_factory.mktemp("evaluated")
    settings = small_settings(adapter_folder.parent / "base")
    return build_without_ray(write_small_cohort(folder / "nights", 5), folder / "dataset", settings)

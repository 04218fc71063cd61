"""What people and the `datasets` library make of a dataset folder."""

import re

import numpy as np
import pytest

from somnolens.dataset.manifest import Dataset
from somnolens.dataset.rows import SCHEMA
from somnolens.render.png import encode_png
from tests.small_cohort import STAGES, build_without_ray, small_settings, write_small_cohort


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    folder = tmp_path_factory.mktemp("card")
    return build_without_ray(write_small_cohort(folder / "nights", 5), folder / "dataset", small_settings("embedded"))


def test_the_datasets_library_shows_every_split_as_pictures(dataset, tmp_path):
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(dataset.folder), cache_dir=str(tmp_path))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 24, "validation": 8, "test": 8}
    assert loaded["test"]["stage"] == list(STAGES)
    (night,) = dataset.nights("test")
    shown = np.asarray(loaded["test"][2]["image"])
    np.testing.assert_array_equal(shown, dataset.read_pictures(night)[2])
    assert encode_png(shown, dataset.style.palette) == dataset.read_images(night)[2]


def test_the_card_counts_stages_and_names_style_and_licence(dataset):
    card = (dataset.folder / "README.md").read_text()
    assert "| train | 3 | 6 | 3 | 6 | 3 | 3 | 3 |" in card
    assert dataset.style.hash in card
    assert "the terms of the source cohorts apply" in card


def test_every_column_of_the_shards_is_named_in_the_card(dataset):
    card = (dataset.folder / "README.md").read_text()
    columns = card.partition("Columns: ")[2].partition(". Nights")[0]
    assert [name for name in SCHEMA.names if name not in columns] == []


def test_every_picture_of_the_card_lies_beside_it(dataset):
    shown = re.findall(r"!\[.*\]\((.*)\)", (dataset.folder / "README.md").read_text())
    assert shown == [f"contact-sheets/simulated-{stage}.png" for stage in ("W", "N1", "N2", "N3", "R", "UNSCORED")]
    assert all((dataset.folder / name).is_file() for name in shown)


def test_the_card_tells_hours_and_quality(dataset):
    """Five nights of eight epochs are a third of an hour."""
    card = (dataset.folder / "README.md").read_text()
    assert "Hours: simulated 0.3. By cohort, split and stage in `statistics.csv`." in card
    assert "| simulated | C4-M1 | 100.0% | 0.0% | 0.0% | 0.0% | 0.0% | 0.0% |" in card

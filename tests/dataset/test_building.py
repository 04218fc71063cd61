"""Nights to a dataset on Ray Data."""

import csv
import os
import shutil
from pathlib import Path

import pytest

from somnolens.config import Settings
from somnolens.dataset.building import build_dataset
from somnolens.dataset.manifest import Dataset
from somnolens.errors import DatasetError
from somnolens.read.cohorts import find_nights
from tests.small_cohort import build_without_ray, find_shard, read_outputs, small_settings

pytestmark = pytest.mark.ray

MAY_FAIL = small_settings("embedded", "dataset.max_failed_share=0.5")


@pytest.fixture(scope="module")
def nights(small_nights, tmp_path_factory) -> Path:
    """Three good nights and one that is empty."""
    folder = shutil.copytree(small_nights, tmp_path_factory.mktemp("building") / "nights")
    (folder / "SIM004-PSG.edf").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def built(ray_cluster, nights, tmp_path_factory) -> Dataset:
    return build(nights, tmp_path_factory.mktemp("building") / "dataset")


def build(nights: Path, folder: Path, settings: Settings = MAY_FAIL, last_first: bool = False) -> Dataset:
    found = find_nights(nights, "simulated")
    return build_dataset(found[::-1] if last_first else found, settings, folder)


def test_good_nights_are_built_and_a_bad_one_becomes_a_row(built):
    assert [row["night"] for row in built.manifest["nights"]] == ["SIM001", "SIM002", "SIM003"]
    with (built.folder / "failures.csv").open() as stream:
        (failure,) = csv.DictReader(stream)
    assert failure["night"] == "SIM004"
    assert failure["error"] == "SIM004-PSG.edf is empty (0 bytes). Copy or upload it again."


def test_the_output_is_that_of_one_process_night_by_night(built, nights, tmp_path):
    alone = build_without_ray(nights, tmp_path / "alone", MAY_FAIL)
    assert read_outputs(alone.folder) == read_outputs(built.folder)


def test_the_order_of_the_nights_does_not_change_the_output(built, nights, tmp_path):
    assert read_outputs(build(nights, tmp_path / "again", last_first=True).folder) == read_outputs(built.folder)


def test_a_run_that_goes_on_redoes_only_what_is_not_there(built, nights, tmp_path):
    folder = shutil.copytree(built.folder, tmp_path / "dataset")
    (folder / "dataset.json").unlink()
    shutil.rmtree(find_shard(folder, "SIM002").parent)
    kept = {name: os.stat(find_shard(folder, name)) for name in ("SIM001", "SIM003")}
    build(nights, folder)
    for name, before in kept.items():
        after = os.stat(find_shard(folder, name))
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert read_outputs(folder) == read_outputs(built.folder)


def test_too_many_failures_end_the_job_and_keep_the_shards(ray_cluster, nights, tmp_path):
    with pytest.raises(DatasetError) as caught:
        build(nights, tmp_path, small_settings("embedded"))
    expected = "1 of 4 nights failed, more than the 5% allowed. By kind: 1 UnreadableRecording."
    assert str(caught.value).startswith(expected)
    assert find_shard(tmp_path, "SIM001").is_file()


def test_a_night_that_was_mended_joins_the_others(ray_cluster, built, nights, small_nights, tmp_path):
    folder, mended = shutil.copytree(built.folder, tmp_path / "dataset"), shutil.copytree(nights, tmp_path / "nights")
    shutil.copy(small_nights / "SIM004-PSG.edf", mended)
    dataset = build(mended, folder)
    assert dataset.manifest["n_failed"] == 0
    assert len(dataset.manifest["nights"]) == 4

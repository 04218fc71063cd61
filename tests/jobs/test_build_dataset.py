"""What the job that builds a dataset does before and after Ray."""

import io

import pytest
from rich.console import Console

from somnolens.dataset.manifest import open_dataset
from somnolens.errors import PushError, SettingsError
from somnolens.jobs.build_dataset import find_all, main, send
from tests.small_cohort import build_without_ray, small_settings, write_small_cohort


def test_a_target_that_cannot_be_is_refused_before_anything_is_built(tmp_path):
    with pytest.raises(PushError, match="is the dataset folder itself"):
        main(tmp_path / "nights", tmp_path / "out", push=str(tmp_path / "out"))
    assert list(tmp_path.iterdir()) == []


def test_the_share_of_failures_has_the_limits_of_its_setting(tmp_path):
    with pytest.raises(SettingsError, match=r"dataset.max_failed_share = 5"):
        main(tmp_path / "nights", tmp_path / "out", max_failed=5)


def test_a_push_says_where_the_dataset_is(tmp_path):
    nights = write_small_cohort(tmp_path / "nights", 1)
    dataset = build_without_ray(nights, tmp_path / "dataset", small_settings("embedded"))
    console = Console(file=io.StringIO(), width=200)
    send(dataset, str(tmp_path / "copy"), console)
    assert f"It was pushed to {tmp_path / 'copy'}." in console.file.getvalue()
    assert open_dataset(tmp_path / "copy").manifest == dataset.manifest


def test_further_cohorts_are_found_beside_the_one_of_the_settings(tmp_path):
    folder, settings = write_small_cohort(tmp_path / "nights", 1), small_settings("embedded")
    found = find_all(folder, settings, {"edf_folder": str(folder)})
    assert [(night.cohort, night.night) for night in found] == [
        ("simulated", "simulated-SIM001"),
        ("edf_folder", "edf_folder-SIM001"),
    ]
    assert [night.night for night in find_all(folder, settings, {})] == ["SIM001"]
    with pytest.raises(SettingsError, match=r"--also names the cohort 'simulated', which dataset\.cohort names"):
        find_all(folder, settings, {"simulated": str(folder)})

"""A folder is a dataset once its manifest says so, and only while it is whole."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from somnolens.config import RenderSettings, Settings
from somnolens.dataset.manifest import Dataset, open_dataset, read_reports, write_manifest, write_report
from somnolens.dataset.rows import ShardReport
from somnolens.errors import DatasetError, EmptyCohortError
from somnolens.read.cohorts import find_nights
from somnolens.render.png import decode_png
from somnolens.render.style import Style
from tests.small_cohort import N_EPOCHS, STAGES, build_without_ray, find_shard, read_outputs, small_settings


@pytest.fixture(scope="module")
def built(small_nights, tmp_path_factory) -> Dataset:
    """Never written to."""
    return build_without_ray(small_nights, tmp_path_factory.mktemp("built") / "dataset", small_settings("embedded"))


@pytest.fixture
def folder(built, tmp_path) -> Path:
    return shutil.copytree(built.folder, tmp_path / "dataset")


def style_of(settings: Settings) -> Style:
    return Style(settings.render, settings.prepare)


def test_a_manifest_tells_subjects_epochs_and_settings(built):
    manifest = open_dataset(built.folder).manifest
    assert {split: len(subjects) for split, subjects in manifest["subjects"].items()} == {
        "train": 2,
        "validation": 1,
        "test": 1,
    }
    assert manifest["epochs"]["test"] == {"N1": 1, "N2": 2, "N3": 1, "R": 1, "UNSCORED": 1, "W": 2}
    assert manifest["cohorts"] == ["simulated"]
    assert manifest["n_failed"] == 0
    assert Settings.model_validate(manifest["settings"]) == small_settings("embedded")
    assert manifest["code"]["version"]


def test_a_dataset_draws_as_it_was_drawn(built):
    assert built.style.hash == built.manifest["render_hash"] == style_of(small_settings("embedded")).hash


def test_stages_and_pictures_are_read_back(built):
    (night,) = built.nights("test")
    order = ("W", "N1", "N2", "N3", "R")
    expected = [order.index(stage) if stage in order else -1 for stage in STAGES]
    np.testing.assert_array_equal(built.read_stages(night), expected)
    assert built.read_pictures(night).shape == (N_EPOCHS, 224, 448)
    assert len(built.read_images(night)) == N_EPOCHS


def test_built_again_a_dataset_has_the_same_bytes(built, small_nights, tmp_path):
    again = build_without_ray(small_nights, tmp_path / "again", small_settings("embedded"))
    assert read_outputs(again.folder) == read_outputs(built.folder)


def test_the_fingerprint_changes_with_the_scoring(built, small_nights, tmp_path):
    """Two nights without a scorer are another dataset."""
    nights = shutil.copytree(small_nights, tmp_path / "nights")
    (nights / "SIM001-Hypnogram.edf").unlink()
    other = build_without_ray(nights, tmp_path / "other", small_settings("embedded"))
    assert other.manifest["fingerprint"] != built.manifest["fingerprint"]


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="is not a finished dataset: it has no dataset"):
        open_dataset(tmp_path)


def test_a_manifest_that_is_not_one_is_refused(folder):
    (folder / "dataset.json").write_text("{}")
    with pytest.raises(DatasetError, match="cannot be understood"):
        open_dataset(folder)
    (folder / "dataset.json").write_text("not JSON")
    with pytest.raises(DatasetError, match="cannot be understood"):
        open_dataset(folder)


def test_a_missing_shard_is_refused_by_name(folder):
    find_shard(folder, "SIM002").unlink()
    with pytest.raises(DatasetError, match=r"lacks the shards of SIM002. Run jobs/build_dataset.py again"):
        open_dataset(folder)


def test_a_night_whose_shard_is_gone_is_built_again(folder, built):
    """What the message above promises."""
    find_shard(folder, "SIM002").unlink()
    left = read_reports(folder, built.style.hash, {})
    assert [report.night for report in left] == ["SIM001", "SIM003", "SIM004"]


def test_a_subject_moved_between_splits_by_hand_is_refused(folder):
    manifest = json.loads((folder / "dataset.json").read_text())
    manifest["nights"].append(manifest["nights"][0] | {"night": "SIM002", "split": "elsewhere"})
    (folder / "dataset.json").write_text(json.dumps(manifest))
    with pytest.raises(DatasetError, match="and in the elsewhere split"):
        open_dataset(folder)


def test_nights_of_another_style_are_not_gone_on_with(folder):
    other = style_of(small_settings("embedded", "render.preset=paper-336"))
    with pytest.raises(DatasetError, match="night SIM001 of another run, drawn or split otherwise"):
        read_reports(folder, other.hash, {})


def test_nights_split_otherwise_are_not_gone_on_with(folder, built):
    with pytest.raises(DatasetError, match="night SIM003 of another run, drawn or split otherwise"):
        read_reports(folder, built.style.hash, {"SIM003": "elsewhere"})


def failed(number: int, error: str) -> ShardReport:
    return ShardReport("simulated", f"S{number}", f"S{number}", "train", kind="UnreadableRecording", error=error)


def test_when_every_night_failed_the_first_reason_is_told(tmp_path):
    settings = small_settings("embedded")
    reports = [failed(2, "two.edf is empty."), failed(1, "one.edf is empty.")]
    with pytest.raises(DatasetError) as caught:
        write_manifest(tmp_path, reports, settings, style_of(settings))
    assert str(caught.value) == (
        f"Not one of 2 nights could be used; see {tmp_path / 'failures.csv'}. The first: one.edf is empty."
    )
    with (tmp_path / "failures.csv").open() as stream:
        assert [row["error"] for row in csv.DictReader(stream)] == ["one.edf is empty.", "two.edf is empty."]


def test_failed_nights_stand_in_their_table_and_in_no_split(folder, built):
    settings = small_settings("embedded")
    reports = [*read_reports(folder, built.style.hash, {}), failed(9, "S9-PSG.edf is empty.")]
    dataset = write_manifest(folder, reports, settings, built.style)
    assert dataset.manifest["n_failed"] == 1
    assert "S9" not in json.dumps(dataset.manifest["subjects"])
    assert "S9-PSG.edf is empty." in (folder / "failures.csv").read_text()
    assert "S9" not in (folder / "nights.csv").read_text()


def test_a_failed_night_is_tried_again(tmp_path):
    write_report(tmp_path, failed(1, "one.edf is empty."), "hash")
    assert read_reports(tmp_path, "hash", {}) == []


def test_a_night_twice_is_refused(folder, built):
    reports = read_reports(folder, built.style.hash, {})
    with pytest.raises(DatasetError, match="SIM001 stands twice"):
        write_manifest(folder, [*reports, replace(reports[0])], small_settings("embedded"), built.style)


def test_an_empty_folder_is_no_cohort(tmp_path):
    with pytest.raises(EmptyCohortError, match="holds no"):
        find_nights(tmp_path, "simulated")


@pytest.fixture(scope="module")
def keeping(small_nights, tmp_path_factory) -> Dataset:
    """A dataset that keeps its signals."""
    settings = small_settings("embedded", "dataset.keep_signals=true")
    return build_without_ray(small_nights, tmp_path_factory.mktemp("keeping"), settings)


def test_kept_signals_draw_the_pictures_that_lie_beside_them(keeping):
    anew = keeping.draw_anew(keeping.style.render)
    night = keeping.nights("train")[0]
    drawn, kept = anew.read_pictures(night), keeping.read_pictures(night)
    assert (drawn != kept).mean() < 1e-3
    assert anew.style.hash == keeping.style.hash


def test_kept_signals_are_drawn_in_another_style(keeping):
    wide = keeping.draw_anew(RenderSettings(preset="wide-896"))
    night = keeping.nights("train")[0]
    assert wide.read_pictures(night).shape == (N_EPOCHS, 448, 896)
    assert decode_png(wide.read_images(night)[0]).shape == (448, 896)
    assert wide.style.hash != keeping.style.hash
    assert list(wide.read_stages(night)) == list(keeping.read_stages(night))


def test_an_epoch_has_a_gain_of_its_own_whoever_asks_for_it(keeping):
    anew = keeping.draw_anew(keeping.style.render)
    varied, night = anew.vary_gain(2.0, seed=7), keeping.nights("train")[0]
    (plain, drawn), (louder, still_drawn) = anew.read_signals(night), varied.read_signals(night)
    factors = varied.gains.draw(night, np.arange(N_EPOCHS))
    assert len(set(factors)) == N_EPOCHS
    assert 0.5 <= factors.min() < 0.8
    assert 1.25 < factors.max() <= 2
    np.testing.assert_allclose(louder, plain * factors[:, None, None], rtol=1e-5, atol=1e-4)
    assert (drawn == still_drawn).all()
    group, _ = varied.read_signals(night, group=0)
    assert (group == louder[: len(group)]).all()
    assert (varied.read_pictures(night) != anew.read_pictures(night)).mean() > 1e-3
    assert not (varied.gains.draw("another night", np.arange(N_EPOCHS)) == factors).any()


def test_without_kept_signals_nothing_is_drawn_anew(built):
    with pytest.raises(DatasetError, match=r"keeps no signals to draw anew. Build it with --set dataset.keep_signals"):
        built.draw_anew(RenderSettings())

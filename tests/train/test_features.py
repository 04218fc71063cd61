"""Vision features are kept where they stay the same and take no more disk than they may."""

import shutil
import tempfile

import numpy as np
import pytest

from somnolens.aasm import STAGES
from somnolens.dataset.manifest import open_training_dataset
from somnolens.train.features import cache_features, load_training_rows, locate_features
from tests.object_store import serve_bucket
from tests.small_cohort import build_without_ray


def change(settings, **train):
    return settings.model_copy(update={"train": settings.train.model_copy(update=train)})


def test_features_are_kept_once_and_shown_in_place_of_pictures(short_settings, small_dataset, tmp_path):
    cache_features(short_settings, small_dataset, tmp_path)
    path = locate_features(tmp_path, short_settings, small_dataset, "train")
    written = path.stat().st_mtime_ns
    cache_features(short_settings, small_dataset, tmp_path)
    assert path.stat().st_mtime_ns == written
    rows, validation = load_training_rows(short_settings, small_dataset, tmp_path)
    assert [len(some.features) for some in (rows, validation)] == [len(rows), len(validation)]
    assert rows.take(np.array([0])).shape == (1, *rows.features.shape[1:])


def test_features_of_three_pictures_are_kept_once_for_each_picture(short_settings, small_dataset, tmp_path):
    model = short_settings.model.model_copy(update={"n_pictures": 3})
    settings = short_settings.model_copy(update={"model": model})
    cache_features(settings, small_dataset, tmp_path)
    rows, validation = load_training_rows(settings, small_dataset, tmp_path)
    for some in (rows, validation):
        assert len(some.features) == len(some.images) < 3 * len(some)
        shown = some.take(np.array([2, 0]))
        assert shown.shape == (2, 3, *some.features.shape[1:])
        np.testing.assert_array_equal(shown.numpy(), some.features[some.windows[[2, 0]]].astype(np.float32))
    single = locate_features(tmp_path, short_settings, small_dataset, "train")
    assert locate_features(tmp_path, settings, small_dataset, "train") != single


def test_training_rows_alone_are_drawn_at_other_gains(short_settings, small_dataset, tmp_path):
    keeping = short_settings.dataset.model_copy(update={"keep_signals": True})
    settings = change(short_settings, redraw=True).model_copy(update={"dataset": keeping})
    built = build_without_ray(small_dataset.folder.parent / "nights", tmp_path / "dataset", settings)
    varied = change(settings, gain_range=2.0)
    opened = open_training_dataset(built.folder, settings)
    seen = [load_training_rows(one, opened, tmp_path / "cache") for one in (settings, varied)]
    (train, validation), (other, same) = ([some.draw(np.arange(4)) for some in rows] for rows in seen)
    assert (train != other).float().mean() > 1e-3
    assert (validation == same).all()
    for split, kept_apart in (("train", True), ("validation", False)):
        paths = {locate_features(tmp_path, one, opened, split) for one in (settings, varied)}
        assert (len(paths) == 2) is kept_apart


@pytest.mark.parametrize("train", [{"max_cache_gb": 1e-6}, {"lora_targets": "language+merger"}])
def test_features_that_may_not_be_kept_leave_the_pictures(short_settings, small_dataset, tmp_path, train):
    settings = change(short_settings, **train)
    cache_features(settings, small_dataset, tmp_path)
    assert not list(tmp_path.iterdir())
    rows, _ = load_training_rows(settings, small_dataset, tmp_path)
    assert rows.features is None


def test_rows_carry_the_shares_of_the_scorers(short_settings, small_dataset, tmp_path):
    rows, validation = load_training_rows(short_settings, small_dataset, tmp_path)
    for some in (rows, validation):
        assert some.soft_labels.shape == (len(some), len(STAGES))
        assert (some.labels.argmax(1) == some.codes).all()
        assert some.labels.sum(axis=1) == pytest.approx(1)


@pytest.mark.slow
def test_features_in_a_store_are_those_of_this_machine(short_settings, small_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "node"))
    cache_features(short_settings, small_dataset, tmp_path / "here")
    with serve_bucket("features") as bucket:
        cache_features(short_settings, small_dataset, bucket / "cache")
        shutil.rmtree(tmp_path / "node")  # another node
        there = load_training_rows(short_settings, small_dataset, bucket / "cache")
    for ours, theirs in zip(load_training_rows(short_settings, small_dataset, tmp_path / "here"), there, strict=True):
        assert (ours.features == theirs.features).all()

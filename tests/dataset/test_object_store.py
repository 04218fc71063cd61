"""Nights in an object store, a dataset in an object store: the same bytes as on this machine."""

import os
from pathlib import Path

import pytest
from upath import UPath

from somnolens.dataset.building import build_dataset
from somnolens.dataset.manifest import open_dataset
from somnolens.read.cohorts import find_nights
from somnolens.storage import list_names, write_bytes
from tests.object_store import ACCESS, serve_bucket
from tests.small_cohort import build_without_ray, read_outputs, small_settings

SETTINGS = small_settings("embedded", "dataset.max_failed_share=0.5", "dataset.keep_signals=true")


@pytest.fixture(scope="module")
def bucket(small_nights):
    """With four nights, of which one is empty."""
    with serve_bucket("cohorts") as bucket:
        for path in small_nights.iterdir():
            write_bytes(bucket / "nights" / path.name, path.read_bytes())
        write_bytes(bucket / "nights" / "SIM004-PSG.edf", b"")
        yield bucket


@pytest.fixture(scope="module")
def here(bucket, small_nights, tmp_path_factory) -> Path:
    """The same nights built on this machine."""
    folder = tmp_path_factory.mktemp("here")
    for name in list_names(bucket / "nights"):
        write_bytes(folder / "nights" / name, (bucket / "nights" / name).read_bytes())
    return build_without_ray(folder / "nights", folder / "dataset", SETTINGS).folder


@pytest.fixture(scope="module")
def alone(bucket) -> UPath:
    """The nights of the store built to the store."""
    return build_without_ray(bucket / "nights", bucket / "alone", SETTINGS).folder


@pytest.mark.slow
def test_built_from_store_to_store_the_bytes_are_the_same(alone, here):
    assert read_outputs(alone) == read_outputs(here)


@pytest.mark.slow
def test_a_dataset_in_a_store_is_opened_and_read(alone, here):
    there, same = open_dataset(alone), open_dataset(here)
    for night in same.nights("train"):
        assert there.read_images(night) == same.read_images(night)
        assert (there.read_signals(night)[0] == same.read_signals(night)[0]).all()


@pytest.mark.ray
def test_workers_read_and_write_the_store_and_a_second_run_has_nothing_to_do(ray_cluster, bucket, here):
    """Workers that were started before the store take its address and keys from the path."""
    endpoint, key, secret, _ = (os.environ[variable] for variable in ACCESS)
    lab = UPath(str(bucket), endpoint_url=endpoint, key=key, secret=secret, use_listings_cache=False)
    nights = find_nights(lab / "nights", "simulated")
    there = build_dataset(nights, SETTINGS, lab / "on_ray")
    assert read_outputs(there.folder) == read_outputs(here)
    before = (lab / "on_ray" / "dataset.json").stat().st_mtime
    again = build_dataset(nights, SETTINGS, lab / "on_ray")
    assert again.manifest == there.manifest
    shards = [name for name in list_names(lab / "on_ray") if name.endswith(".parquet")]
    assert all((lab / "on_ray" / name).stat().st_mtime <= before for name in shards)

"""A folder of recordings scored from and to a bucket: the same files as on this machine."""

import csv
import io
import os
from pathlib import Path

import pytest
from rich.console import Console
from upath import UPath

from somnolens.config import ScoreSettings
from somnolens.jobs.score_recordings import Scorer, score
from somnolens.read.cohorts import find_nights
from somnolens.storage import fetch_folder, list_names, write_bytes
from tests.object_store import ACCESS, serve_bucket
from tests.small_cohort import write_small_cohort

SETTINGS = ScoreSettings(batch_size=8)


@pytest.fixture(scope="module")
def lab():
    """A bucket with two nights, of which one is empty; its path holds address and keys, for workers begun before."""
    with serve_bucket("to-be-scored") as bucket:
        endpoint, key, secret, _ = (os.environ[variable] for variable in ACCESS)
        yield UPath(str(bucket), endpoint_url=endpoint, key=key, secret=secret, use_listings_cache=False)


@pytest.fixture(scope="module")
def here(lab, tmp_path_factory) -> Path:
    """The same nights on this machine."""
    folder = write_small_cohort(tmp_path_factory.mktemp("recordings") / "nights", 1)
    (folder / "SIM002-PSG.edf").write_bytes(b"")
    for name in list_names(folder):
        write_bytes(lab / "nights" / name, (folder / name).read_bytes())
    return folder


def score_one_by_one(nights: Path, out: Path, adapter: Path) -> list[dict]:
    scorer = Scorer(str(adapter), out, SETTINGS.model_dump(), n_pictures=1)
    return [scorer({"night": night}) for night in find_nights(nights)]


@pytest.mark.slow
def test_from_bucket_to_bucket_the_files_are_the_same(lab, here, adapter_folder, tmp_path):
    rows = score_one_by_one(lab / "nights", lab / "alone", adapter_folder)
    assert [row["kind"] for row in rows] == [row["kind"] for row in score_one_by_one(here, tmp_path, adapter_folder)]
    assert [bool(row["error"]) for row in rows] == [False, True]
    back = fetch_folder(lab / "alone", tmp_path / "back")
    names = [name for name in list_names(tmp_path) if not name.startswith("back/")]
    assert list_names(back) == names
    same = [name for name in names if name.endswith((".csv", ".tsv", ".edf"))]
    assert len(same) == 7
    assert {name: (back / name).read_bytes() for name in same} == {n: (tmp_path / n).read_bytes() for n in same}


@pytest.mark.ray
def test_workers_score_from_bucket_to_bucket_and_a_second_run_does_what_is_left(ray_cluster, lab, here, adapter_folder):
    nights, out = find_nights(lab / "nights"), lab / "scored"
    assert score(str(adapter_folder), nights, out, SETTINGS, Console(quiet=True)) == 1
    failures = csv.DictReader(io.StringIO((out / "failures.csv").read_text()))
    assert [(row["night"], row["kind"]) for row in failures] == [("SIM002", "UnreadableRecording")]
    before = (out / "SIM001.json").stat().st_mtime
    write_bytes(lab / "nights" / "SIM002-PSG.edf", (here / "SIM001-PSG.edf").read_bytes())
    assert score(str(adapter_folder), find_nights(lab / "nights"), out, SETTINGS, Console(quiet=True)) == 0
    assert {"SIM001.json", "SIM002.json", "SIM002.png"} < set(list_names(out))
    assert (out / "SIM001.json").stat().st_mtime == before
    assert (out / "failures.csv").read_text() == "night,kind,error\n"

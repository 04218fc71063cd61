"""Tables of what a dataset holds, counted by hand."""

import csv
from pathlib import Path

import pytest

from somnolens.dataset.statistics import count_nights, format_csv, tabulate_quality, tabulate_stages
from tests.dataset.shards import write_shard
from tests.small_cohort import build_without_ray, small_settings

GOOD = ("good", "good")


@pytest.fixture
def shards(tmp_path) -> list[Path]:
    """Subject A with two nights for training, B for testing; and another cohort, scored every 20 s."""
    return [
        write_shard(tmp_path, ("one", "A", "A1", "train"), ["W", "W", "N2", "N3"], ("good", "missing")),
        write_shard(tmp_path, ("one", "A", "A2", "train"), ["N2", "N2", "R", "UNSCORED"], GOOD),
        write_shard(tmp_path, ("one", "B", "B1", "test"), ["W"], ("flat", "not a number")),
        write_shard(tmp_path, ("two", "X", "X1", "train"), ["N2"] * 180, GOOD, step_s=20),
    ]


def find(rows: list[dict], *key: str) -> dict:
    (row,) = [row for row in rows if list(row.values())[: len(key)] == list(key)]
    return dict(list(row.items())[len(key) :])


def test_epochs_nights_and_subjects_are_counted_by_cohort_split_and_stage(shards):
    rows = tabulate_stages(count_nights(shards))
    assert find(rows, "one", "train", "W") == {"subjects": 1, "nights": 1, "epochs": 2, "hours": 0.0167, "share": 0.25}
    assert find(rows, "one", "train", "N2") == {"subjects": 1, "nights": 2, "epochs": 3, "hours": 0.025, "share": 0.375}
    assert find(rows, "one", "train", "UNSCORED")["share"] == 0.125
    assert find(rows, "one", "test", "W")["share"] == 1
    assert find(rows, "one", "test", "R") == {"subjects": 0, "nights": 0, "epochs": 0, "hours": 0.0, "share": 0.0}


def test_a_line_for_every_stage_of_every_split_in_the_order_of_training(shards):
    rows = tabulate_stages(count_nights(shards[::-1]))
    places = [(row["cohort"], row["split"]) for row in rows[::6]]
    assert places == [("one", "train"), ("one", "test"), ("two", "train")]
    assert [row["stage"] for row in rows] == ["W", "N1", "N2", "N3", "R", "UNSCORED"] * 3


def test_epochs_that_overlap_are_not_more_sleep_than_there_was(shards):
    """180 epochs of 20 s are an hour, though each picture shows 30 s."""
    assert find(tabulate_stages(count_nights(shards)), "two", "train", "N2")["hours"] == 1.0


def test_quality_is_counted_by_cohort_and_derivation(shards):
    rows = tabulate_quality(count_nights(shards), ("C4-M1", "chin EMG"))
    assert [(row["cohort"], row["derivation"]) for row in rows] == [
        (cohort, name) for cohort in ("one", "two") for name in ("C4-M1", "chin EMG")
    ]
    nothing = {"good": 0, "missing": 0, "flat": 0, "clipped": 0, "not a number": 0, "detached": 0}
    assert find(rows, "one", "C4-M1") == nothing | {"good": 8, "flat": 1}
    assert find(rows, "one", "chin EMG") == nothing | {"good": 4, "missing": 4, "not a number": 1}
    assert find(rows, "two", "C4-M1") == nothing | {"good": 180}


def test_a_built_dataset_holds_both_tables(small_nights, tmp_path):
    dataset = build_without_ray(small_nights, tmp_path, small_settings("embedded"))
    with (tmp_path / "statistics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    told = {split: {} for split in dataset.manifest["epochs"]}
    for row in rows:
        told[row["split"]][row["stage"]] = int(row["epochs"])
    assert told == dataset.manifest["epochs"]
    with (tmp_path / "quality.csv").open() as stream:
        assert [row["derivation"] for row in csv.DictReader(stream)] == list(dataset.style.derivations)


def test_a_table_has_a_head_and_a_line_for_each_row():
    assert format_csv([{"a": 1, "b": "x, y"}, {"a": 2, "b": ""}]) == b'a,b\n1,"x, y"\n2,\n'

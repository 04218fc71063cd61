"""Parts of a dataset by cohort: which nights they hold, and in which split."""

import pytest

from somnolens.dataset.manifest import Dataset
from somnolens.dataset.parting import keep_one, leave_out
from somnolens.dataset.statistics import count_nights
from somnolens.errors import DatasetError
from tests.dataset.shards import write_shard

NIGHTS = (
    ("isruc", "a1", "a1", "train", ["W", "N2"]),
    ("isruc", "a2", "a2", "validation", ["N2"]),
    ("isruc", "a3", "a3", "test", ["R"]),
    ("mass", "b1", "b1", "train", ["N3", "N3", "W"]),
    ("mass", "b2", "b2", "validation", ["N1"]),
    ("mass", "b3", "b3", "test", ["W"]),
)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("two cohorts")
    shards = [write_shard(folder, night[:4], night[4], ["good"]) for night in NIGHTS]
    rows = [{"night": night, "subject": subject, "split": split} for _, subject, night, split, _ in NIGHTS]
    manifest = {"cohorts": ["isruc", "mass"], "nights": rows, "fingerprint": "f" * 12, "subjects": {}, "epochs": {}}
    return Dataset(folder, manifest), count_nights(shards)


def by_split(manifest) -> dict[str, list[str]]:
    return {
        split: [row["night"] for row in manifest["nights"] if row["split"] == split]
        for split in ("train", "validation", "test")
    }


def test_the_cohort_left_out_is_tested_with_every_night(parts):
    dataset, counts = parts
    part = leave_out(dataset.manifest, counts, "mass")
    assert by_split(part) == {"train": ["a1"], "validation": ["a2"], "test": ["b1", "b2", "b3"]}
    assert part["cohorts"] == ["isruc"]
    assert part["subjects"] == {"train": ["a1"], "validation": ["a2"], "test": ["b1", "b2", "b3"]}
    assert part["epochs"] == {"train": {"N2": 1, "W": 1}, "validation": {"N2": 1}, "test": {"N1": 1, "N3": 2, "W": 2}}


def test_one_cohort_alone_keeps_its_splits(parts):
    dataset, counts = parts
    assert by_split(keep_one(dataset.manifest, counts, "mass")) == {
        "train": ["b1"],
        "validation": ["b2"],
        "test": ["b3"],
    }


def test_every_part_has_a_fingerprint_of_its_own(parts):
    dataset, counts = parts
    made = [make(dataset.manifest, counts, name) for make in (leave_out, keep_one) for name in ("isruc", "mass")]
    assert len({part["fingerprint"] for part in (dataset.manifest, *made)}) == 5


def test_shards_are_read_from_where_they_lie(parts):
    dataset, _ = parts
    part = dataset.leave_out("mass")
    assert part.nights("test") == ["b1", "b2", "b3"]
    assert part.read_stages("b1").tolist() == [3, 3, 0]
    assert part.subjects("train") == ["a1"]
    assert dataset.keep_one("isruc").read_stages("a1").tolist() == [0, 2]


def test_a_cohort_that_is_not_there_is_told(parts):
    dataset, counts = parts
    with pytest.raises(DatasetError, match="holds no cohort 'shhs'; there are isruc, mass"):
        leave_out(dataset.manifest, counts, "shhs")


def test_the_only_cohort_cannot_be_left_out(parts):
    dataset, counts = parts
    with pytest.raises(DatasetError, match="no cohort but isruc, so that nothing is left to learn from"):
        leave_out(dataset.manifest | {"cohorts": ["isruc"]}, counts, "isruc")

"""Exports: what is written is what the hypnogram holds, and reads back."""

import csv

import numpy as np
import pytest

from somnolens.epochs import CLIPPED, DETACHED, MISSING, Epochs
from somnolens.errors import UnreadableHypnogramError
from somnolens.hypnogram import Hypnogram
from somnolens.read.json_scoring import read_json
from somnolens.read.scoring import read_hypnogram
from somnolens.report.exports import describe_quality, write_bids, write_csv, write_json

PROBABILITIES = np.array([[0.9, 0.1, 0, 0, 0], [0.2, 0.5, 0.25, 0, 0.05], [0, 0, 0.125, 0.875, 0]])


@pytest.fixture
def night() -> Hypnogram:
    return Hypnogram(("W", "UNSCORED", "N3"), "model", 60.0, PROBABILITIES, notes=("the chin EMG is missing",))


def test_csv_has_one_line_per_epoch_with_its_onset(night, tmp_path):
    write_csv(night, tmp_path / "night.csv", quality=("good", "good", "F4-M1 flat"))
    rows = list(csv.DictReader((tmp_path / "night.csv").read_text().splitlines()))
    assert list(rows[0]) == ["epoch", "onset_s", "stage", "p_W", "p_N1", "p_N2", "p_N3", "p_R", "quality"]
    assert [(row["epoch"], row["onset_s"], row["stage"]) for row in rows] == [
        ("0", "60", "W"),
        ("1", "90", "UNSCORED"),
        ("2", "120", "N3"),
    ]
    assert (rows[2]["p_N2"], rows[2]["p_N3"], rows[2]["quality"]) == ("0.12500", "0.87500", "F4-M1 flat")


def test_csv_of_a_person_leaves_probabilities_empty(tmp_path):
    write_csv(Hypnogram(("W", "N1")), tmp_path / "night.csv")
    assert (tmp_path / "night.csv").read_text() == (
        "epoch,onset_s,stage,p_W,p_N1,p_N2,p_N3,p_R\n0,0,W,,,,,\n1,30,N1,,,,,\n"
    )


def test_bids_table_writes_not_available_where_unscored(night, tmp_path):
    write_bids(night, tmp_path / "sub-01_task-sleep_hypnogram.tsv")
    text = (tmp_path / "sub-01_task-sleep_hypnogram.tsv").read_text()
    assert text == "onset\tduration\tstage\n60\t30\tW\n90\t30\tn/a\n120\t30\tN3\n"


@pytest.mark.parametrize(("write", "name"), [(write_csv, "night.csv"), (write_bids, "sub-01_task-sleep_hypnogram.tsv")])
def test_tables_read_back_through_the_reader_of_scorings(night, tmp_path, write, name):
    write(night, tmp_path / name)
    again = read_hypnogram(tmp_path / name)
    assert (again.stages, again.start_s) == (night.stages, night.start_s)


def test_json_reads_back(night, tmp_path):
    write_json(night, tmp_path / "night.json", made_by={"render_hash": "0123456789ab"})
    again = read_json(tmp_path / "night.json")
    assert (again.stages, again.scorer, again.start_s, again.notes) == (
        night.stages,
        night.scorer,
        night.start_s,
        night.notes,
    )
    np.testing.assert_allclose(again.probabilities, night.probabilities, atol=1e-5)


def test_json_without_probabilities_reads_back(tmp_path):
    write_json(Hypnogram(("W", "N1"), "expert"), tmp_path / "night.json")
    assert read_json(tmp_path / "night.json").probabilities is None


@pytest.mark.parametrize("content", ["not json", "[]", '{"stages": ["W"]}'])
def test_foreign_json_is_refused_with_what_was_looked_for(content, tmp_path):
    (tmp_path / "other.json").write_text(content)
    with pytest.raises(UnreadableHypnogramError, match=r"other\.json is not a hypnogram.*Looked for the keys"):
        read_json(tmp_path / "other.json")


def test_unknown_stage_in_json_is_named(night, tmp_path):
    write_json(night, tmp_path / "night.json")
    (tmp_path / "night.json").write_text((tmp_path / "night.json").read_text().replace('"UNSCORED"', '"N4"'))
    with pytest.raises(UnreadableHypnogramError, match="N4"):
        read_json(tmp_path / "night.json")


def test_a_failed_export_leaves_the_old_file(night, tmp_path):
    path = tmp_path / "night.csv"
    write_csv(night, path)
    before = path.read_bytes()
    with pytest.raises(IndexError):
        write_csv(night, path, quality=("good",))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["night.csv"]


def test_quality_names_every_faulty_derivation():
    codes = np.array([[0, 0], [CLIPPED, MISSING], [0, DETACHED]], dtype=np.uint8)
    names = ("F4-M1", "chin EMG")
    epochs = Epochs("night", np.zeros((3, 2, 3000), dtype=np.float32), names, 100.0, codes, names)
    assert describe_quality(epochs) == ("good", "F4-M1 clipped; chin EMG missing", "chin EMG detached")

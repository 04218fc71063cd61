"""Exports: what is written is what the hypnogram holds, and reads back."""

import csv
import json
from datetime import datetime

import mne
import numpy as np
import pyedflib
import pytest

from somnolens.epochs import CLIPPED, DETACHED, MISSING, Epochs
from somnolens.errors import UnreadableHypnogramError
from somnolens.hypnogram import Hypnogram
from somnolens.read.json_scoring import read_json
from somnolens.read.scoring import read_hypnogram
from somnolens.report.exports import (
    describe_quality,
    name_bids,
    write_annotations,
    write_bids,
    write_bids_files,
    write_csv,
    write_json,
    write_reviews,
)
from somnolens.score.review import Review

START = datetime(2021, 3, 4, 22, 41, 7)
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


@pytest.fixture
def annotations(night, tmp_path):
    write_annotations(night, tmp_path / "hypnogram.edf", START)
    return tmp_path / "hypnogram.edf"


def test_mne_reads_every_epoch_where_it_lies(annotations):
    found = mne.read_annotations(annotations)
    assert found.onset.tolist() == [60.0, 90.0, 120.0]
    assert found.duration.tolist() == [30.0, 30.0, 30.0]
    assert found.description.tolist() == ["Sleep stage W", "Sleep stage ?", "Sleep stage N3"]


def test_pyedflib_reads_every_epoch_and_the_start_of_the_recording(annotations):
    with pyedflib.EdfReader(str(annotations)) as reader:
        onsets, durations, texts = reader.readAnnotations()
        assert reader.getStartdatetime() == START
        assert reader.filetype == pyedflib.FILETYPE_EDFPLUS
    assert (onsets.tolist(), durations.tolist()) == ([60.0, 90.0, 120.0], [30.0, 30.0, 30.0])
    assert texts.tolist() == ["Sleep stage W", "Sleep stage ?", "Sleep stage N3"]


def test_annotations_lie_over_the_signals_of_their_recording(annotations, tmp_path):
    """A viewer lays one over the other by the clock: the annotations must begin when the signals do."""
    header = {"label": "EEG C4-M1", "dimension": "uV", "sample_frequency": 100, "physical_min": -200}
    header |= {"physical_max": 200, "digital_min": -32768, "digital_max": 32767, "transducer": "", "prefilter": ""}
    with pyedflib.EdfWriter(str(tmp_path / "night.edf"), 1) as writer:
        writer.setSignalHeader(0, header)
        writer.setStartdatetime(START)
        writer.writeSamples([np.zeros(100 * 150)])
    raw = mne.io.read_raw_edf(tmp_path / "night.edf", verbose="error")
    raw.set_annotations(mne.read_annotations(annotations))
    events, names = mne.events_from_annotations(raw, verbose="error")
    assert [(event[0] / 100, code) for event, code in zip(events, events[:, 2], strict=True)] == [
        (60.0, names["Sleep stage W"]),
        (90.0, names["Sleep stage ?"]),
        (120.0, names["Sleep stage N3"]),
    ]


def test_the_header_of_annotations_names_nobody(annotations):
    header = annotations.read_bytes()[:256]
    assert header[8:88].decode().split() == ["X", "X", "X", "X"]
    assert header[88:168].decode().split() == ["Startdate", "04-MAR-2021", "X", "X", "somnolens"]
    assert header[192:236].decode().strip() == "EDF+C"


def test_a_whole_night_of_annotations_reads_back(tmp_path):
    stages = tuple(np.random.default_rng(0).choice(["W", "N1", "N2", "N3", "R", "UNSCORED"], 1200).tolist())
    write_annotations(Hypnogram(stages), tmp_path / "night.edf", START)
    again = read_hypnogram(tmp_path / "night.edf", START)
    assert (again.stages, again.start_s) == (stages, 0.0)


def test_a_hypnogram_corrected_in_its_table_is_read(night, tmp_path):
    write_csv(night, tmp_path / "hypnogram.csv", quality=("good", "good", "good"))
    text = (tmp_path / "hypnogram.csv").read_text()
    (tmp_path / "hypnogram.csv").write_text(text.replace("UNSCORED", "REM"))
    assert read_hypnogram(tmp_path / "hypnogram.csv").stages == ("W", "R", "N3")


def test_a_json_is_told_from_a_table_by_its_content(night, tmp_path):
    write_json(night, tmp_path / "hypnogram.txt")
    assert read_hypnogram(tmp_path / "hypnogram.txt").stages == night.stages


def test_bids_files_explain_every_column_and_level(night, tmp_path):
    write_bids_files(night, tmp_path, "sub-07_ses-1_task-sleep_eeg", {"code": {"version": "0.1", "revision": "abc"}})
    for suffix, column in (("hypnogram", "stage"), ("events", "trial_type")):
        stem = tmp_path / f"sub-07_ses-1_task-sleep_{suffix}"
        rows = list(csv.DictReader(stem.with_suffix(".tsv").read_text().splitlines(), delimiter="\t"))
        sidecar = json.loads(stem.with_suffix(".json").read_text())
        assert list(rows[0]) == ["onset", "duration", column]
        assert set(rows[0]) <= set(sidecar)
        assert {row[column] for row in rows} <= set(sidecar[column]["Levels"])
        assert sidecar["onset"]["Units"] == "s"
        assert sidecar["GeneratedBy"] == [{"Name": "somnolens", "Version": "0.1 abc"}]


def test_bids_events_read_back_as_the_same_night(tmp_path):
    night = Hypnogram(("W", "W", "N1", "UNSCORED", "R", "R", "R"))
    write_bids_files(night, tmp_path, "night", {})
    assert (tmp_path / "sub-night_task-sleep_events.tsv").read_text().splitlines()[1:] == [
        "0\t60\tSleep stage W",
        "60\t30\tSleep stage N1",
        "90\t30\tSleep stage ?",
        "120\t90\tSleep stage R",
    ]
    assert read_hypnogram(tmp_path / "sub-night_task-sleep_events.tsv").stages == night.stages


@pytest.mark.parametrize(
    ("night", "name"),
    [("Żółw 7", "sub-w7_task-sleep"), ("...", "sub-night_task-sleep"), ("sub-1_psg", "sub-1")],
)
def test_bids_names_hold_letters_and_digits_alone(night, name):
    assert name_bids(night) == name


def test_the_review_list_has_time_stage_and_reason(night, tmp_path):
    write_reviews([Review(2, 0.7, "in doubt: N3, or not")], night, tmp_path / "review.csv")
    assert (tmp_path / "review.csv").read_text() == (
        'epoch,onset_s,stage,priority,reason\n2,120,N3,0.7,"in doubt: N3, or not"\n'
    )

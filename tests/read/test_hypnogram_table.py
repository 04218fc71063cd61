"""Hypnograms from tables."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from somnolens.aasm import STAGES, UNSCORED
from somnolens.errors import UnreadableHypnogramError
from somnolens.read.runs import Run, cut_runs
from somnolens.read.scoring import read_hypnogram


@pytest.fixture
def write_table(tmp_path):
    def write(text: str, name: str = "night.csv", encoding: str = "utf-8") -> Path:
        (tmp_path / name).write_text(text, encoding=encoding)
        return tmp_path / name

    return write


def message_of(path: Path) -> str:
    with pytest.raises(UnreadableHypnogramError) as caught:
        read_hypnogram(path)
    return str(caught.value)


def test_onset_duration_and_stage(write_table):
    path = write_table("onset,duration,stage\n0,60,W\n60,30,N1\n90,30,REM\n")
    assert read_hypnogram(path).stages == ("W", "W", "N1", "R")


def test_bids_events_pass_over_other_events(write_table):
    text = "onset\tduration\ttrial_type\n0\tn/a\tlights_off\n30\t30\tSleep stage W\n60\t30\tsleep_N2\n61\t3\tarousal\n"
    hypnogram = read_hypnogram(write_table(text, "sub-01_events.tsv"))
    assert (hypnogram.start_s, hypnogram.stages) == (30.0, ("W", "N2"))


def test_one_stage_per_row(write_table):
    assert read_hypnogram(write_table("Stage\nW\n1\n4\nR\n?\n")).stages == ("W", "N1", "N3", "R", "UNSCORED")


@pytest.mark.parametrize("first", [0, 1])
def test_numbered_epochs_leave_gaps_unscored(write_table, first):
    path = write_table(f"epoch;stage\n{first};W\n{first + 1};N1\n{first + 3};N2\n")
    assert read_hypnogram(path).stages == ("W", "N1", "UNSCORED", "N2")


def test_epochs_that_begin_later_keep_their_place(write_table):
    hypnogram = read_hypnogram(write_table("epoch,stage\n11,W\n12,N1\n"))
    assert (hypnogram.start_s, hypnogram.stages) == (300.0, ("W", "N1"))


def test_numbers_with_rem_as_5(write_table):
    path = write_table("stage\n0\n1.0\n2\n3\n4\n5\n-1\n9\n")
    assert read_hypnogram(path).stages == ("W", "N1", "N2", "N3", "N3", "R", "UNSCORED", "UNSCORED")


def test_a_4_without_a_5_could_be_rem_and_is_refused(write_table):
    assert message_of(write_table("stage\n0\n2\n4\n")) == (
        "night.csv codes its stages as numbers with 4 and without 5: 4 may be stage 4 or REM. "
        "Write the stages as W, N1, N2, N3, R."
    )


def test_the_text_file_of_hmc(write_table):
    text = "Date, Time, Recording onset, Duration, Annotation, Linked channel\n"
    text += "2001-01-01, 22:00:00, 0, 30, Sleep stage W, \n2001-01-01, 22:00:12, 12, , Lights off@@EEG F4-A1, \n"
    text += "2001-01-01, 22:00:30, 30, 30, Sleep stage N1, \n"
    assert read_hypnogram(write_table(text, "SN001_sleepscoring.txt")).stages == ("W", "N1")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings_of_spreadsheets(write_table, encoding):
    assert read_hypnogram(write_table("stage;note\nW;müde\nR;\n", encoding=encoding)).stages == ("W", "R")


def test_unknown_texts_are_all_named(write_table):
    message = message_of(write_table("stage\nW\nXX\nN5\nXX\n"))
    assert message.startswith("night.csv has 3 stage(s) with an unknown text: 'N5', 'XX'. Known are 'W'")


def test_a_missing_column_is_named(write_table):
    message = message_of(write_table("time,foo\n0,W\n"))
    assert "has no column of stages. Looked for 'stage'" in message
    assert "the first line has 'time', 'foo'" in message


def test_durations_without_onsets_are_refused(write_table):
    assert "has a column 'duration' and none of onsets" in message_of(write_table("duration,stage\n60,W\n30,R\n"))


def test_numbers_that_are_none_are_named(write_table):
    assert message_of(write_table("onset,stage\nten,W\n")) == (
        "night.csv has 'ten' in column 'onset', which must be seconds or a count."
    )


def test_events_without_a_stage_are_refused(write_table):
    assert "holds no sleep stage in its column 'trial_type'" in message_of(write_table("onset,trial_type\n1,apnea\n"))


def test_a_header_alone_is_refused(write_table):
    assert "holds no sleep stage in its column 'stage'" in message_of(write_table("onset,stage\n"))


RUNS = st.lists(st.tuples(st.integers(1, 40), st.sampled_from((*STAGES, UNSCORED))), min_size=1, max_size=30)


@given(runs=RUNS, start_s=st.floats(0, 1000))
def test_cutting_runs_keeps_every_epoch_and_its_order(runs, start_s):
    expected, placed, onset_s = [], [], start_s
    for n, stage in runs:
        placed.append(Run(onset_s, 30.0 * n, stage))
        expected += [stage] * n
        onset_s += 30.0 * n
    stages, found_start_s, _ = cut_runs(placed[::-1], "night")
    assert (list(stages), found_start_s) == (expected, start_s)

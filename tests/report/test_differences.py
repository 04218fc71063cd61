"""Two hypnograms of a night: where they differ, and the command that tells it."""

from datetime import datetime

import pytest
from typer.testing import CliRunner

from somnolens.cli import app
from somnolens.errors import MismatchedHypnogramError
from somnolens.evaluate.agreement import measure_agreement
from somnolens.hypnogram import Hypnogram
from somnolens.report.differences import list_differences, list_stage_agreement, read_pair
from somnolens.report.exports import write_annotations, write_csv, write_json

ONE = Hypnogram(("W", "W", "N1", "N2", "N2", "N2", "UNSCORED", "R"), "one")
OTHER = Hypnogram(("W", "N1", "N1", "N3", "N3", "N2", "N2", "R"), "other")


def test_runs_that_differ_are_listed_in_the_order_of_the_night():
    found = [(run.epochs, run.onset_s, run.one, run.other) for run in list_differences(ONE, OTHER)]
    assert found == [("1", 30.0, "W", "N1"), ("3 to 4", 90.0, "N2", "N3"), ("6", 180.0, "UNSCORED", "N2")]


def test_epochs_that_the_other_does_not_reach_differ():
    assert [run.epochs for run in list_differences(ONE, Hypnogram(ONE.stages[:6]))] == ["7"]


def test_hypnograms_off_each_others_grid_are_refused():
    with pytest.raises(MismatchedHypnogramError, match="whole number of 30-s epochs"):
        list_differences(ONE, Hypnogram(("W",), start_s=10.0))


def test_stages_agree_as_counted_by_hand():
    rows = {row[0]: row[1:] for row in list_stage_agreement(measure_agreement(ONE, OTHER))}
    assert rows["W"] == ("2", "1", "1", "50 %", "0.667")
    assert rows["N2"] == ("3", "1", "1", "33 %", "0.500")
    assert rows["N3"] == ("0", "2", "0", "- %", "0.000")


@pytest.mark.parametrize("write", [write_csv, write_json, write_annotations])
def test_the_command_tells_agreement_and_epochs_in_any_format(write, tmp_path):
    paths = [tmp_path / f"{one.scorer}.{'edf' if write is write_annotations else 'txt'}" for one in (ONE, OTHER)]
    for one, path in zip((ONE, OTHER), paths, strict=True):
        write(one, path)
    result = CliRunner().invoke(app, ["compare", *map(str, paths)], catch_exceptions=False)
    assert result.exit_code == 0
    assert "kappa 0.488 · accuracy 57.1 %" in result.output
    assert "3 to 4" in result.output
    assert "0:01:30" in result.output


def test_the_command_says_when_nothing_differs(tmp_path):
    write_csv(ONE, tmp_path / "a.csv")
    result = CliRunner().invoke(app, ["compare", str(tmp_path / "a.csv"), str(tmp_path / "a.csv")])
    assert "No epoch differs." in result.output


def test_two_annotation_files_are_laid_over_each_other_by_their_clocks(tmp_path):
    write_annotations(ONE, tmp_path / "a.edf", datetime(2001, 1, 1, 22, 0, 0))
    write_annotations(Hypnogram(OTHER.stages[2:]), tmp_path / "b.edf", datetime(2001, 1, 1, 22, 1, 0))
    first, second = read_pair(tmp_path / "a.edf", tmp_path / "b.edf")
    assert (first.start_s, second.start_s, second.stages[0]) == (0.0, 60.0, "N1")

"""`somnolens inspect` on folders: what a person sees."""

import pytest
from typer.testing import CliRunner

from somnolens.cli import app
from somnolens.errors import EmptyCohortError, SettingsError
from tests.fake_cohorts.hmc import write_hmc


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hmc")
    write_hmc(folder)
    return folder


def invoke(*arguments: object):
    return CliRunner().invoke(app, ["inspect", *map(str, arguments)], env={"COLUMNS": "150"})


def test_a_cohort_is_told_by_its_name(folder):
    result = invoke(folder, "--cohort", "hmc")
    assert result.exit_code == 0, result.output
    assert "SN001" in result.output
    assert "2 nights of 2 subjects, 0.2 h; 2 with 1 scoring(s); something is wrong with 0." in result.output
    assert "20 scored epochs: 6 W (30%), 2 N1 (10%), 4 N2 (20%), 6 N3 (30%), 2 R (10%)" in result.output


def test_channels_can_be_named_in_settings(folder, tmp_path):
    config = tmp_path / "own.yaml"
    config.write_text("read:\n  channels:\n    C4-M1: EEG C3-M2\n    E2-M2: null\n    chin EMG: [EMG chin, ECG]\n")
    said = invoke(folder, "--config", config).output
    assert "C4-M1: 'EEG C3-M2' in 2" in said
    assert "E2-M2: missing in 2" in said
    assert "chin EMG: 'EMG chin - ECG' in 2" in said


def test_quality_is_told_of_one_recording(folder):
    said = invoke(folder / "recordings" / "SN001.edf").output
    assert "Quality by hour" in said
    assert "good" in said


def test_an_unknown_cohort_and_an_empty_folder_are_refused(folder, tmp_path):
    assert isinstance(invoke(folder, "--cohort", "nobody").exception, SettingsError)
    assert isinstance(invoke(tmp_path, "--cohort", "shhs").exception, EmptyCohortError)

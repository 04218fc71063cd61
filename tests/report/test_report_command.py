"""`somnolens report`: from a recording to its files, scored here or before, corrected or not."""

import json

import pytest
from typer.testing import CliRunner

from somnolens.cli import app
from somnolens.hypnogram import Hypnogram
from somnolens.read.scoring import read_hypnogram
from somnolens.report.exports import write_csv
from somnolens.simulate.night import simulate_night
from somnolens.simulate.subject import draw_subject
from tests.small_cohort import STAGES, write_small_night

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """A recording of eight epochs."""
    recording, _ = simulate_night(draw_subject(3), hours=len(STAGES) / 120, seed=3)
    return write_small_night(recording, tmp_path_factory.mktemp("nights"), "SIM001")


@pytest.fixture(scope="module")
def out(night, adapter_folder, tmp_path_factory):
    """What the command made of it."""
    folder = tmp_path_factory.mktemp("reports") / "night"
    result = run(night, "--adapter", adapter_folder, "--out", folder, "--set", "report.n_pictures=1")
    assert result.exit_code == 0, result.output
    assert "epochs to look at" in result.output
    return folder


def run(*words: object):
    return CliRunner().invoke(app, ["report", *map(str, words)])


def test_a_recording_becomes_a_page_a_pdf_and_exports(out):
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF")
    assert (out / "report.html").read_text().count("<img ") == 1
    assert json.loads((out / "hypnogram.json").read_text())["made_by"]["render_hash"]


def test_a_night_scored_before_is_not_scored_again(night, out, adapter_folder, tmp_path):
    scored = out / "hypnogram.json"
    result = run(night, "--scored", scored, "--adapter", adapter_folder, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    before, after = (json.loads((folder / "hypnogram.json").read_text()) for folder in (out, tmp_path))
    assert after["stages"] == before["stages"]
    assert after["probabilities"] == before["probabilities"]


def test_a_corrected_table_comes_back_with_the_agreement(night, out, adapter_folder, tmp_path):
    stages = ["N2", *json.loads((out / "hypnogram.json").read_text())["stages"][1:]]
    write_csv(Hypnogram(tuple(stages)), tmp_path / "corrected.csv")
    words = ("--scored", out / "hypnogram.json", "--hypnogram", tmp_path / "corrected.csv", "--adapter", adapter_folder)
    result = run(night, *words, "--out", tmp_path / "report")
    assert "Corrected against somnolens: kappa" in result.output
    assert json.loads((tmp_path / "report" / "hypnogram.json").read_text())["stages"] == stages
    assert "Corrected against somnolens" in (tmp_path / "report" / "report.html").read_text()


def test_a_scorer_who_began_off_the_grid_is_met_on_his_own(night, adapter_folder, tmp_path):
    write_csv(Hypnogram(("N2",) * 6, start_s=40.0), tmp_path / "corrected.csv")
    words = ("--hypnogram", tmp_path / "corrected.csv", "--adapter", adapter_folder, "--out", tmp_path / "report")
    assert run(night, *words).exit_code == 0
    written = json.loads((tmp_path / "report" / "hypnogram.json").read_text())
    assert written["start_s"] == 10.0
    assert written["stages"] == ["UNSCORED"] + ["N2"] * 6


def test_a_real_recording_with_its_scorer_becomes_a_report(psg_folder, adapter_folder, tmp_path):
    night, scoring = (psg_folder / f"SC4001E0_5epochs-{kind}.edf" for kind in ("PSG", "Hypnogram"))
    result = run(night, "--hypnogram", scoring, "--adapter", adapter_folder, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "report.html").read_text()
    assert "Usual, adult reference" in page
    assert "EMG submental&#39; is sampled at 1 Hz" in page
    assert read_hypnogram(tmp_path / "hypnogram.edf").stages == read_hypnogram(scoring).stages


def test_stages_of_another_night_are_refused_with_what_to_do(night, out, adapter_folder, tmp_path):
    content = json.loads((out / "hypnogram.json").read_text())
    content = {**content, "stages": content["stages"][:5], "probabilities": content["probabilities"][:5]}
    (tmp_path / "other.json").write_text(json.dumps(content))
    result = run(night, "--scored", tmp_path / "other.json", "--adapter", adapter_folder, "--out", tmp_path)
    assert "has 5 epochs from 0 s, SIM001-PSG has 8 from 0 s" in str(result.exception)
    assert "Leave --scored out" in str(result.exception)

"""`somnolens explain`: from a recording to figures and reasons."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from somnolens.cli import app
from somnolens.errors import SettingsError
from somnolens.explain.modalities import TestNight
from somnolens.jobs import measure_explanations
from tests.small_cohort import N_EPOCHS, write_small_cohort

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    return write_small_cohort(tmp_path_factory.mktemp("nights"), 1) / "SIM001-PSG.edf"


def explain(*arguments):
    return CliRunner().invoke(app, ["explain", *map(str, arguments)])


def test_epochs_are_explained_in_words_and_figures(night, adapter_folder, tmp_path):
    result = explain(
        *(night, "--epochs", "2,4-5", "--method", "attention", "--adapter", adapter_folder, "--out", tmp_path)
    )
    assert result.exit_code == 0, result.output
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"SIM001-PSG-{epoch}-attention.{kind}" for epoch in (2, 4, 5) for kind in ("json", "png")]
    said = " ".join(result.output.split())
    assert said.count("Most looked at ") == 3
    assert f"of {N_EPOCHS} epochs." in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--epochs", "8"], f"the night has epochs 0 to {N_EPOCHS - 1}, and 8 is none of them"),
        (["--epochs", "1", "--stage", "N4"], "--stage N4 is not one of W, N1, N2, N3, R"),
        (["--epochs", "1", "--method", "magic"], "--method magic is not one of signal, patches, attention, gradient"),
    ],
)
def test_what_cannot_be_explained_is_refused(night, adapter_folder, arguments, sentence):
    result = explain(night, *arguments, "--adapter", adapter_folder)
    assert isinstance(result.exception, SettingsError)
    assert sentence in str(result.exception)


def test_what_explanations_are_worth_is_measured_over_nights(adapter_folder, tmp_path):
    nights, out = write_small_cohort(tmp_path / "nights", 2), tmp_path / "out"
    measure_explanations.main(str(adapter_folder), nights, out, "simulated", maps_per_night=0, every=4)
    results = json.loads((out / "explanations.json").read_text())
    support = results["support"]
    assert support["n_subjects"] == 2
    assert support["n_right"] + support["n_wrong"] == 2 * (N_EPOCHS - 1)
    assert sum(results["modalities"]["n_epochs"].values()) == 2 * 2
    assert set(results["modalities"]["losses"]) == {"EEG", "EOG", "EMG"}
    table = (out / "disagreements.csv").read_text().splitlines()
    assert table[0] == "night,epoch,scored,true,reason"
    assert len(table) - 1 >= support["n_listed"]
    assert (out / "modalities.png").is_file()


def test_epochs_for_maps_are_the_same_each_time_and_of_different_stages():
    night = TestNight("SIM001", None, np.array([0, 0, 1, 2, 2, 3, 4, -1]))
    chosen = measure_explanations.pick_cases(night, 5)
    assert [case.epoch for case in chosen] == [case.epoch for case in measure_explanations.pick_cases(night, 5)]
    assert sorted(night.codes[case.epoch] for case in chosen) == [0, 1, 2, 3, 4]

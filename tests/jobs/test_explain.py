"""`somnolens explain`: from a recording to figures and reasons."""

import pytest
from typer.testing import CliRunner

from somnolens.cli import app
from somnolens.errors import SettingsError
from tests.small_cohort import N_EPOCHS, write_small_cohort


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
    assert said.count("Most for ") == 3
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

"""`somnolens adapters`, as a person types it."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from somnolens.cli import app
from somnolens.errors import AdapterError, RegistryError
from tests.model.adapter_folders import make_card, write_adapter_folder


@pytest.fixture
def registry(tmp_path, monkeypatch) -> Path:
    """With 'narrow' and the better 'wide', on a screen that is wide enough."""
    monkeypatch.setenv("SOMNOLENS_REGISTRY", str(tmp_path / "registry"))
    monkeypatch.setenv("COLUMNS", "200")
    settings = {"train": {"lora_rank": 16, "learning_rate": 2e-3}, "render": {"preset": "strip-448"}}
    better = {"validation.night.kappa": 0.75, "test.night.kappa": 0.71, "test.night.loss": 0.8}
    invoke("add", write_adapter_folder(tmp_path / "narrow"), "--name", "narrow")
    invoke("add", write_adapter_folder(tmp_path / "wide", settings=settings, metrics=better), "--name", "wide")
    return tmp_path / "registry"


def invoke(*words: object) -> str:
    result = CliRunner().invoke(app, ["adapters", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def add(folder: Path, **more) -> None:
    invoke("add", write_adapter_folder(folder, **more), "--name", folder.name)


def test_the_list_shows_figures_and_marks_what_serves(registry):
    assert "Nothing is promoted." in invoke("list")
    invoke("promote", "wide")
    said = invoke("list")
    assert re.search(r"● wide lab/model abcdefabcdef shhs 0123456789ab 0\.750 0\.710 \d{4}-\d\d-\d\d", said)
    assert re.search(r"(?<!● )narrow lab/model", said)
    assert "wide serves: promotion 1, " in said


def test_a_broken_adapter_is_listed_with_what_is_wrong(registry):
    (registry / "adapters" / "narrow" / "adapter_model.safetensors").unlink()
    said = invoke("list")
    assert "narrow broken" in said
    assert "#narrow is not whole: it has no adapter_model.safetensors." in said
    assert "wide lab/model" in said


def test_show_tells_the_card_and_when_the_adapter_served(registry):
    assert "narrow was never promoted." in invoke("show", "narrow")
    invoke("promote", "narrow", "--why", "the [first] one")
    invoke("promote", "wide")
    said = invoke("show", "narrow")
    assert "train 2 subjects, 12 epochs: 3 W, 1 N1, 5 N2, 2 N3, 1 R" in said
    assert "settings, train lora_rank 8, learning_rate 0.002" in said
    assert "night-level step chain, weight 0.5" in said
    assert "validation night.kappa 0.700" in said
    assert re.search(r"1 \d{4}-\d\d-\d\d \d\d:\d\d narrow - the \[first\] one", said)
    assert re.search(r"2 \d{4}-\d\d-\d\d \d\d:\d\d wide narrow", said)


def test_compare_shows_only_what_differs_and_marks_the_better(registry):
    said = invoke("compare", "narrow", "wide")
    assert "train.lora_rank 8 16" in said
    assert "learning_rate" not in said
    assert "test night.kappa 0.650 0.710 ◂" in said
    assert "test night.loss 0.900 0.800 ◂" in said
    assert "mind" not in said


def test_figures_on_other_nights_are_not_said_to_be_better(registry, tmp_path):
    dataset = make_card()["dataset"]
    add(
        tmp_path / "other", dataset=dataset | {"fingerprint": "ffffffffffff", "cohorts": ["mass"]}, render_hash="9" * 12
    )
    said = invoke("compare", "narrow", "wide", "other")
    assert (
        "Datasets differ (0123456789ab, ffffffffffff), and so do the epochs held out: figures do not compare." in said
    )
    assert "Render hashes differ (abcdefabcdef, 999999999999): figures do not compare." in said
    assert "◂" not in said


def test_the_same_nights_in_another_style_compare_with_a_reservation(registry, tmp_path):
    dataset = make_card()["dataset"] | {"fingerprint": "ffffffffffff"}
    add(tmp_path / "other", dataset=dataset, render_hash="9" * 12)
    said = invoke("compare", "wide", "other")
    assert "figures are of the same epochs, but drawn otherwise" in said
    assert "0.710 ◂" in said


def test_promotions_are_told_and_taken_back(registry):
    assert "narrow serves from now on: promotion 1." in invoke("promote", "narrow")
    assert "wide serves from now on, in place of narrow: promotion 2." in invoke("promote", "wide", "--why", "better")
    assert "narrow serves from now on, in place of wide: promotion 3." in invoke("promote", "--back")
    assert f"Reach it as {registry}#promoted." in invoke("promote", "wide")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("promote",), "name an adapter, or take the last promotion back with --back"),
        (("promote", "wide", "--back"), "name an adapter, or take the last promotion back with --back"),
        (("compare", "wide"), "name two adapters or more"),
        (("compare", "wide", "wide"), "name two adapters or more"),
    ],
)
def test_a_command_that_says_too_little_or_too_much_is_told(registry, words, part):
    result = CliRunner().invoke(app, ["adapters", *words])
    assert result.exit_code == 2
    assert part in re.sub(r"[\s│]+", " ", result.output)


@pytest.mark.parametrize("words", [("show", "wid"), ("promote", "wid"), ("compare", "wide", "wid")])
def test_a_name_that_is_not_there_is_told_with_what_is_near(registry, words):
    result = CliRunner().invoke(app, ["adapters", *words])
    assert isinstance(result.exception, RegistryError)
    assert "has no adapter 'wid'. There are 2, as 'wide'; `somnolens adapters list` has them all." in str(
        result.exception
    )


def test_an_adapter_of_a_registry_goes_to_another_one(registry, tmp_path):
    assert "wide-2 is added." in invoke(
        "add", f"{registry}#wide", "--name", "wide-2", "--registry", tmp_path / "archive"
    )
    assert "wide-2 lab/model" in invoke("list", "--registry", tmp_path / "archive")


def test_what_is_no_adapter_is_not_added(registry, tmp_path):
    result = CliRunner().invoke(app, ["adapters", "add", str(tmp_path / "none")])
    assert isinstance(result.exception, AdapterError)
    assert "There is no adapter folder" in str(result.exception)


def test_recordings_are_scored_with_what_is_promoted(registry, adapter_folder, tmp_path):
    """The adapter of the other tests, by the way of a registry."""
    from somnolens.score.engine import load_engine

    invoke("add", adapter_folder, "--name", "real")
    invoke("promote", "real")
    assert load_engine(f"{registry}#promoted").card.dataset["fingerprint"] == "0123456789ab"

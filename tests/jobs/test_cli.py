"""The command line: what it says of good and of bad input, and how it ends."""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from somnolens import __version__
from somnolens.cli import app
from somnolens.errors import (
    AdapterError,
    BaseModelError,
    RunFolderError,
    SettingsError,
    SomnolensError,
    UnreadableRecordingError,
)
from somnolens.hypnogram import Hypnogram
from somnolens.jobs.arguments import run_command
from somnolens.provenance import make_run_folder
from somnolens.read.json_scoring import read_json
from somnolens.score.night import SIMULATION_NOTE
from tests.jobs.terminal import start_as_in_a_terminal, wait_for_end
from tests.small_cohort import N_EPOCHS, write_small_cohort


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> Path:
    """Never written to."""
    return write_small_cohort(tmp_path_factory.mktemp("nights"), 1) / "SIM001-PSG.edf"


def invoke(*arguments: object) -> str:
    """Standard output of a command that ends well."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def refuse(kind: type[SomnolensError], *arguments: object) -> str:
    """What `main` prints for a command that cannot be done."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert isinstance(result.exception, kind), result.exception
    return str(result.exception)


def test_the_version_is_told():
    assert invoke("version") == __version__


def test_plan_tells_what_training_costs_and_what_that_rests_on():
    said = invoke("plan", "--epochs", 1000, "--gpu", "H200", "--mfu", 0.5)
    assert "embedded, one pass over 1,000 epochs" in said
    assert "parameters 3,462,336" in said
    assert "image tokens 98 98,000" in said
    assert "GPUs of 24 GB for the batch 1 1" in said
    assert "H200: 989 TFLOPS in bfloat16 at its peak; 50 % of it are reached" in said
    assert "None of these figures was measured on a GPU here." in said


def test_plan_refuses_a_picture_that_does_not_suit_the_base_model():
    said = refuse(BaseModelError, "plan", "--set", "render.preset=paper-336")
    assert "336 x 336 px does not suit this base model. Width and height must be multiples of 32" in said


def test_inspect_tells_signals_rates_duration_and_what_is_drawn(night):
    said = invoke("inspect", night)
    assert f"SIM001-PSG.edf: 0.07 h, {N_EPOCHS} epochs, from 2" in said
    assert "EEG F4-M1 uV" in said
    assert "drawn chin EMG" in said
    assert "missing" not in said


def test_inspect_tells_what_a_real_recording_lacks(psg_folder):
    said = invoke("inspect", psg_folder / "SC4001E0_5epochs-PSG.edf")
    assert "EEG Fpz-Cz" in said
    assert "missing" in said


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


BAD = {
    "empty": (lambda content: b"", "is empty (0 bytes)"),
    "text": (lambda content: b"Dear colleague, attached you find", "does not begin with version '0'"),
    "truncated": (cut, "is cut short"),
}


@pytest.mark.parametrize("name", BAD)
def test_inspect_says_what_is_wrong_with_a_file(night, tmp_path, name):
    change, part = BAD[name]
    path = tmp_path / "night.edf"
    path.write_bytes(change(night.read_bytes()))
    assert part in refuse(UnreadableRecordingError, "inspect", path)


@pytest.mark.parametrize("name", BAD)
def test_score_says_what_is_wrong_with_a_file_and_scores_the_others(night, adapter_folder, tmp_path, name):
    change, part = BAD[name]
    bad, good, out = tmp_path / "bad.edf", shutil.copy(night, tmp_path / "good.edf"), tmp_path / "out"
    bad.write_bytes(change(night.read_bytes()))
    result = CliRunner().invoke(
        app, ["score", str(bad), str(good), "--adapter", str(adapter_folder), "--out", str(out)]
    )
    assert result.exit_code == 1
    assert part in " ".join(result.output.split())
    assert sorted(path.name for path in out.iterdir()) == [
        "good.csv",
        "good.json",
        "good.png",
        "good_hypnogram.tsv",
    ]


def test_a_missing_adapter_is_told(night, tmp_path):
    assert "There is no adapter folder" in refuse(AdapterError, "score", night, "--adapter", tmp_path / "none")


def test_an_adapter_of_another_tool_is_refused(night, tmp_path):
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 8}')
    said = refuse(AdapterError, "score", night, "--adapter", tmp_path)
    assert "is not an adapter of somnolens: it has no somnolens.json" in said


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"made_by": "another tool"}', "\udcff"])
def test_a_card_that_is_not_ours_is_refused(night, adapter_folder, tmp_path, content):
    foreign = shutil.copytree(adapter_folder, tmp_path / "adapter")
    (foreign / "somnolens.json").write_bytes(content.encode(errors="surrogateescape"))
    assert "cannot be understood" in refuse(AdapterError, "score", night, "--adapter", foreign)


def test_an_adapter_that_learnt_from_other_pictures_is_refused(night, adapter_folder, tmp_path):
    other = shutil.copytree(adapter_folder, tmp_path / "adapter")
    card = json.loads((other / "somnolens.json").read_text())
    (other / "somnolens.json").write_text(json.dumps(card | {"render_hash": "0123456789ab"}))
    assert "the adapter learnt from 0123456789ab" in refuse(AdapterError, "score", night, "--adapter", other)


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("train.lora_rnk=8", "train.lora_rnk is not a setting; there are"),
        ("trian.lora_rank=8", "trian is not a setting; there are"),
        ("score.batch_size=0", "score.batch_size = 0"),
        ("score.batch_size", "is not of the form section.key=value"),
        ("score.batch_size=[1", "is not of the form section.key=value"),
    ],
)
def test_a_setting_that_cannot_be_used_is_told(night, override, part):
    assert part in refuse(SettingsError, "score", night, "--set", override)


def test_a_run_folder_that_exists_is_refused(tmp_path):
    make_run_folder(tmp_path, "run")
    with pytest.raises(RunFolderError, match="No run overwrites another"):
        make_run_folder(tmp_path, "run")


REAL = ("short_psg.edf", "SC4001E0_5epochs-PSG.edf")


@pytest.mark.parametrize("name", REAL)
def test_real_recordings_are_scored_with_what_they_have(psg_folder, adapter_folder, tmp_path, name):
    path = psg_folder / name
    said = invoke("score", path, "--adapter", adapter_folder, "--out", tmp_path)
    assert SIMULATION_NOTE in said
    scored = read_json(tmp_path / f"{path.stem}.json")
    content = json.loads((tmp_path / f"{path.stem}.json").read_text())
    missing = [name for name, label in content["made_by"]["derivations"].items() if label is None]
    assert isinstance(scored, Hypnogram)
    assert len(scored) == 5 if name.startswith("SC") else len(scored) > 0
    assert missing
    assert all(any(name in note for note in scored.notes) for name in missing)
    assert SIMULATION_NOTE in scored.notes


def test_a_sentence_keeps_what_looks_like_markup(capfd):
    """Rich takes words in square brackets for colours."""
    import typer

    broken = typer.Typer(add_completion=False)

    @broken.command()
    def fail() -> None:
        raise UnreadableRecordingError("night [C4] [/x].edf is empty.")

    with pytest.raises(SystemExit) as end:
        end_as_called(broken)
    assert end.value.code == 1
    captured = capfd.readouterr()
    assert captured.err == "UnreadableRecording: night [C4] [/x].edf is empty.\n"


def end_as_called(app) -> None:
    """Without the arguments of pytest."""
    given, sys.argv = sys.argv, ["somnolens"]
    try:
        run_command(app)
    finally:
        sys.argv = given


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [("inspect", "gone.edf"), ("demo", "--config", "gone.yaml")],
)
def test_bad_input_ends_with_one_sentence_and_exit_code_1(run_somnolens, arguments):
    ended = run_somnolens(*arguments)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1, ended.stderr


@pytest.mark.slow
def test_ctrl_c_ends_a_simulation_and_its_processes(environment, tmp_path):
    command = [sys.executable, "-m", "somnolens.cli", "simulate", str(tmp_path), "--set", "simulate.hours=0.1"]
    command += ["--set", "simulate.n_subjects=200"]
    started = start_as_in_a_terminal(command, environment)
    give_up = time.monotonic() + 100
    while not list(tmp_path.glob("SIM*-PSG.edf")) and time.monotonic() < give_up:
        time.sleep(0.1)
    os.killpg(started.pid, signal.SIGINT)
    _, said = started.communicate(timeout=100)
    assert started.returncode == 130
    assert said.decode().strip() == "Stopped. What was finished is kept."
    assert wait_for_end(started.pid) == []
    assert 0 < len(list(tmp_path.glob("SIM*-PSG.edf"))) < 200
    assert not list(tmp_path.glob(".tmp-*"))

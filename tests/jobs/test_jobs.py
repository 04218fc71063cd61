"""The jobs as a person starts them, one after the other, each from the outputs of the one before."""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from somnolens.errors import RunFolderError
from somnolens.jobs import evaluate_adapter
from tests.jobs.terminal import list_descendants, read_title, start_as_in_a_terminal
from tests.processes import wait_for
from tests.repository.tree import ROOT
from tests.small_cohort import SETTINGS, write_small_cohort

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def set_all(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


PATIENT = b"KowalczykCode F 02-MAY-1951 Anna_Kowalczyk"


@pytest.fixture(scope="module")
def nights(tmp_path_factory) -> Path:
    """Nights whose headers name a person."""
    folder = write_small_cohort(tmp_path_factory.mktemp("cohort") / "nights", 5)
    for path in folder.glob("*.edf"):
        content = path.read_bytes()
        path.write_bytes(content[:8] + PATIENT.ljust(80) + content[88:])
    return folder


def test_build_train_evaluate_and_score_in_a_row_on_a_head(run_on_head, nights, adapter_folder, tmp_path, capsys):
    """The first as `ray job submit` sends it, the others with the head's address, as their jobs find it; to evaluate
    takes no cluster, and is done here."""
    dataset, run, base = tmp_path / "dataset", tmp_path / "run", f"model.base={adapter_folder.parent / 'base'}"
    settings = set_all(*SETTINGS, base, "train.passes=1", "train.n_workers=1")
    submit = (Path(sys.executable).with_name("ray"), "job", "submit", "--working-dir", ROOT, "--")
    built = run_on_head(*submit, sys.executable, "jobs/build_dataset.py", nights, dataset, *settings)
    assert built.returncode == 0, (built.stdout, built.stderr)
    assert "40 epochs of 5 nights" in built.stdout
    steps = [
        ("train_adapter", dataset, run, *settings),
        ("score_recordings", run / "adapter", nights, tmp_path / "scored", "--reports", *settings),
    ]
    for name, *arguments in steps:
        ended = run_on_head(sys.executable, f"jobs/{name}.py", *arguments)
        assert ended.returncode == 0, (name, ended.stdout, ended.stderr)
        assert ended.stderr == "", name
    evaluate_adapter.main(str(run / "adapter"), dataset, tmp_path / "evaluated")
    assert "Agreement on the test subjects" in capsys.readouterr().out
    assert json.loads((tmp_path / "evaluated" / "metrics.json").read_text())["split"] == "test"
    assert len(list((tmp_path / "scored").glob("*.json"))) == 5
    assert len(list((tmp_path / "scored").glob("*/report.html"))) == 5
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "ray.log" for path in written)
    assert [path for path in written if b"Kowalczyk" in path.read_bytes()] == []


def test_ctrl_c_ends_a_job_and_its_cluster(environment, nights, tmp_path):
    many = tmp_path / "nights"
    many.mkdir()
    for number in range(1, 601):
        shutil.copy(nights / "SIM001-PSG.edf", many / f"SIM{number:03d}-PSG.edf")
    command = [sys.executable, "jobs/build_dataset.py", str(many), str(tmp_path / "dataset"), *set_all(*SETTINGS)]
    started = start_as_in_a_terminal(command, environment)
    finished = tmp_path / "dataset" / "shards"
    wait_for(lambda: started.poll() is not None or list(finished.glob("*/*/part-0.parquet")), 150)
    family = list_descendants(started.pid)
    assert any("raylet" in title for title in family.values())
    os.killpg(started.pid, signal.SIGINT)
    _, said = started.communicate(timeout=60)
    assert started.returncode == 130
    assert said.decode().splitlines()[-1] == "Stopped. What was finished is kept."
    wait_for(lambda: not [pid for pid in family if read_title(pid)], 20)


def test_a_run_folder_is_new_or_gone_on_with(tmp_path):
    from somnolens.jobs.train_adapter import open_run

    open_run(tmp_path / "run", resume=False)
    open_run(tmp_path / "run", resume=True)
    with pytest.raises(RunFolderError, match="No run overwrites another"):
        open_run(tmp_path / "run", resume=False)
    with pytest.raises(RunFolderError, match=r"There is no run folder \S+ to go on with\. Leave --resume out"):
        open_run(tmp_path / "other", resume=True)

"""The jobs as a person starts them, one after the other, each from the outputs of the one before."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
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
    settings = set_all(*SETTINGS, base, "train.passes=1", "train.n_workers=1", "report.n_pictures=1")
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


@pytest.fixture(scope="module")
def building(run_on_head, environment, nights, tmp_path_factory) -> Iterator[subprocess.Popen]:
    """A job that is at work on many nights in a cluster of its own, beside another one."""
    folder = tmp_path_factory.mktemp("many")
    (folder / "nights").mkdir()
    for number in range(1, 601):
        shutil.copy(nights / "SIM001-PSG.edf", folder / "nights" / f"SIM{number:03d}-PSG.edf")
    words = [str(folder / "nights"), str(folder / "dataset"), *set_all(*SETTINGS)]
    job = start_as_in_a_terminal([sys.executable, "jobs/build_dataset.py", *words], environment)
    finished = folder / "dataset" / "shards"
    wait_for(lambda: job.poll() is not None or list(finished.glob("*/*/part-0.parquet")), 150)
    yield job
    with suppress(ProcessLookupError):
        os.killpg(job.pid, signal.SIGINT)
    job.wait(60)


ASK = """
import sys
import ray
from ray.util.state import list_nodes

def find_nodes():
    return [node.node_id for node in list_nodes()]

ray.init(address=sys.argv[1], log_to_driver=False)
print(*ray.get(ray.remote(num_cpus=0)(find_nodes).remote()))
"""


def test_a_worker_finds_its_own_cluster_where_another_runs(building, environment):
    """As Ray's cleaner of stopped trials looks for it."""
    (raylet,) = [title for title in list_descendants(building.pid).values() if "raylet/raylet" in title]
    address = re.search(r"--gcs-address=(\S+)", raylet)[1]
    command = [sys.executable, "-c", ASK, address]
    asked = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert asked.returncode == 0, asked.stderr
    (node,) = asked.stdout.split()
    assert node in raylet


def test_ctrl_c_ends_a_job_and_its_cluster(building):
    family = list_descendants(building.pid)
    assert any("raylet" in title for title in family.values())
    os.killpg(building.pid, signal.SIGINT)
    _, said = building.communicate(timeout=60)
    assert building.returncode == 130
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

"""What a training survives: its driver, a node, a node that never comes back."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp

import psutil
import pytest
import torch
from safetensors.torch import load_file

from somnolens.model.adapters import attach_lora, prepare_looker
from somnolens.storage import fetch_folder, list_names, put_folder
from somnolens.train.features import cache_features, load_training_rows
from somnolens.train.loop import run_training
from somnolens.train.study import read_trials
from somnolens.train.worker import train_adapter
from tests.object_store import serve_bucket
from tests.processes import make_environment, start, wait_for
from tests.repository.tree import ROOT

pytestmark = pytest.mark.cluster

SNAPSHOT = "checkpoint_manager_snapshot.json"
PASSES, STEPS = 4, [3, 6, 9, 12]
"""Three train nights of seven scored epochs make three batches of eight a pass, and a report after each pass."""


@pytest.fixture(scope="module")
def long_settings(short_settings):
    """Every checkpoint is kept."""
    more = {"passes": PASSES, "n_workers": 1, "checkpoints_to_keep": 10, "max_failures": 3}
    return change(short_settings, **more)


def change(settings, **train):
    return settings.model_copy(update={"train": settings.train.model_copy(update=train)})


@pytest.fixture(scope="module")
def uninterrupted(long_settings, small_dataset, tmp_path_factory) -> Callable[[], Path]:
    """Last checkpoint of the same run without Ray, in one process that nothing happens to."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    cache_features(long_settings, small_dataset, folder)
    rows, validation = load_training_rows(long_settings, small_dataset, folder)
    torch.manual_seed(long_settings.train.seed)
    looker = prepare_looker(long_settings, small_dataset.style)
    attach_lora(looker, long_settings.train)
    run_training(looker, rows, validation, long_settings.train, lambda figures, save: save(folder))
    return folder


def assert_ended_alike(checkpoint: Path, expected: Path, atol: float) -> None:
    ours, theirs = (load_file(folder / "adapter_model.safetensors") for folder in (checkpoint, expected))
    assert ours.keys() == theirs.keys()
    assert any(weights.abs().max() > 0 for name, weights in theirs.items() if "lora_B" in name)
    for name, weights in theirs.items():
        torch.testing.assert_close(ours[name], weights, rtol=0, atol=atol)


def assert_ended_near(checkpoint: Path, expected: Path) -> None:
    """Two workers add up in another order than one, and AdamW takes a step as large for the smallest of gradients."""
    ours, theirs = (load_file(folder / "adapter_model.safetensors") for folder in (checkpoint, expected))
    ours, theirs = (torch.cat([weights[name].flatten() for name in sorted(theirs)]) for weights in (ours, theirs))
    assert (ours - theirs).norm() < 0.01 * theirs.norm()


@pytest.fixture(params=["here", "s3"])
def place(request, tmp_path) -> Iterator[Path]:
    """A folder of this machine, and one of an object store."""
    if request.param == "here":
        yield tmp_path
    else:
        with serve_bucket("runs") as bucket:
            yield bucket


@pytest.mark.fault("the driver of a training")
def test_the_same_command_goes_on_after_its_driver_was_killed(
    place, long_settings, small_dataset, uninterrupted, tmp_path, ray_folder
):
    run, environment = place / "run", make_environment(Path(mkdtemp(dir=ray_folder)))
    config = tmp_path / "config.yaml"
    config.write_text(long_settings.model_dump_json())
    command = [sys.executable, "jobs/train_adapter.py", str(small_dataset.folder), str(run), "--config", str(config)]
    kept = run / "ray" / "train"
    with start(command, environment) as started:
        wait_for(lambda: "step_000003" in read_text(kept / SNAPSHOT), process=started)
    before = (kept / "step_000003" / "state.pt").stat().st_mtime
    assert not (kept / f"step_{STEPS[-1]:06d}").is_dir()
    again = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)
    assert again.returncode == 0, (again.stdout, again.stderr)
    assert again.stdout.startswith("Going on with the run in")
    assert (kept / "step_000003" / "state.pt").stat().st_mtime == before
    assert {"README.md", "adapter_config.json", "somnolens.json"} < set(list_names(run / "adapter"))
    last = fetch_folder(kept / f"step_{STEPS[-1]:06d}", tmp_path / "last")
    assert_ended_alike(last, uninterrupted, atol=1e-5)


def read_text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


def write_down(folder: Path):
    """A callback that writes down each report and how many workers made it."""
    from ray.train import UserCallback

    class Diary(UserCallback):
        def after_report(self, run_context, metrics, checkpoint):
            with (folder / "reports").open("a") as stream:
                stream.write(f"{metrics[0]['step']} {len(metrics)}\n")

    return Diary()


def read_diary(folder: Path) -> list[tuple[int, int]]:
    return [tuple(map(int, line.split())) for line in (folder / "reports").read_text().splitlines()]


@pytest.mark.fault("a node of a training, its figures compared with an uninterrupted run")
@pytest.mark.parametrize(("another", "min_workers", "n_at_last"), [(True, 0, 2), (False, 1, 1)])
def test_a_run_finishes_though_a_node_is_lost(
    nodes, another, min_workers, n_at_last, long_settings, small_dataset, uninterrupted, tmp_path, monkeypatch
):
    """On another node that comes, or on those that are left; the batches stay the same."""
    monkeypatch.setenv("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "15")
    settings, (cluster, workers) = change(long_settings, n_workers=2, min_workers=min_workers), nodes
    with ThreadPoolExecutor(1) as beside:  # nodes can be added in the main thread alone
        ended = beside.submit(train_adapter, settings, small_dataset.folder, tmp_path, [write_down(tmp_path)])
        wait_for(lambda: ended.done() or (tmp_path / "reports").is_file())
        cluster.remove_node(workers.pop(), allow_graceful=False)
        if another:
            cluster.add_node(num_cpus=1)
        ended.result()
    diary = read_diary(tmp_path)
    assert diary[0] == (3, 2)
    assert diary[-1] == (STEPS[-1], n_at_last)
    assert_ended_near(tmp_path / "ray" / "train" / f"step_{STEPS[-1]:06d}", uninterrupted)


@pytest.mark.fault("a trial's process, and then the driver, of a search in a bucket")
def test_a_search_in_a_bucket_goes_on_after_a_trial_and_then_its_driver_were_killed(
    short_settings, small_dataset, tmp_path, ray_folder
):
    """The trial is counted as interrupted twice, and not as failed."""
    config = tmp_path / "config.yaml"
    search = short_settings.search.model_copy(update={"n_trials": 1})
    settings = change(short_settings, passes=5, n_workers=1).model_copy(update={"search": search})
    config.write_text(settings.model_dump_json())
    with serve_bucket("lost-searches") as lab:
        put_folder(small_dataset.folder, lab / "dataset")
        run, environment = lab / "search", make_environment(Path(mkdtemp(dir=ray_folder)))
        words = ["jobs/search_hyperparameters.py", str(lab / "dataset"), str(run), "--config", str(config)]
        with start([sys.executable, *words], environment) as started:
            wait_for(lambda: "step_000003" in read_first(run, SNAPSHOT), process=started)
            kill_trial(started.pid)
            wait_for(lambda: read_first(run, "interruptions/trial"), process=started)
            wait_for(lambda: "step_000006" in read_first(run, SNAPSHOT), process=started)
        again = subprocess.run(
            [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
        )
        assert again.returncode == 0, (again.stdout, again.stderr)
        (trial,) = read_trials(run)
        assert (trial.interrupted, trial.error) == (2, "")
        assert trial.reports == settings.train.passes
        assert {"adapter_model.safetensors", "somnolens.json"} < set(list_names(run / "adapter"))
        assert (run / "best.sh").read_text().startswith("python jobs/train_adapter.py s3://lost-searches/dataset s3://")


def kill_trial(driver: int) -> None:
    """End the process in which Tune runs a trial, and with it the trial's controller and workers."""
    (trial,) = [one for one in psutil.Process(driver).children(recursive=True) if "ImplicitFunc" in one.cmdline()[0]]
    trial.kill()


def read_first(run: Path, part: str) -> str:
    """Text of the first file of a bucket whose name has this part."""
    return next(((run / name).read_text() for name in list_names(run) if part in name), "")

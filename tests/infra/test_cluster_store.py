"""Dataset, checkpoints and registry in a bucket whose store is away for half a minute while a training runs."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest
from moto.server import ThreadedMotoServer

from somnolens.model.registry import open_registry
from somnolens.storage import list_names, parse_path, put_folder
from tests.object_store import enter_store
from tests.processes import find_port, make_environment, wait_for
from tests.repository.tree import ROOT

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

AWAY_S = 30


class Store:
    """A store of this process, which remembers its buckets while its door is closed."""

    def __init__(self) -> None:
        self.port = find_port()
        self.open()

    def open(self) -> None:
        self._server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self._server.start()

    def close(self) -> None:
        self._server.stop()


@contextmanager
def serve_store() -> Iterator[Store]:
    store = Store()
    try:
        with enter_store(f"http://127.0.0.1:{store.port}", "key", "secret", "us-east-1"):
            yield store
    finally:
        store.close()


@pytest.mark.fault("the object store for 30 s")
def test_a_training_goes_on_though_its_store_is_away_for_half_a_minute(
    short_settings, small_dataset, tmp_path_factory, ray_folder, request
):
    with serve_store() as store:
        bucket = parse_path("s3://lab")
        bucket.mkdir()
        put_folder(small_dataset.folder, bucket / "dataset")
        config = tmp_path_factory.mktemp("c") / "config.yaml"
        longer = {"passes": 6, "n_workers": 1, "max_failures": 5}
        changed = short_settings.model_copy(update={"train": short_settings.train.model_copy(update=longer)})
        config.write_text(changed.model_dump_json())
        job = start_training("s3://lab/dataset", "s3://lab/run", config, Path(mkdtemp(dir=ray_folder)))
        request.addfinalizer(job.kill)
        wait_for(
            lambda: job.poll() is not None or list(bucket.glob("run/ray/train/step_*/state.pt")), 400, "a checkpoint"
        )
        assert job.poll() is None, job.communicate()[0]
        store.close()
        time.sleep(AWAY_S)
        store.open()
        out, _ = job.communicate(timeout=480)
        assert job.returncode == 0, out
        assert "adapter_model.safetensors" in list_names(bucket / "run" / "adapter")
        added = run_somnolens(
            "adapters", "add", "s3://lab/run/adapter", "--registry", "s3://lab/registry", "--name", "one"
        )
        assert added.returncode == 0, added.stderr
        assert [entry.name for entry in open_registry(bucket / "registry").read_entries()] == ["one"]


def start_training(dataset: str, run: str, config: Path, folder: Path) -> subprocess.Popen:
    command = [sys.executable, "jobs/train_adapter.py", dataset, run, "--config", str(config)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=make_environment(folder), **pipes)


def run_somnolens(*words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "somnolens.cli", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

"""Real training runs on two Ray Train workers, a few steps long."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from somnolens.errors import RunFolderError, SettingsError
from somnolens.model.adapter_card import read_card
from somnolens.model.card import STATE_FILE
from somnolens.provenance import begin_run, hold_run
from somnolens.score.engine import load_engine
from somnolens.storage import list_names, write_bytes
from somnolens.train.features import cache_features
from somnolens.train.worker import explain_failure, keep_checkpoint, train_adapter
from tests.object_store import serve_bucket

pytestmark = pytest.mark.filterwarnings("ignore:`use_push_based_shuffle` is deprecated:DeprecationWarning")

N_STEPS = [3, 6]
"""Three train nights of seven scored epochs make three batches of eight a pass; two passes, a report after each."""


def make_witness(folder: Path, kills: bool = False):
    """A callback that writes down what happens and may kill a worker after the first report."""
    from ray.train import UserCallback

    class Witness(UserCallback):
        def after_report(self, run_context, metrics, checkpoint):
            with (folder / "reports.jsonl").open("a") as stream:
                stream.write(json.dumps(metrics[0]) + "\n")
            if kills and not (folder / "killed").exists():
                (folder / "killed").write_text(str(find_worker()))
                os.kill(int((folder / "killed").read_text()), signal.SIGKILL)

        def after_exception(self, run_context, worker_exceptions):
            (folder / "exceptions").write_text(str(len(worker_exceptions)))

    def find_worker() -> int:
        """A Ray Train worker of this cluster: a child of the raylet that this controller is a child of."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
                title = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == os.getppid() and b"RayTrainWorker" in title:
                return int(process.name)
        raise AssertionError("no worker is at work")

    return Witness()


def read_reports(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "reports.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def run(ray_cluster, short_settings, small_dataset, tmp_path_factory) -> Path:
    """A run that nothing happens to."""
    folder = tmp_path_factory.mktemp("run")
    cache_features(short_settings, small_dataset, folder / "cache")
    adapter, metrics = train_adapter(short_settings, small_dataset.folder, folder, [make_witness(folder)])
    assert adapter == folder / "adapter"
    (folder / "best.json").write_text(json.dumps(metrics))
    return folder


@pytest.mark.fault("a worker of a training")
@pytest.mark.cluster
def test_a_run_goes_on_from_its_checkpoint_after_a_worker_is_killed(
    ray_cluster, short_settings, small_dataset, tmp_path
):
    train_adapter(short_settings, small_dataset.folder, tmp_path, [make_witness(tmp_path, kills=True)])
    assert (tmp_path / "killed").exists()
    assert (tmp_path / "exceptions").read_text() != "0"
    assert [report["step"] for report in read_reports(tmp_path)] == N_STEPS


@pytest.mark.ray
def test_every_pass_is_reported(run):
    assert [report["step"] for report in read_reports(run)] == N_STEPS
    assert not (run / "exceptions").exists()


@pytest.mark.ray
def test_the_checkpoint_with_the_best_kappa_is_kept(run):
    best = json.loads((run / "best.json").read_text())
    assert best["kappa"] == max(report["kappa"] for report in read_reports(run))
    assert not (run / "adapter" / STATE_FILE).exists()
    assert len(list((run / "ray" / "train").glob("step_*"))) <= 2


@pytest.mark.ray
def test_a_trained_adapter_is_a_plain_peft_folder(run, short_settings):
    from peft import PeftModel

    from somnolens.model.base import load_model

    model = PeftModel.from_pretrained(load_model(short_settings.model)[0], str(run / "adapter"))
    changed = [w for name, w in model.named_parameters() if "lora_B" in name and w.abs().max() > 0]
    assert changed


@pytest.mark.ray
def test_a_trained_adapter_remembers_what_made_it_and_scores(run, short_settings, small_dataset):
    card = read_card(run / "adapter")
    assert card.settings == short_settings.model_dump(mode="json")
    assert card.render_hash == small_dataset.style.hash
    assert card.dataset["fingerprint"] == small_dataset.manifest["fingerprint"]
    (night,) = small_dataset.nights("test")
    probabilities = load_engine(run / "adapter").score_pictures(small_dataset.read_pictures(night), 8)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-6)


@pytest.mark.ray
def test_a_finished_run_is_not_trained_again(run, short_settings, small_dataset):
    before = (run / "adapter" / "adapter_model.safetensors").read_bytes()
    n_reports = len(read_reports(run))
    adapter, figures = train_adapter(short_settings, small_dataset.folder, run, [make_witness(run)])
    assert figures == json.loads((run / "best.json").read_text())
    assert len(read_reports(run)) == n_reports
    assert (adapter / "adapter_model.safetensors").read_bytes() == before


@pytest.fixture(scope="module")
def bucket() -> Iterator[Path]:
    with serve_bucket("runs") as bucket:
        yield bucket


@pytest.fixture(params=["here", pytest.param("s3", marks=pytest.mark.slow)])
def place(request, tmp_path) -> Path:
    return tmp_path if request.param == "here" else request.getfixturevalue("bucket") / request.node.name


def test_the_same_run_is_gone_on_with_and_another_refused(place):
    asked = {"dataset": "one", "settings": {"train": {"passes": 2}}}
    assert not begin_run(place / "run", asked)
    assert begin_run(place / "run", asked)
    with pytest.raises(RunFolderError, match=r"begun with other settings; --resume goes on as it is asked now"):
        begin_run(place / "run", asked | {"settings": {}})


def test_a_folder_that_holds_anything_else_is_no_run_folder(place):
    write_bytes(place / "run" / "thesis.txt", b"mine")
    with pytest.raises(RunFolderError, match="No run overwrites another"):
        begin_run(place / "run", {})


def test_a_run_is_one_process_s_at_a_time_for_as_long_as_that_lives(tmp_path):
    hold = f"""
from pathlib import Path
from somnolens.provenance import hold_run
with hold_run(Path({str(tmp_path)!r})):
    print("held", flush=True)
    input()
"""
    with Popen([sys.executable, "-c", hold], stdin=PIPE, stdout=PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RunFolderError, match=r"Another process is at work in the run folder .*, or stop it first"):
            hold_run(tmp_path).__enter__()
        other.kill()
    with hold_run(tmp_path):
        assert list(tmp_path.iterdir()) == []


class LostError(Exception):
    """As Ray Train tells of workers that failed."""

    def __init__(self) -> None:
        self.worker_failures = {0: RuntimeError("gone"), 1: SettingsError("train.batch_size = 7 is odd.")}


def test_a_failure_is_explained_by_the_sentence_underneath():
    assert explain_failure(LostError()) == "train.batch_size = 7 is odd."
    chained = RuntimeError("outside")
    chained.__cause__ = SettingsError("inside.")
    assert explain_failure(chained) == "inside."


def test_an_error_that_ray_has_wrapped_is_told_without_its_traceback():
    class WrappedError(SettingsError):
        cause = SettingsError("train.batch_size = 7 is odd.")

        def __str__(self) -> str:
            return "ray::task() pid=1 Traceback ..."

    assert explain_failure(WrappedError()) == "train.batch_size = 7 is odd."


def test_a_failure_without_a_sentence_is_named_in_one_line():
    assert explain_failure(RuntimeError("first\nsecond")) == "RuntimeError: first"
    assert explain_failure(RuntimeError()) == "RuntimeError: no message"


def test_a_kept_checkpoint_replaces_an_older_one(place, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for file, content in {STATE_FILE: b"", "card.json": name.encode()}.items():
            (tmp_path / name / file).write_bytes(content)
        keep_checkpoint(tmp_path / name, place / "adapter")
    assert list_names(place / "adapter") == ["card.json"]
    assert (place / "adapter" / "card.json").read_bytes() == b"two"

"""Figures on their way out, without Ray: callbacks are called by hand, and what they wrote is read back."""

import pickle
import struct
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event

from somnolens.config import Settings, TrackingSettings
from somnolens.errors import SettingsError
from somnolens.train.loop import measure_memory
from somnolens.train.tracking import Tracker, check_tracking, list_parameters

FIRST = {"step": 3, "passes": 1.0, "reports": 1, "kappa": 0.25, "rows_per_s": 18.0, "memory_gb": 1.5}
SECOND = FIRST | {"step": 6, "passes": 2.0, "reports": 2, "kappa": 0.5}


def make_settings(tensorboard: bool = False, mlflow: str = "") -> Settings:
    return Settings(train={"passes": 2}, tracking=TrackingSettings(tensorboard=tensorboard, mlflow=mlflow))


def write_two(settings: Settings, run: Path) -> None:
    """As a run does: sent to another process, then written to."""
    tracker = pickle.loads(pickle.dumps(Tracker(settings, run, "trial-a")))
    tracker.write(FIRST)
    tracker.write(SECOND)


def read_events(folder: Path) -> list[Event]:
    """Events of a TensorBoard file: each after its length (8 bytes) and a checksum (4), and before another."""
    (path,) = folder.iterdir()
    content, events = path.read_bytes(), []
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        events.append(Event.FromString(content[12 : 12 + length]))
        content = content[16 + length :]
    return events


def test_tensorboard_shows_every_figure_at_its_step(tmp_path):
    write_two(make_settings(tensorboard=True), tmp_path)
    events = read_events(tmp_path / "tensorboard" / "trial-a")
    values = [(event.step, value.tag, value.simple_value) for event in events for value in event.summary.value]
    assert [row for row in values if row[1] == "kappa"] == [(3, "kappa", 0.25), (6, "kappa", 0.5)]
    assert {tag for step, tag, _ in values if step == 6} == set(SECOND)
    assert "settings/text_summary" in {tag for step, tag, _ in values if step == 0}


def test_without_tracking_nothing_is_written(tmp_path):
    write_two(make_settings(), tmp_path)
    check_tracking(make_settings(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_opened_before_the_first_figures(tmp_path):
    Tracker(make_settings(tensorboard=True), tmp_path, "trial-a")
    assert list(tmp_path.iterdir()) == []


def open_client(run: Path):
    mlflow = pytest.importorskip("mlflow")
    return mlflow.MlflowClient(tracking_uri=(run / "mlruns").as_uri())


def test_mlflow_has_the_figures_and_the_settings_of_each_run(tmp_path):
    pytest.importorskip("mlflow")
    settings = make_settings(mlflow="run")
    check_tracking(settings, tmp_path)
    write_two(settings, tmp_path)
    client = open_client(tmp_path)
    experiment = client.get_experiment_by_name(tmp_path.name)
    (found,) = client.search_runs([experiment.experiment_id])
    assert found.info.run_name == "trial-a"
    assert found.info.status == "FINISHED"
    assert found.data.params == list_parameters(settings)
    history = client.get_metric_history(found.info.run_id, "kappa")
    assert [(point.step, point.value) for point in history] == [(3, 0.25), (6, 0.5)]


def test_a_run_that_is_gone_on_with_is_one_run_in_mlflow(tmp_path):
    pytest.importorskip("mlflow")
    settings = make_settings(mlflow="run")
    Tracker(settings, tmp_path, "train").write(FIRST)
    Tracker(settings, tmp_path, "train").write(SECOND)
    client = open_client(tmp_path)
    (found,) = client.search_runs([client.get_experiment_by_name(tmp_path.name).experiment_id])
    assert len(client.get_metric_history(found.info.run_id, "kappa")) == 2


def test_a_store_that_cannot_be_used_is_refused_before_anything_starts(tmp_path):
    pytest.importorskip("mlflow")
    with pytest.raises(SettingsError, match=r"tracking.mlflow = 'gopher://x' cannot be used .* sqlite:///mlflow.db"):
        check_tracking(make_settings(mlflow="gopher://x"), tmp_path)


def test_a_store_that_fails_on_the_way_does_not_end_the_training(tmp_path, capsys):
    pytest.importorskip("mlflow")
    (tmp_path / "mlruns").write_text("in the way")
    write_two(make_settings(tensorboard=True, mlflow="run"), tmp_path)
    assert "MLflow did not take the figures of step 3" in capsys.readouterr().out
    assert (tmp_path / "tensorboard").is_dir()


def test_the_memory_of_this_process_is_told_in_gigabytes():
    assert 0.05 < measure_memory()["memory_gb"] < 100


def test_the_worker_that_took_most_memory_is_told_of(tmp_path):
    from somnolens.train.worker import TrackReports

    tracker = Tracker(make_settings(tensorboard=True), tmp_path, "train")
    TrackReports(tracker).after_report(None, [FIRST, FIRST | {"memory_gb": 2.5}], None)
    tracker.close()
    events = read_events(tmp_path / "tensorboard" / "train")
    memory = [value.simple_value for event in events for value in event.summary.value if value.tag == "memory_gb"]
    assert memory == [2.5]

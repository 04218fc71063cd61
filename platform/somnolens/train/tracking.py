"""Figures of a run on their way to TensorBoard and MLflow, as its validations come in."""

import importlib.util
import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from somnolens.config import Settings
from somnolens.errors import SettingsError
from somnolens.storage import is_here, put_folder, settle

TENSORBOARD_FOLDER = "tensorboard"
MLFLOW_FOLDER = "mlruns"
IN_RUN_FOLDER = "run"
_PARAMETERS_AT_ONCE = 100
_LONGEST_PARAMETER = 6000
"""What MLflow takes."""

for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # what is trained here is nobody else's business
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # a run does not wait minutes for a server that is gone
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}.items():
    os.environ.setdefault(_name, _value)


def check_tracking(settings: Settings, run: Path) -> None:
    """See, before anything starts, that figures can go where they should, and make room for them.

    Raises
    ------
    SettingsError
        Where MLflow is missing, or does not answer.
    """
    uri = settings.tracking.mlflow
    if not uri:
        return
    if importlib.util.find_spec("mlflow") is None:
        raise SettingsError(
            f"tracking.mlflow = {uri!r} needs MLflow, which is not installed. "
            "Install somnolens[tracking], or leave the setting out."
        )
    if uri == IN_RUN_FOLDER and not is_here(run):
        raise SettingsError(
            f"tracking.mlflow = {uri!r} keeps files in the run folder, and {run} is in a store. Name a server, or a "
            "database as sqlite:///mlflow.db."
        )
    from mlflow.exceptions import MlflowException

    try:
        _MLflow(settings, run, "").open_experiment()
    except (MlflowException, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise SettingsError(
            f"tracking.mlflow = {uri!r} cannot be used ({reason}). "
            f"Name a server, a database as sqlite:///mlflow.db, or {IN_RUN_FOLDER!r} for the run folder."
        ) from None


class Tracker:
    """Passes the figures of one run on; nothing is opened before the first, so that it can be sent to another process.

    Parameters
    ----------
    settings : Settings
        Of this run; written once, beside the figures.
    run : Path
        Run folder.
    name : str
        Of the run among those of the folder, for instance the trial's.
    """

    def __init__(self, settings: Settings, run: Path, name: str) -> None:
        self.settings, self.run, self.name = settings, run, name
        self._open: list[_TensorBoard | _MLflow] | None = None

    def write(self, figures: dict[str, Any]) -> None:
        """Write the figures of one validation at their `step`."""
        if self._open is None:
            self._open = [*self._begin()]
        numbers = {key: float(value) for key, value in figures.items() if isinstance(value, int | float)}
        for place in self._open:
            place.write(numbers, int(figures["step"]))
        train = self.settings.train
        if figures["reports"] >= train.passes * train.reports_per_pass:
            self.close("FINISHED")

    def close(self, status: str = "") -> None:
        """Close what was opened; with MLflow's `status` if the run has ended."""
        for place in self._open or ():
            place.close(status)
        self._open = None

    def _begin(self):
        if self.settings.tracking.tensorboard:
            yield _TensorBoard(self.settings, self.run, self.name)
        if self.settings.tracking.mlflow:
            yield _MLflow(self.settings, self.run, self.name)


def end_tracking(settings: Settings, run: Path, name: str, status: str) -> None:
    """End a run in MLflow that nobody else will: its own process was stopped, and could not say so.

    Parameters
    ----------
    settings : Settings
    run : Path
    name : str
        As `Tracker` has them.
    status : {'KILLED', 'FAILED'}
        What becomes of a run that counts as running; one that has ended stays as it is.
    """
    if settings.tracking.mlflow:
        _MLflow(settings, run, name).end(status)


class _TensorBoard:
    """Event files of one run; a run that is gone on with adds a file.

    Events are written as they come: `SummaryWriter` has a thread for it, and loses what waits there when a trial is
    stopped early and its process ends.
    """

    def __init__(self, settings: Settings, run: Path, name: str) -> None:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.summary import text

        self.folder = run / TENSORBOARD_FOLDER / name
        self.temporary = None if is_here(run) else TemporaryDirectory(prefix="somnolens-")
        self.here = Path(self.temporary.name) if self.temporary else self.folder
        self.here.mkdir(parents=True, exist_ok=True)
        self.writer = EventsWriter(str(self.here / "events"))
        lines = [f"| {key} | {value} |" for key, value in list_parameters(settings).items()]
        self._add(text("settings", "\n".join(["| setting | value |", "|---|---|", *lines])), 0)

    def write(self, figures: dict[str, float], step: int) -> None:
        from tensorboardX.summary import scalar

        for key, value in figures.items():
            self._add(scalar(key, value), step)
        self.writer.flush()
        self._put()

    def close(self, status: str) -> None:
        self.writer.close()
        self._put()
        if self.temporary:
            self.temporary.cleanup()

    def _put(self) -> None:
        """A store has no files to add to: it gets what there is so far."""
        if not is_here(self.folder):
            put_folder(self.here, self.folder)

    def _add(self, summary: Any, step: int) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self.writer.write_event(Event(wall_time=time.time(), step=step, summary=summary))


class _MLflow:
    """One run of an MLflow experiment, which is called as the run folder is.

    A store that fails while a training goes on is told of in the log and left alone: figures are not worth a run.
    """

    def __init__(self, settings: Settings, run: Path, name: str) -> None:
        uri = settings.tracking.mlflow
        self.uri = (settle(run) / MLFLOW_FOLDER).as_uri() if uri == IN_RUN_FOLDER else uri
        if self.uri.startswith("file:"):
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # small, and safe beside other writers
        self.settings, self.experiment, self.name = settings, settle(run).name, name
        self.client, self.run_id = None, ""

    def open_experiment(self) -> str:
        """Its id; made where there is none."""
        from mlflow import MlflowClient

        self.client = self.client or MlflowClient(tracking_uri=self.uri)
        found = self.client.get_experiment_by_name(self.experiment)
        return found.experiment_id if found else self.client.create_experiment(self.experiment)

    def write(self, figures: dict[str, float], step: int) -> None:
        from mlflow.entities import Metric
        from mlflow.exceptions import MlflowException

        now_ms = int(1000 * time.time())
        try:
            self.run_id = self.run_id or self._open_run()
            metrics = [Metric(key, value, now_ms, step) for key, value in figures.items()]
            self.client.log_batch(self.run_id, metrics=metrics)
        except (MlflowException, OSError) as error:
            print(f"MLflow did not take the figures of step {step}: {error}", flush=True)

    def close(self, status: str) -> None:
        if self.run_id and status:
            self._tell_end(lambda: self.client.set_terminated(self.run_id, status))

    def end(self, status: str) -> None:
        """Give a run its status that counts as running still."""

        def end() -> None:
            found = self._find_run(self.open_experiment())
            if found and found.info.status == "RUNNING":
                self.client.set_terminated(found.info.run_id, status)

        self._tell_end(end)

    def _tell_end(self, tell: Callable[[], None]) -> None:
        from mlflow.exceptions import MlflowException

        try:
            tell()
        except (MlflowException, OSError) as error:
            print(f"MLflow did not take the end of the run: {error}", flush=True)

    def _find_run(self, experiment: str) -> Any:
        """The run of this name, or None."""
        named = f"attributes.run_name = '{self.name}'"
        return next(iter(self.client.search_runs([experiment], named, max_results=1)), None)

    def _open_run(self) -> str:
        """The run of this name, to go on with; or a new one, with its settings."""
        from mlflow.entities import Param

        experiment = self.open_experiment()
        if found := self._find_run(experiment):
            return found.info.run_id
        run_id = self.client.create_run(experiment, run_name=self.name).info.run_id
        params = [Param(key, value[:_LONGEST_PARAMETER]) for key, value in list_parameters(self.settings).items()]
        for first in range(0, len(params), _PARAMETERS_AT_ONCE):
            self.client.log_batch(run_id, params=params[first : first + _PARAMETERS_AT_ONCE])
        return run_id


def list_parameters(settings: Settings) -> dict[str, str]:
    """Settings that make an adapter what it is, as `section.key`.

    Examples
    --------
    >>> list_parameters(Settings())["train.lora_dropout"]
    '0.0'
    """
    plain = settings.model_dump(mode="json", include={"prepare", "render", "dataset", "model", "train"})
    return {f"{section}.{key}": str(value) for section, values in plain.items() for key, value in values.items()}

"""One training run on Ray Train: the loop on several workers, with checkpoints that outlive them.

Ray imports this module in its controllers too, which never touch a model: the libraries for it are imported
where they are used, and a trial starts seconds earlier.
"""

import json
import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import ray.train
import ray.train.torch
import torch
from pyarrow.fs import FSSpecHandler, PyFileSystem
from ray.train import (
    CheckpointConfig,
    FailureConfig,
    Result,
    RunConfig,
    ScalingConfig,
    TrainingFailedError,
    UserCallback,
)
from ray.train.torch import TorchTrainer

from somnolens.config import Settings
from somnolens.errors import SomnolensError
from somnolens.importing import at_rest
from somnolens.storage import is_here, list_names, put_file, settle, write_json
from somnolens.train.tracking import Tracker

if TYPE_CHECKING:
    from somnolens.train.loop import Crew

OBJECTIVE = "kappa"
"""What a checkpoint, and a trial, is better by: Cohen's kappa on the validation rows."""

ENDED_FILE = "ended.json"
"""Settings and best figures of a run that has come to its end."""


def build_trainer(
    settings: Settings, dataset: Path, cache: Path, storage: Path, name: str, callbacks: Sequence[Any] = ()
) -> TorchTrainer:
    """A trainer ready to `fit`.

    Parameters
    ----------
    settings : Settings
    dataset : Path
        Dataset folder: at the same path on every node, or in a store.
    cache : Path
        Folder of cached vision features, likewise; used where the settings allow it.
    storage : Path
        Folder of all runs, likewise. A run of the same name is gone on with, not begun again.
    name : str
    callbacks : sequence of ray.train.UserCallback
    """
    train = settings.train
    resources = {"CPU": train.cpus_per_worker} | ({"GPU": train.gpus_per_worker} if train.gpus_per_worker else {})
    return TorchTrainer(
        train_on_worker,
        train_loop_config={
            "settings": settings.model_dump(mode="json"),
            "dataset": settle(dataset),
            "cache": settle(cache),
        },
        scaling_config=ScalingConfig(
            num_workers=(train.min_workers, train.n_workers) if train.min_workers else train.n_workers,
            use_gpu=train.gpus_per_worker > 0,
            resources_per_worker=resources,
        ),
        run_config=RunConfig(
            name=name,
            **reach(settle(storage)),
            failure_config=FailureConfig(max_failures=train.max_failures),
            checkpoint_config=CheckpointConfig(
                num_to_keep=train.checkpoints_to_keep,
                checkpoint_score_attribute=OBJECTIVE,
                checkpoint_score_order="max",
            ),
            callbacks=list(callbacks),
        ),
    )


def reach(storage: Path) -> dict[str, Any]:
    """How Ray is told of a folder; a store is reached by the client that reached it here, with its address and keys."""
    if is_here(storage):
        return {"storage_path": str(storage)}
    return {"storage_path": storage.path, "storage_filesystem": PyFileSystem(FSSpecHandler(storage.fs))}


def train_adapter(
    settings: Settings, dataset: Path, run: Path, callbacks: Sequence[Any] = ()
) -> tuple[Path, dict[str, Any]]:
    """Train one adapter; the checkpoint with the best validation kappa becomes `run/adapter`.

    A run that has come to its end with the same settings is not begun again.

    Returns
    -------
    folder, metrics
        The adapter folder, and what was reported with its checkpoint.

    Raises
    ------
    SomnolensError
        Where the workers failed more often than `train.max_failures`; what was reported until then is kept.
    """
    asked = settings.model_dump(mode="json")
    ended = _read_ended(run)
    if ended.get("settings") == asked:
        return run / "adapter", ended["figures"]
    callbacks = [*callbacks, TrackReports(Tracker(settings, settle(run), "train"))]
    result = _fit(build_trainer(settings, dataset, run / "cache", run / "ray", "train", callbacks))
    checkpoint, figures = max(result.best_checkpoints, key=lambda pair: pair[1][OBJECTIVE])
    with checkpoint.as_directory() as folder:
        adapter = keep_checkpoint(Path(folder), run / "adapter")
    write_json(run / ENDED_FILE, {"settings": asked, "figures": figures})
    return adapter, figures


class TrackReports(UserCallback):
    """Passes the figures of each validation to a tracker, from Ray's controller."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker

    def after_report(self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Any) -> None:
        """Figures are equal in all workers but the memory: that of the one which took most is told."""
        self.tracker.write(metrics[0] | {"memory_gb": max(figures["memory_gb"] for figures in metrics)})


def _read_ended(run: Path) -> dict[str, Any]:
    path = run / ENDED_FILE
    return json.loads(path.read_text()) if path.is_file() else {}


def _fit(trainer: TorchTrainer) -> Result:
    """Fit beside the main thread: in it Ray Train would take Ctrl-C for itself, and end with exit code 0."""
    ended: Future[Result] = Future()

    def fit() -> None:
        try:
            ended.set_result(trainer.fit())
        except TrainingFailedError as error:
            ended.set_exception(SomnolensError(f"The training failed: {explain_failure(error)}"))
        except BaseException as error:
            ended.set_exception(error)

    threading.Thread(target=fit, daemon=True).start()
    return ended.result()


def keep_checkpoint(checkpoint: Path, folder: Path) -> Path:
    """Copy a checkpoint as an adapter folder, without the state to resume from; an older copy gives way."""
    from somnolens.model.adapter_card import copy_adapter
    from somnolens.model.card import STATE_FILE

    if not is_here(folder):
        for name in (name for name in list_names(checkpoint) if name != STATE_FILE):
            put_file(checkpoint / name, folder / name)
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    copy_adapter(checkpoint, folder)
    (folder / STATE_FILE).unlink(missing_ok=True)
    return folder


def train_on_worker(config: dict[str, Any]) -> None:
    """What each Ray Train worker runs.

    Every worker reports at every validation; the first one's report carries the checkpoint, a PEFT
    folder with the state to go on from. Its name is the step, so that a retry writes over it.
    """
    with at_rest():
        from somnolens.dataset.manifest import open_training_dataset
        from somnolens.model.adapter_card import write_card
        from somnolens.model.adapters import attach_lora, compile_layers, make_card, prepare_looker
        from somnolens.train.features import load_training_rows
        from somnolens.train.loop import Crew, run_training

    settings = Settings.model_validate(config["settings"])
    context = ray.train.get_context()
    crew = Crew(context.get_world_rank(), context.get_world_size())
    torch.manual_seed(settings.train.seed)
    torch.set_num_threads(max(1, int(settings.train.cpus_per_worker)))
    dataset = open_training_dataset(config["dataset"], settings)
    rows, validation = load_training_rows(settings, dataset, config["cache"])
    looker = prepare_looker(settings, dataset.style)
    attach_lora(looker, settings.train)
    if settings.train.compile:
        compile_layers(looker)
    card = make_card(settings, dataset.style, dataset.summary)

    def report(figures: dict[str, Any], save: Callable[[Path], None]) -> None:
        name = f"step_{figures['step']:06d}"
        if crew.rank:
            ray.train.report(figures, checkpoint_dir_name=name)
            return
        with TemporaryDirectory() as folder:
            save(Path(folder))
            write_card(Path(folder), card)
            ray.train.report(figures, ray.train.Checkpoint.from_directory(folder), checkpoint_dir_name=name)

    def wrap(module: torch.nn.Module) -> torch.nn.Module:
        return _parallelise(module, settings.train.sharding, crew)

    checkpoint = ray.train.get_checkpoint()
    if settings.train.phase_one_steps and checkpoint is None:
        _practise(looker, settings, dataset.style, crew.rank)
    run_training(looker, rows, validation, settings.train, report, wrap, crew, _localise(checkpoint))


def _practise(looker: Any, settings: Settings, style: Any, rank: int) -> None:
    """Phase one. What it reached is in the log of the run."""
    from somnolens.model.base import load_tokenizer
    from somnolens.train.perception import practise_perception

    looker.to(ray.train.torch.get_device())
    losses = practise_perception(looker, load_tokenizer(settings.model), style, settings.train, rank)
    print(f"phase one: loss {losses[0]:.3f} at its first step, {losses[-1]:.3f} at its last", flush=True)


def _parallelise(module: torch.nn.Module, sharding: str, crew: "Crew") -> torch.nn.Module:
    """Cut up, or distributed data parallel, where there is more than one worker; buffers are equal everywhere already.

    Ray's own way to shard is torch's first kind, which refuses processors.
    """
    if sharding == "fsdp" and crew.size > 1:
        from somnolens.train.sharding import shard

        return shard(module, ray.train.torch.get_device(), crew.size)
    return ray.train.torch.prepare_model(module, parallel_strategy_kwargs={"broadcast_buffers": False})


def _localise(checkpoint: ray.train.Checkpoint | None) -> Path | None:
    return None if checkpoint is None else Path(checkpoint.to_directory())


def explain_failure(error: BaseException) -> str:
    """One sentence for a failed run: the library's own if one lies underneath, else what Ray says."""
    causes = [error, *getattr(error, "worker_failures", {}).values()]
    while causes:
        cause = causes.pop(0)
        if isinstance(cause, SomnolensError) and not hasattr(
            cause, "cause"
        ):  # Ray's own wears our type and its traceback
            return str(cause)
        causes += [inner for inner in (cause.__cause__, getattr(cause, "cause", None)) if inner is not None]
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else 'no message'}"

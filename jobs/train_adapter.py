"""Fine-tune one LoRA adapter on a dataset, on one worker or many.

    python jobs/train_adapter.py DATASET RUN [--resume] [--config FILE] [--set section.key=value ...]

The adapter is written to RUN/adapter. Interrupted, the same command with --resume goes on from
the last checkpoint.
"""

from pathlib import Path
from typing import Annotated

import typer
from ray.train import UserCallback
from rich.console import Console

from somnolens.config import Settings, read_settings
from somnolens.dataset.manifest import open_training_dataset
from somnolens.errors import RunFolderError
from somnolens.jobs.arguments import Config, Overrides, run_job
from somnolens.jobs.cluster import LOG_FILE, cluster, progress
from somnolens.model.adapter_card import AdapterCard
from somnolens.provenance import make_run_folder
from somnolens.score.fitting import finish_adapter
from somnolens.train.features import cache_features
from somnolens.train.tracking import check_tracking
from somnolens.train.worker import train_adapter


def main(
    dataset: Annotated[Path, typer.Argument(help="folder made by build_dataset.py")],
    run: Annotated[Path, typer.Argument(help="new folder of this run")],
    resume: Annotated[bool, typer.Option("--resume", help="go on with an interrupted run")] = False,
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Fine-tune one LoRA adapter on a dataset."""
    settings = read_settings(config, overrides)
    open_training_dataset(dataset, settings)
    open_run(run, resume)
    with cluster(run / LOG_FILE, settings.train.n_workers + 1) as console:
        card = train(dataset, run, settings, console)
        kappa = card.metrics["validation.night.kappa"]
        console.print(f"Cohen's kappa on the validation nights is {kappa:.3f}.\nThe adapter is in {run / 'adapter'}.")


def train(dataset: Path, run: Path, settings: Settings, console: Console) -> AdapterCard:
    """Cache what can be cached, train, and fit the night-level step."""
    check_tracking(settings, run)
    cache_vision(dataset, run, settings, console)
    with console.status("Training; figures of each validation are in the log"):
        adapter, _ = train_adapter(settings, dataset, run, [PrintReports()])
    return finish_adapter(adapter, open_training_dataset(dataset, settings))


def cache_vision(dataset: Path, run: Path, settings: Settings, console: Console) -> None:
    """Cache vision features with a progress bar."""
    with progress(console, "Looking at every picture once", 1) as advance:
        seen = 0

        def report(done: int, total: int) -> None:
            nonlocal seen
            advance((done - seen) / total, note=f"{done} of {total} pictures")
            seen = done

        cache_features(settings, open_training_dataset(dataset, settings), run / "cache", report)


def open_run(run: Path, resume: bool) -> None:
    """A new run folder, or with `resume` one that is there."""
    if not resume:
        make_run_folder(run.parent, run.name)
    elif not run.is_dir():
        raise RunFolderError(f"There is no run folder {run} to go on with. Leave --resume out.")


class PrintReports(UserCallback):
    """Writes the figures of each validation to the log, from Ray's controller."""

    def after_report(self, run_context, metrics, checkpoint) -> None:
        figures = {key: round(value, 4) for key, value in metrics[0].items()}
        print(f"validation: {figures}", flush=True)


if __name__ == "__main__":
    run_job(main)

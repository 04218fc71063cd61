"""Fine-tune one LoRA adapter on a dataset, on one worker or many.

    python jobs/train_adapter.py DATASET RUN [--resume] [--config FILE] [--set section.key=value ...]

Both are folders, or places in an object store. The adapter is written to RUN/adapter. Interrupted, in whatever way,
the same command goes on from the last checkpoint; with --resume also if other settings are asked for now.

Ray imports this module in its controllers too: what needs a model is imported where the model is.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from ray.train import UserCallback
from rich.console import Console

from somnolens.config import Settings, read_settings
from somnolens.dataset.manifest import Dataset, open_training_dataset
from somnolens.errors import RunFolderError
from somnolens.importing import at_rest
from somnolens.jobs.arguments import Config, Overrides, place, run_job
from somnolens.jobs.cluster import LOG_FILE, cluster, progress, run_on_worker
from somnolens.model.adapter_card import AdapterCard
from somnolens.provenance import begin_run, hold_run, make_run_folder
from somnolens.storage import bring_folder, is_here, put_folder, settle
from somnolens.train.tracking import check_tracking
from somnolens.train.worker import train_adapter


def main(
    dataset: Annotated[Path, place("folder made by build_dataset.py")],
    run: Annotated[Path, place("folder of this run")],
    resume: Annotated[
        bool, typer.Option("--resume", help="go on with a run that was begun with other settings")
    ] = False,
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Fine-tune one LoRA adapter on a dataset."""
    settings = read_settings(config, overrides)
    opened = open_training_dataset(dataset, settings)
    goes_on = begin(run, resume, settings, opened)
    with hold_run(run), cluster(run / LOG_FILE, settings.train.n_workers + 1) as console:
        if goes_on:
            console.print(f"Going on with the run in {run}.")
        card = train(dataset, run, settings, console)
        kappa = card.metrics["validation.night.kappa"]
        console.print(f"Cohen's kappa on the validation nights is {kappa:.3f}.\nThe adapter is in {run / 'adapter'}.")


def train(dataset: Path, run: Path, settings: Settings, console: Console) -> AdapterCard:
    """Cache what can be cached, train, and fit the night-level step."""
    check_tracking(settings, run)
    cache_vision(dataset, run, settings, console)
    with console.status("Training; figures of each validation are in the log"):
        adapter, _ = train_adapter(settings, dataset, run, [PrintReports()])
    return finish(adapter, dataset, settings)


def finish(adapter: Path, dataset: Path, settings: Settings) -> AdapterCard:
    """Fit the night-level step on a worker: it looks at the validation nights with the whole model."""
    (card,) = run_on_worker(settings.train, _finish, settle(adapter), settle(dataset), settings)
    return card


def _finish(adapter: Path, dataset: Path, settings: Settings) -> Iterator[AdapterCard]:
    """Of an adapter in a store, on a copy, which is put there then."""
    with at_rest():
        from somnolens.score.fitting import finish_adapter

    opened = open_training_dataset(dataset, settings)
    if is_here(adapter):
        yield finish_adapter(adapter, opened)
        return
    with bring_folder(adapter) as here:
        card = finish_adapter(here, opened)
        put_folder(here, adapter)
    yield card


def cache_vision(dataset: Path, run: Path, settings: Settings, console: Console) -> None:
    """Cache vision features on a worker, with a progress bar."""
    if not settings.train.may_cache:
        return
    with progress(console, "Looking at every picture once", 1) as advance:
        seen = 0
        for done, total in run_on_worker(settings.train, _cache, settings, settle(dataset), settle(run / "cache")):
            advance((done - seen) / total, note=f"{done} of {total} pictures")
            seen = done


def _cache(settings: Settings, dataset: Path, cache: Path) -> Iterator[tuple[int, int]]:
    with at_rest():
        from somnolens.train.features import write_features

    yield from write_features(settings, open_training_dataset(dataset, settings), cache)


def begin(run: Path, resume: bool, settings: Settings, dataset: Dataset) -> bool:
    """Open the run folder; True where there is a run to go on with."""
    if resume:
        open_run(run, resume)
        return True
    asked = {"dataset": dataset.summary, "settings": settings.model_dump(mode="json")}
    return begin_run(run, asked)


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

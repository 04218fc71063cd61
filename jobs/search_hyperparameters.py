"""Search the training settings with Ray Tune and Optuna, and keep the best adapter.

    python jobs/search_hyperparameters.py DATASET RUN [--resume] [--config FILE] [--set search.n_trials=12 ...]

The best adapter is written to RUN/adapter, the table of trials to RUN/trials.json and drawn as RUN/history.png and
RUN/importance.png, the command that repeats the best to RUN/best.sh. With search.objectives="kappa and cost" Optuna
looks for cheap models too, and RUN/front.png draws kappa against cost. The study is RUN/study.log, which
optuna-dashboard opens at any time. DATASET and RUN are folders, or places in an object store. Interrupted, in whatever
way, the same command goes on; with --resume it does only that, and refuses to begin.
"""

import math
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from somnolens.config import Settings, read_settings
from somnolens.dataset.manifest import Dataset, open_training_dataset
from somnolens.errors import RunFolderError, SomnolensError
from somnolens.jobs.arguments import Config, Overrides, place, run_job
from somnolens.jobs.cluster import LOG_FILE, cluster, progress
from somnolens.jobs.train_adapter import cache_vision, finish
from somnolens.provenance import begin_run, hold_run
from somnolens.report.canvas import write_figure
from somnolens.report.search import draw_front, draw_history, draw_importance
from somnolens.storage import is_here, list_names, parse_path, write_bytes
from somnolens.train.journal import STUDY_FILE, has_study
from somnolens.train.search import search_hyperparameters
from somnolens.train.study import (
    Search,
    Trial,
    check_space,
    count_finished,
    format_command,
    load_study,
    measure_importance,
    reopen_study,
)
from somnolens.train.tracking import check_tracking
from somnolens.train.worker import OBJECTIVE


def main(
    dataset: Annotated[Path, place("folder made by build_dataset.py")],
    run: Annotated[Path, place("new folder of this run")],
    resume: Annotated[bool, typer.Option("--resume", help="go on with a search, and begin none")] = False,
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Search the training settings and keep the best adapter."""
    settings = read_settings(config, overrides)
    check_space(settings)
    resume = begin(run, resume, open_training_dataset(dataset, settings))
    n_workers = settings.train.n_workers * settings.search.max_concurrent_trials
    with hold_run(run):
        if resume:
            reopen_study(settings, run)
        with cluster(run / LOG_FILE, n_workers + 1) as console:
            found = search(dataset, run, settings, console, resume)
            console.print(format_trials(found))
            console.print(describe(found, run), soft_wrap=True, highlight=False)


def begin(run: Path, resume: bool, dataset: Dataset) -> bool:
    """Open the run folder; True where there is a study to go on with.

    Of a job that was interrupted before its search nothing is lost by beginning it now.
    """
    if resume and not list_names(run):
        raise RunFolderError(f"There is no search in {run} to go on with. Leave --resume out.")
    advice = "name the dataset it began with, or another run folder."
    return begin_run(run, {"dataset": dataset.summary}, advice) and has_study(run)


def search(dataset: Path, run: Path, settings: Settings, console: Console, resume: bool = False) -> Search:
    """Search with a progress bar, fit the night-level step of the best, draw how it went."""
    check_tracking(settings, run)
    n_done = count_finished(load_study(run)) if resume else 0
    cache_vision(dataset, run, settings, console)
    with progress(console, "Searching", settings.search.n_trials) as advance:
        advance(n_done)
        seen: set[str] = set()

        def report(trial: str, figures: dict[str, Any]) -> None:
            number = n_done + len(seen | {trial})
            advance(trial not in seen and len(seen) > 0, note=f"trial {number}: {_describe(figures)}")
            seen.add(trial)

        found = search_hyperparameters(settings, dataset, run, report, resume)
        advance(bool(seen))
    finish(run / "adapter", dataset, settings)
    again = format_command(settings, found.best.values, dataset, parse_path(f"{run}-best"))
    write_bytes(run / "best.sh", f"{again}\n".encode())
    _draw(found, run, console)
    return found


def _draw(found: Search, run: Path, console: Console) -> None:
    """History and importance, as pictures; a sentence where the trials do not tell what mattered."""
    write_figure(draw_history(found.trials), run / "history.png")
    if found.front:
        write_figure(draw_front(found), run / "front.png")
    n_finished = sum(not trial.failed for trial in found.trials)
    try:
        write_figure(draw_importance(measure_importance(load_study(run)), n_finished), run / "importance.png")
    except SomnolensError as error:
        console.print(f"No importance.png: {error}")


def describe(found: Search, run: Path) -> str:
    """What came out: failures by reason, where things are, how to repeat the best."""
    reasons = Counter(trial.error for trial in found.trials if trial.failed)
    lines = [f"{reasons.total()} of {len(found.trials)} trials failed:"] if reasons else []
    lines += [f"  {n} x {reason}" for reason, n in reasons.most_common()]
    lines += [
        f"The best adapter is in {run / 'adapter'}; how the search went, in {run / 'history.png'}.",
        f"To look into it: {_tell_dashboard(run / STUDY_FILE)}",
        f"To repeat the best alone ({run / 'best.sh'}):",
        f"  {(run / 'best.sh').read_text().strip()}",
    ]
    return "\n".join(lines)


def _tell_dashboard(study: Path) -> str:
    if is_here(study):
        return f"optuna-dashboard {study}"
    return f"copy {study} to this folder, then optuna-dashboard {study.name}"


def format_trials(found: Search) -> Table:
    """The table of trials, the best one marked."""
    table = Table(title="Trials", title_justify="left", box=None)
    names = list(found.trials[0].values)
    priced = bool(found.front)
    for name in ("", *names, "reports", "kappa", *["GFLOP a picture"] * priced, ""):
        table.add_column(name, justify="right")
    for trial in found.trials:
        kappa = "failed" if trial.failed else f"{trial.kappa:.3f}"
        cost = [f"{trial.gflop:.2f}" if trial.gflop else ""] * priced
        values = [f"{value:.2g}" if isinstance(value, float) else str(value) for value in trial.values.values()]
        table.add_row(str(trial.number), *values, str(trial.reports), kappa, *cost, _note(trial, found))
    return table


def _note(trial: Trial, found: Search) -> str:
    if trial.failed:
        return trial.error
    notes = ["best"] * (trial is found.best) + ["stopped early"] * trial.stopped_early
    notes += ["none better for less"] * (trial in found.front and trial is not found.best)
    notes += [f"interrupted {trial.interrupted} x"] * (trial.interrupted > 0)
    return ", ".join(notes)


def _describe(figures: dict[str, Any]) -> str:
    return f"{figures.get('passes', 0):.1f} passes, validation kappa {figures.get(OBJECTIVE, math.nan):.3f}"


if __name__ == "__main__":
    run_job(main)

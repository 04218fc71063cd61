"""Search the training settings with Ray Tune and Optuna, and keep the best adapter.

    python jobs/search_hyperparameters.py DATASET RUN [--config FILE] [--set search.n_trials=12 ...]

The best adapter is written to RUN/adapter, the table of trials to RUN/trials.json, the study to
RUN/study.log, which optuna-dashboard opens.
"""

import math
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from somnolens.config import Settings, read_settings
from somnolens.dataset.manifest import open_training_dataset
from somnolens.jobs.arguments import Config, Overrides, run_job
from somnolens.jobs.cluster import LOG_FILE, cluster, progress
from somnolens.jobs.train_adapter import cache_vision, open_run
from somnolens.report.canvas import write_figure
from somnolens.report.plots import draw_search
from somnolens.score.fitting import finish_adapter
from somnolens.train.search import Search, search_hyperparameters
from somnolens.train.worker import OBJECTIVE


def main(
    dataset: Annotated[Path, typer.Argument(help="folder made by build_dataset.py")],
    run: Annotated[Path, typer.Argument(help="new folder of this run")],
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Search the training settings and keep the best adapter."""
    settings = read_settings(config, overrides)
    open_training_dataset(dataset, settings)
    open_run(run, resume=False)
    n_workers = settings.train.n_workers * settings.search.max_concurrent_trials
    with cluster(run / LOG_FILE, n_workers + 1) as console:
        found = search(dataset, run, settings, console)
        console.print(format_trials(found))
        console.print(f"The best adapter is in {run / 'adapter'}. To repeat it alone:")
        console.print(f"  python jobs/train_adapter.py {dataset} NEW_RUN {found.best.command}", soft_wrap=True)


def search(dataset: Path, run: Path, settings: Settings, console: Console) -> Search:
    """Search with a progress bar, fit the night-level step of the best, draw the history."""
    cache_vision(dataset, run, settings, console)
    with progress(console, "Searching", settings.search.n_trials) as advance:
        seen: set[str] = set()

        def report(trial: str, figures: dict[str, Any]) -> None:
            advance(trial not in seen and len(seen) > 0, note=f"trial {len(seen | {trial})}: {_describe(figures)}")
            seen.add(trial)

        found = search_hyperparameters(settings, dataset, run, report)
        advance(1)
    finish_adapter(run / "adapter", open_training_dataset(dataset, settings))
    stopped = [trial.stopped_early for trial in found.trials]
    write_figure(draw_search([trial.kappa for trial in found.trials], stopped), run / "search.png")
    return found


def format_trials(found: Search) -> Table:
    """The table of trials, the best one marked."""
    table = Table(title="Trials", title_justify="left", box=None)
    names = list(found.trials[0].values)
    for name in ("", *names, "reports", "kappa", ""):
        table.add_column(name, justify="right")
    for trial in found.trials:
        kappa = "failed" if math.isnan(trial.kappa) else f"{trial.kappa:.3f}"
        note = "best" if trial is found.best else "stopped early" if trial.stopped_early else trial.error
        values = [f"{value:.2g}" if isinstance(value, float) else str(value) for value in trial.values.values()]
        table.add_row(str(trial.number), *values, str(trial.reports), kappa, note)
    return table


def _describe(figures: dict[str, Any]) -> str:
    return f"{figures.get('passes', 0):.1f} passes, validation kappa {figures.get(OBJECTIVE, math.nan):.3f}"


if __name__ == "__main__":
    run_job(main)

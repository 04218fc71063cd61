"""Write simulated nights whose right answer is known, as EDF+ with a scorer's file.

python jobs/simulate_nights.py OUT [--set simulate.n_subjects=12 ...]
"""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from somnolens.config import Settings, read_settings
from somnolens.jobs.arguments import Config, Overrides, run_job
from somnolens.jobs.cluster import progress
from somnolens.simulate.night import simulate_subject


def main(
    out: Annotated[Path, typer.Argument(help="folder of the nights")],
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Write simulated nights whose right answer is known, as EDF+ with a scorer's file."""
    console = Console()
    settings = read_settings(config, overrides)
    paths = simulate(settings, out, console)
    console.print(f"{len(paths)} nights of {settings.simulate.hours:g} h are in {out}.")


def simulate(settings: Settings, folder: Path, console: Console) -> list[Path]:
    """Simulate on all cores with a progress bar. Stopped, it lets the nights in progress end and begins no other."""
    folder.mkdir(parents=True, exist_ok=True)
    n_subjects = settings.simulate.n_subjects
    with (
        progress(console, "Simulating nights", n_subjects) as advance,
        ProcessPoolExecutor(mp_context=get_context("spawn")) as pool,
    ):
        with _deaf_children():
            tasks = [pool.submit(simulate_subject, index, settings.simulate, folder) for index in range(n_subjects)]
        try:
            for task in as_completed(tasks):
                advance(note=task.result().name)
        finally:
            pool.shutdown(cancel_futures=True)
    return sorted(task.result() for task in tasks)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes begun in here never hear Ctrl-C: their parent does, and ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, heard)


if __name__ == "__main__":
    run_job(main)

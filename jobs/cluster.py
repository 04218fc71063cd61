"""A Ray cluster to work on, and a screen that stays readable while it works.

Ray writes a great deal. All of it goes to a log file in the run folder; the person sees our lines.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # Ctrl-C is ours: it ends the cluster, and so the trials
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("AWS_RETRY_MODE", "standard")  # a store that is away for half a minute is waited for
os.environ.setdefault("AWS_MAX_ATTEMPTS", "10")

import ray
from ray.exceptions import RayTaskError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from somnolens.config import TrainSettings
from somnolens.errors import SomnolensError
from somnolens.storage import is_here, write_bytes

LOG_FILE = "ray.log"

PROGRESS_VARIABLE = "SOMNOLENS_PROGRESS_LINES"
"""Set in a job that `somnolens submit` sent: progress is written as lines, which the other end makes a bar of."""

LINE_EACH_S = 2.0

DASHBOARD_VARIABLE = "RAY_API_SERVER_ADDRESS"


@contextmanager
def cluster(log: Path, n_cpus: int = 0) -> Iterator[Console]:
    """Connect to the cluster of `RAY_ADDRESS`, as in a submitted job, or start one for this process alone.

    A cluster started here ends here, whatever happens. It listens on this machine only.

    Parameters
    ----------
    log : Path
        File that everything but our own lines is appended to.
    n_cpus : int
        CPUs that the work needs at once; a small machine promises as many.
    """
    with _local(log) as here, quiet(here) as console, _connect(n_cpus):
        yield console


@contextmanager
def _local(log: Path) -> Iterator[Path]:
    """A log of an object store is written here, and put there at the end."""
    if is_here(log):
        yield log
        return
    with TemporaryDirectory(prefix="somnolens-") as folder:
        here = Path(folder) / log.name
        try:
            yield here
        finally:
            write_bytes(log, here.read_bytes())


@contextmanager
def _connect(n_cpus: int) -> Iterator[None]:
    with ExitStack() as stack:
        if os.environ.get("RAY_ADDRESS"):
            ray.init(log_to_driver=False, logging_level="WARNING")
        else:
            os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")  # nobody takes this machine away
            ray.init(
                address="local",
                num_cpus=max(os.cpu_count() or 1, n_cpus),
                include_dashboard=True,  # the cleaner of stopped trials asks the dashboard which ones are dead
                dashboard_host="127.0.0.1",
                dashboard_port=stack.enter_context(name_dashboard()),
                log_to_driver=False,
                logging_level="WARNING",
            )
        stack.callback(ray.shutdown)
        yield


@contextmanager
def name_dashboard() -> Iterator[int]:
    """A free port for the dashboard of a local cluster; every process that is started meanwhile knows the address.

    Ray's cleaner of stopped trials does not know which cluster it belongs to: it looks for one on this machine, and
    where it finds two it ends, and the processors of stopped trials are never free again.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    os.environ[DASHBOARD_VARIABLE] = f"http://127.0.0.1:{port}"
    try:
        yield port
    finally:
        del os.environ[DASHBOARD_VARIABLE]


@contextmanager
def quiet(log: Path) -> Iterator[Console]:
    """Send both output streams to a file, from here and from every process begun here; give back the screen.

    The streams are swapped below Python, because much of what Ray says does not pass through it.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    screen = os.dup(1)
    streams = [os.dup(1), os.dup(2)]
    with open(log, "ab", buffering=0) as sink, os.fdopen(screen, "w") as out:
        for descriptor in (1, 2):
            os.dup2(sink.fileno(), descriptor)
        try:
            yield Console(file=out, width=None if out.isatty() else 120, force_terminal=out.isatty())
        finally:
            out.flush()
            for descriptor, stream in zip((1, 2), streams, strict=True):
                os.dup2(stream, descriptor)
                os.close(stream)


def make_progress(console: Console) -> Progress:
    """A progress bar in the project's manner."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[note]}"),
        console=console,
    )


@contextmanager
def progress(console: Console, what: str, total: int) -> Iterator[Any]:
    """One bar; gives a function `advance(n=1, note="")`."""
    if os.environ.get(PROGRESS_VARIABLE):
        yield _write_lines(console, what, total)
        return
    bars = make_progress(console)
    task = bars.add_task(what, total=total, note="")

    def advance(n: int = 1, note: str = "") -> None:
        bars.update(task, advance=n, note=note)

    with bars:
        yield advance


def _write_lines(console: Console, what: str, total: int) -> Callable[..., None]:
    """`advance` for a log: a line now and then, and one at the end."""
    done, written_at = 0.0, 0.0

    def advance(n: float = 1, note: str = "") -> None:
        nonlocal done, written_at
        done += n
        if done >= total or time.monotonic() - written_at > LINE_EACH_S:
            written_at = time.monotonic()
            line = (
                f"progress: {what} {100 * done / total:.0f}/100 {note}"
                if total == 1
                else f"progress: {what} {done:.0f}/{total} {note}"
            )
            console.print(line.rstrip(), markup=False, highlight=False, soft_wrap=True)
            console.file.flush()

    return advance


def run_on_worker(train: TrainSettings, work: Callable[..., Iterator[Any]], *arguments: Any) -> Iterator[Any]:
    """What a generator yields on a machine that has what a training worker has: the driver's own may have no GPU.

    Lost with its node, it is started again, as a training worker would be. A cluster that was started by this process
    is this machine alone, and the work stays here, with all its cores.

    Raises
    ------
    SomnolensError
        As the generator raised it.
    """
    if not os.environ.get("RAY_ADDRESS"):
        yield from work(*arguments)
        return
    share = {"num_cpus": train.cpus_per_worker, "num_gpus": train.gpus_per_worker, "max_retries": train.max_failures}
    task = ray.remote(num_returns="streaming", **share)(work)
    try:
        for reference in task.remote(*arguments):
            yield ray.get(reference)
    except RayTaskError as error:
        if isinstance(error.cause, SomnolensError):
            raise error.cause from None
        raise

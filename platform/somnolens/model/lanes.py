"""Forward passes side by side: on a CPU, each thread takes pictures of its own.

Threads that share one pass wait for each other at the end of every product, and keep their cores busy with waiting;
beside any other work on these cores that is most of their time. Threads with a pass each meet once, at the end.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Final, TypeVar

import numpy as np
import torch

LEAST: Final = 4
"""Pictures that a lane must have, or starting it costs more than it gains."""

Done = TypeVar("Done")

_OPENING: Final = threading.Lock()


def plan_lanes(n_pictures: int, batch_size: int, device: torch.device) -> list[slice]:
    """Share pictures out among lanes: one for each thread that torch may use on a CPU, one alone on a GPU.

    Parameters
    ----------
    n_pictures : int
    batch_size : int
        Pictures that are in memory at once, in all lanes together.
    device : torch.device

    Returns
    -------
    list of slice
        Consecutive, of nearly equal lengths; together they are all pictures.

    Examples
    --------
    >>> plan_lanes(3, 32, torch.device("cpu"))
    [slice(0, 3, None)]
    """
    most = torch.get_num_threads() if device.type == "cpu" else 1
    n_lanes = max(1, min(most, min(n_pictures, batch_size) // LEAST))
    edges = np.linspace(0, n_pictures, n_lanes + 1).round().astype(int).tolist()
    return [slice(first, last) for first, last in pairwise(edges)]


def run_lanes(work: Callable[[slice], Done], lanes: Sequence[slice]) -> list[Done]:
    """What `work` makes of each lane, in their order; the first error is raised when all have ended.

    A single lane runs where it was asked for, with all the threads that torch may use.

    Parameters
    ----------
    work : callable
        Torch's modes belong to a thread: it must enter inference mode by itself.
    lanes : sequence of slice
    """
    if len(lanes) == 1:
        return [work(lanes[0])]
    with _OPENING:
        pool = _open_pool()
    running = [pool.submit(work, lane) for lane in lanes]
    return [one.result() for one in running]


@cache
def _open_pool() -> ThreadPoolExecutor:
    """Threads in which torch computes with one thread; elsewhere it goes on with as many as before."""
    n_threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(n_threads, "lane")
    all_there = threading.Barrier(n_threads)

    def narrow() -> None:
        torch.get_num_threads()  # a thread takes over torch's number when it first asks, and would do so later
        torch.set_num_threads(1)
        all_there.wait()  # or one thread would take the start of another

    for started in [pool.submit(narrow) for _ in range(n_threads)]:
        started.result()
    torch.set_num_threads(n_threads)  # torch remembers the last number for threads to come
    return pool

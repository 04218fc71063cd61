"""What the next steps need, read in the background while a step is taken."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Read = TypeVar("Read")


def read_ahead(items: Iterable[Item], read: Callable[[Item], Read], n_ahead: int) -> Iterator[tuple[Item, Read]]:
    """Each item with what is read for it, in order, while a thread reads for the next ones.

    What goes wrong in the thread is raised here, in its turn.

    Parameters
    ----------
    items : iterable
    read : callable
        Called in another thread, one item at a time.
    n_ahead : int
        Items read for that nobody has asked for yet, at most; 0: each is read when it is asked for, in this thread.
    """
    if not n_ahead:
        yield from ((item, read(item)) for item in items)
        return
    waiting: deque[tuple[Item, Future[Read]]] = deque()
    reader = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
    try:
        for item in items:
            waiting.append((item, reader.submit(read, item)))
            if len(waiting) > n_ahead:
                first, done = waiting.popleft()
                yield first, done.result()
        while waiting:
            first, done = waiting.popleft()
            yield first, done.result()
    finally:
        reader.shutdown(cancel_futures=True)

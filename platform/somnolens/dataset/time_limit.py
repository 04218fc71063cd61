"""A limit on the time one night may take."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from somnolens.errors import TimeLimitError


@contextmanager
def limit_time(seconds: float, what: str) -> Iterator[None]:
    """Raise where the block takes longer.

    An alarm of the operating system, which only a main thread can take: elsewhere there is no limit. It
    rings between two steps of Python, so that a library which hangs inside itself is not stopped.

    Raises
    ------
    TimeLimitError
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeLimitError(
            f"{what} took longer than {seconds:g} s. Look at the file, or allow more with --set dataset.max_night_s=..."
        )

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

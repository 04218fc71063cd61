"""A job's log on the screen: lines as they come, and under them one line that tells how far it is."""

import re
import time
from datetime import UTC, datetime
from typing import Self

from rich.console import Console

PROGRESS = re.compile(r"progress: (?P<what>.+?) (?P<done>\d+)/(?P<total>\d+)(?: (?P<note>.*))?")
"""The lines that `jobs.cluster.progress` writes in a submitted job."""

BAR = 24


class LogView:
    """Writes whole lines; where the screen is a terminal, lines of progress become a bar.

    Parameters
    ----------
    console : Console
    job : str
        Its name, for the line below.
    """

    def __init__(self, console: Console, job: str) -> None:
        self._console, self._job, self._rest, self._began = console, job, "", time.monotonic()
        self._status = console.status(f"{job}: waiting") if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._rest:
            self._print(self._rest)
        if self._status:
            self._status.stop()

    def write(self, piece: str) -> None:
        """Take a piece of the log, which may end in the middle of a line."""
        *lines, self._rest = (self._rest + piece).split("\n")
        for line in lines:
            if self._status and (found := PROGRESS.fullmatch(line)):
                self._status.update(draw_progress(found))
            else:
                self._print(line)

    def note(self, text: str) -> None:
        """Say something that is not of the log."""
        self._console.print(f"[dim]{text}[/]", highlight=False)

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def draw_progress(found: re.Match[str]) -> str:
    """A line of progress as a bar.

    Examples
    --------
    >>> draw_progress(PROGRESS.fullmatch("progress: Rendering nights 6/12 SN001: 960 epochs"))
    'Rendering nights ━━━━━━━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌ 6 of 12  SN001: 960 epochs'
    """
    done, total = int(found["done"]), max(1, int(found["total"]))
    full = min(BAR, BAR * done // total)
    return f"{found['what']} {'━' * full}{'╌' * (BAR - full)} {done} of {total}  {found['note'] or ''}".rstrip()


def format_time(milliseconds: int | None) -> str:
    """A time of Ray's, in UTC.

    Examples
    --------
    >>> format_time(1_795_000_000_000)
    '2026-11-18 11:06'
    """
    return "" if not milliseconds else f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M}"


def format_took(start: int | None, end: int | None) -> str:
    """How long a job took, or has taken so far.

    Examples
    --------
    >>> format_took(0, None), format_took(1_000, 3_725_000)
    ('', '1 h 02 min')
    """
    if not start:
        return ""
    seconds = ((end or time.time() * 1000) - start) / 1000
    minutes = int(seconds // 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {int(seconds % 60):02d} s" if minutes else f"{int(seconds)} s"

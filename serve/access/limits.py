"""What one client may ask for: at once, in an hour, in one recording.

Counted in each ingress replica by itself: a request never waits for another machine to be counted.
"""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from somnolens.config import ServeSettings
from somnolens.errors import UnreadableRecordingError
from somnolens.read.edf_header import EdfHeader, read_edf_header
from somnolens.serve.access.keys import Key
from somnolens.serve.messages.problems import BusyError, TooLongNightError, TooManyRequestsError

HOUR_S: Final = 3600.0
BUSY_S: Final = 5
"""After which a client may try again; half a minute of pictures is then through a scorer."""


@dataclass(frozen=True)
class Client:
    """Who asks, and what they may.

    Parameters
    ----------
    name : str
        Of the key; 'anyone' where nobody is asked for one.
    admin : bool
    max_upload_mb, requests_at_once, nights_per_hour : int
    max_night_hours : float
    """

    name: str
    admin: bool
    max_upload_mb: int
    requests_at_once: int
    nights_per_hour: int
    max_night_hours: float


def describe_client(key: Key | None, settings: ServeSettings) -> Client:
    """The client of a key, its own limits before those of the settings; without a key, whoever sits here."""
    own = key.limits if key else None
    return Client(
        name=key.name if key else "anyone",
        admin=key.admin if key else True,
        max_upload_mb=(own and own.max_upload_mb) or settings.max_upload_mb,
        requests_at_once=(own and own.requests_at_once) or settings.requests_per_key,
        nights_per_hour=(own and own.nights_per_hour) or settings.nights_per_hour,
        max_night_hours=(own and own.max_night_hours) or settings.max_night_hours,
    )


class Counters:
    """Requests under way and nights of the last hour, by client.

    Parameters
    ----------
    most_at_once : int
        Of all clients together; stays below what Ray would refuse in its own words.
    clock : callable
        Seconds, rising.
    """

    def __init__(self, most_at_once: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_at_once, self._clock = most_at_once, clock
        self._under_way: Counter[str] = Counter()
        self._nights: dict[str, deque[float]] = defaultdict(deque)

    @property
    def n_under_way(self) -> int:
        """Of all clients."""
        return self._under_way.total()

    @contextmanager
    def admit(self, client: Client, is_night: bool) -> Iterator[None]:
        """Count a request for as long as the block runs.

        Raises
        ------
        BusyError
            Where the service has as much as it takes.
        TooManyRequestsError
            Where the client has.
        """
        if self.n_under_way >= self._most_at_once:
            raise BusyError(f"{self.n_under_way} requests are under way. Send this one again in {BUSY_S} seconds.")
        if self._under_way[client.name] >= client.requests_at_once:
            raise TooManyRequestsError(
                f"{client.requests_at_once} requests of this key are under way, as many as it may have. Wait for one.",
                BUSY_S,
            )
        if is_night:
            self._count_night(client)
        self._under_way[client.name] += 1
        try:
            yield
        finally:
            self._under_way[client.name] -= 1
            self._under_way += Counter()  # forgets clients that are at zero

    def _count_night(self, client: Client) -> None:
        now, nights = self._clock(), self._nights[client.name]
        while nights and now - nights[0] >= HOUR_S:
            nights.popleft()
        if len(nights) >= client.nights_per_hour:
            wait_s = int(HOUR_S - (now - nights[0])) + 1
            raise TooManyRequestsError(
                f"This key has sent {len(nights)} nights within an hour, as many as it may. Go on in {wait_s} seconds.",
                wait_s,
            )
        nights.append(now)


def check_duration(path: Path, client: Client | None) -> None:
    """Refuse a recording that is too long by its header, before anything of it is read.

    A header that cannot be read is left to the reader, whose sentence says more.

    Raises
    ------
    TooLongNightError
    """
    try:
        header = read_edf_header(path)
    except UnreadableRecordingError:
        return
    hours = _count_records(header, path) * header.record_duration_s / HOUR_S
    if client and hours > client.max_night_hours:
        raise TooLongNightError(
            f"The recording is {hours:.1f} h long; this key may send up to {client.max_night_hours:g} h. Cut it."
        )


def _count_records(header: EdfHeader, path: Path) -> int:
    """As written, or as the file has room for: a writer may not have known."""
    n_bytes = path.stat().st_size - header.n_header_bytes
    return max(header.n_records, n_bytes // max(header.n_record_bytes, 1))

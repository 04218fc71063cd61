"""Dynamic batching whose unit is the picture, and which is fair to small requests.

`ray.serve.batch` counts requests and serves them in the order of arrival: a single epoch would wait
behind every picture of a night that came before it. Here each forward pass is shared out among all
that wait, evenly, so that a single epoch is in the very next one.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

Look = Callable[[np.ndarray], np.ndarray]


@dataclass(eq=False)
class _Waiting:
    """One request: its pictures, how many of them were given to a pass, and what was seen, by the first picture."""

    pictures: np.ndarray
    answer: asyncio.Future
    n_given: int = 0
    seen: dict[int, np.ndarray] = field(default_factory=dict)

    @property
    def n_left(self) -> int:
        return len(self.pictures) - self.n_given


class PictureBatcher:
    """Gathers the pictures of all waiting requests into forward passes.

    Assumes one event loop. Nothing runs while nobody waits.

    Parameters
    ----------
    look : callable
        Blocking forward pass, ndarray of uint8 (n, height_px, width_px) to what
        `Engine.look` gives, a row for each; runs in a thread.
    max_batch_size : int
        Pictures that are looked at at once, in all passes together.
    wait_s : float
        How long a pass that is not full waits for others.
    report : callable
        Gets the number of pictures of each pass.
    n_passes : int
        Passes at once. Where passes run on a CPU, two keep its cores busy while one of them ends.
    """

    def __init__(
        self,
        look: Look,
        max_batch_size: int,
        wait_s: float,
        report: Callable[[int], None] = lambda n: None,
        n_passes: int = 1,
    ) -> None:
        self._look, self._wait_s, self._report = look, wait_s, report
        self._n_passes, self._room = n_passes, max(1, max_batch_size // n_passes)
        self._waiting: list[_Waiting] = []
        self._arrived = asyncio.Event()
        self._work: list[asyncio.Task] = []

    async def score(self, pictures: np.ndarray) -> np.ndarray:
        """What is seen, shape (n, 5 + n_hidden), of pictures that share forward passes with those of other callers."""
        assert len(pictures), "a request without pictures has no answer"
        request = _Waiting(pictures, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        self._arrived.set()
        self._work = [task for task in self._work if not task.done()]
        self._work += [asyncio.create_task(self._work_off()) for _ in range(self._n_passes - len(self._work))]
        return await request.answer

    async def _work_off(self) -> None:
        while self._waiting:
            await self._wait_for_more()
            self._waiting = [request for request in self._waiting if not request.answer.done()]  # callers may leave
            if self._waiting:
                await self._pass(share_out([request.n_left for request in self._waiting], self._room))

    async def _wait_for_more(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._wait_s
        while sum(request.n_left for request in self._waiting) < self._room:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), deadline - loop.time())
            except TimeoutError:
                return

    async def _pass(self, shares: Sequence[int]) -> None:
        """One forward pass; an error in it goes to those whose pictures were in it."""
        given = [(r, r.n_given, share) for r, share in zip(self._waiting, shares, strict=True) if share]
        pictures = np.concatenate([request.pictures[first : first + share] for request, first, share in given])
        for request, _, share in given:
            request.n_given += share
        self._waiting = [request for request in self._waiting if request.n_left]
        forward = asyncio.create_task(asyncio.to_thread(self._look, pictures))
        await asyncio.wait([forward])
        if error := forward.exception():
            for request, _, _ in given:
                _settle(request, error)
            return
        self._report(len(pictures))
        parts = np.split(forward.result(), np.cumsum([share for _, _, share in given])[:-1])
        for (request, first, _), seen in zip(given, parts, strict=True):
            _note(request, first, seen)


def share_out(wanted: Sequence[int], room: int) -> list[int]:
    """Places for each, of a room that may not do for all: even shares, and what the small leave to the large.

    The first always gets a place, so that nobody waits for ever.

    Examples
    --------
    >>> share_out([1000, 1, 4], 32)
    [27, 1, 4]
    >>> share_out([1000, 1, 1], 2)
    [1, 1, 0]
    """
    shares = [1] + [0] * (len(wanted) - 1)
    room -= 1
    smallest_first = sorted(range(len(wanted)), key=lambda index: wanted[index])
    for n_before, index in enumerate(smallest_first):
        even = -(-room // (len(wanted) - n_before))
        more = min(wanted[index] - shares[index], even)
        shares[index] += more
        room -= more
    return shares


def _note(request: _Waiting, first: int, seen: np.ndarray) -> None:
    request.seen[first] = seen
    if sum(map(len, request.seen.values())) == len(request.pictures):
        _settle(request, np.concatenate([request.seen[place] for place in sorted(request.seen)]))


def _settle(request: _Waiting, outcome: np.ndarray | BaseException) -> None:
    if request.answer.done():
        return
    if isinstance(outcome, BaseException):
        request.answer.set_exception(outcome)
    else:
        request.answer.set_result(outcome)

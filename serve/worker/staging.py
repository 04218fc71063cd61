"""From what was sent to a scored night: read, prepare, draw here; let a scorer look; finish here.

The same functions as in training and batch scoring. Knows nothing of HTTP and nothing of Ray.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from somnolens.aasm import EPOCH_S
from somnolens.config import ServeSettings
from somnolens.epochs import Epochs
from somnolens.hypnogram import Hypnogram
from somnolens.prepare.night import prepare_epochs
from somnolens.read.montage import Montage
from somnolens.recording import Recording
from somnolens.report.morning import Seen, look_at
from somnolens.score.night import ScoredNight, finish_night
from somnolens.score.reader import NightReader, load_reader

Look = Callable[[np.ndarray], Awaitable[np.ndarray]]
Report = Callable[[str, float], None]
"""Gets 'reading', 'looking' or 'finishing', and the share of it that is done."""

Finished = TypeVar("Finished")

Stretch = tuple[Epochs, int, int]
"""Epochs, the first and the one after the last that are meant; a style may show their neighbours."""


class Stager:
    """Stages nights with a scorer that is elsewhere.

    A night goes to it in chunks, a few at a time: memory stays small, drawing goes on while a chunk is
    looked at, and all scorers work on one night.

    Parameters
    ----------
    reader : NightReader
    look : callable
        Pictures, ndarray of uint8 (n, height_px, width_px), to what `Engine.look` gives of them.
    chunk_size : int
        Pictures sent at once.
    chunks_at_once : int
        Chunks of one night under way.
    nights_at_once : int or Semaphore
        Nights in memory; others wait. A few epochs sent as numbers do not. A semaphore is shared with other stagers.
    """

    def __init__(
        self,
        reader: NightReader,
        look: Look,
        chunk_size: int,
        chunks_at_once: int,
        nights_at_once: int | asyncio.Semaphore,
    ) -> None:
        self.reader = reader
        self._look, self._chunk_size, self._chunks_at_once = look, chunk_size, chunks_at_once
        self._nights = asyncio.Semaphore(nights_at_once) if isinstance(nights_at_once, int) else nights_at_once

    async def stage_recording(
        self, bring: Callable[[], Path], finish: Callable[[Seen, ScoredNight], Finished], report: Report
    ) -> Finished:
        """Stage a file; errors are those of `score_recording`.

        Parameters
        ----------
        bring : callable
            Gives the file, in a thread and when there is room for it.
        finish : callable
            What is to be made of it, in a thread and before the next night takes its room.
        report : callable
        """
        async with self._nights:
            report("reading", 0.0)
            seen = await asyncio.to_thread(self._read, bring)
            report("looking", 0.0)
            readings = await self._look_at_all([seen.epochs], lambda share: report("looking", share))
            report("finishing", 0.0)
            scored = await asyncio.to_thread(finish_night, seen.epochs, self.reader, readings, seen.recording.start)
            return await asyncio.to_thread(finish, seen, scored)

    async def stage_signals(self, recordings: Sequence[Recording], montage: Montage) -> ScoredNight:
        """Stage recordings one by one, and join them to one answer; a whole night waits as a file does."""
        n_epochs = sum(one.duration_s for one in recordings) / EPOCH_S
        async with self._nights if n_epochs > self._chunk_size else nullcontext():
            parts = await asyncio.to_thread(self._prepare, recordings, montage)
            readings = await self._look_at_all(parts)
            return await asyncio.to_thread(self._finish, parts, readings)

    async def look_at_pictures(self, pictures: np.ndarray) -> np.ndarray:
        """What is seen of pictures that were drawn already, in chunks that share passes with those of others."""
        room, size = asyncio.Semaphore(self._chunks_at_once), self._chunk_size

        async def see(first: int) -> np.ndarray:
            async with room:
                return await self._look(pictures[first : first + size])

        return np.concatenate(await asyncio.gather(*map(see, range(0, len(pictures), size))))

    async def try_look(self) -> None:
        """Have one empty picture looked at."""
        await self._look(self.reader.lay(np.zeros((1, *self.reader.style.shape_px), dtype=np.uint8)))

    def _read(self, bring: Callable[[], Path]) -> Seen:
        return look_at(bring(), self.reader.style)

    def _prepare(self, recordings: Sequence[Recording], montage: Montage) -> list[Epochs]:
        settings = self.reader.style.prepare
        return [prepare_epochs(one, montage, settings.sampling_rate_hz, settings.mains_hz) for one in recordings]

    def _finish(self, parts: Sequence[Epochs], readings: np.ndarray) -> ScoredNight:
        ends = np.cumsum([len(part) for part in parts])
        shares = np.split(readings, ends[:-1])
        return join_nights([finish_night(part, self.reader, its) for part, its in zip(parts, shares, strict=True)])

    async def _look_at_all(
        self, parts: Sequence[Epochs], report: Callable[[float], None] = lambda share: None
    ) -> np.ndarray:
        """What was seen of each picture by itself, shape (n_epochs of all parts, 5 + n_hidden)."""
        room, all_chunks, n_done = asyncio.Semaphore(self._chunks_at_once), list(cut_chunks(parts, self._chunk_size)), 0

        async def see(chunk: list[Stretch]) -> np.ndarray:
            nonlocal n_done
            async with room:
                seen = await self._look(await asyncio.to_thread(_draw, chunk, self.reader))
            n_done += 1
            report(n_done / len(all_chunks))
            return seen

        try:
            async with asyncio.TaskGroup() as tasks:
                chunks = [tasks.create_task(see(chunk)) for chunk in all_chunks]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return np.concatenate([chunk.result() for chunk in chunks])


def cut_chunks(parts: Sequence[Epochs], size: int) -> Iterator[list[Stretch]]:
    """Chunks of so many epochs, the last perhaps of fewer, across parts that were prepared apart."""
    chunk: list[Stretch] = []
    room = size
    for part in parts:
        first = 0
        while first < len(part):
            last = min(first + room, len(part))
            chunk.append((part, first, last))
            room -= last - first
            first = last
            if not room:
                yield chunk
                chunk, room = [], size
    if chunk:
        yield chunk


def _draw(chunk: list[Stretch], reader: NightReader) -> np.ndarray:
    return np.concatenate([reader.draw(part, first, last) for part, first, last in chunk])


def join_nights(nights: Sequence[ScoredNight]) -> ScoredNight:
    """One answer for epochs that were staged apart; each note is told once."""
    first = nights[0]
    if len(nights) == 1:
        return first
    parts = [night.hypnogram for night in nights]
    hypnogram = Hypnogram(
        stages=tuple(stage for part in parts for stage in part.stages),
        scorer=first.hypnogram.scorer,
        probabilities=np.concatenate([part.probabilities for part in parts]),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )
    return replace(first, hypnogram=hypnogram, quality=np.concatenate([night.quality for night in nights]))


MOST_READERS = 8
"""Readers are small; their models are in the scorers."""


class Stagers:
    """One stager for each adapter that is asked for, by its address; all share the room for nights.

    Parameters
    ----------
    look : callable
        From an adapter's address to what looks at pictures with it.
    settings : ServeSettings
    """

    def __init__(self, look: Callable[[str], Look], settings: ServeSettings) -> None:
        self._look, self._settings = look, settings
        self._kept: OrderedDict[str, Stager] = OrderedDict()
        self._nights = asyncio.Semaphore(settings.nights_at_once)

    async def get(self, adapter: str) -> Stager:
        """The stager of an adapter.

        Raises
        ------
        AdapterError
        """
        if adapter not in self._kept:
            reader = await asyncio.to_thread(load_reader, adapter)
            stager = Stager(
                reader,
                self._look(adapter),
                chunk_size=self._settings.max_batch_size,
                chunks_at_once=2 * self._settings.max_replicas,  # one under way and one waiting for each
                nights_at_once=self._nights,
            )
            self._kept.setdefault(adapter, stager)
        self._kept.move_to_end(adapter)
        while len(self._kept) > MOST_READERS:
            self._kept.popitem(last=False)
        return self._kept[adapter]

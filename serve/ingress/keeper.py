"""Nights on their way: from the upload, through a worker, to whoever waits for the answer.

A night is staged by a task of its own, so that a client that leaves and comes back with its Idempotency-Key, or asks
for the id, finds it where it is. A worker that is lost takes nothing with it: the upload is in the store until the
night is done. An ingress that is lost leaves its nights behind, and the next ingress that is asked for one sees that
nobody has noted its progress for a while, and takes it up.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from somnolens.serve.messages.answers import Format, Told
from somnolens.serve.messages.problems import BusyError, Caught, describe_problem
from somnolens.serve.nights.store import ANSWER, ConflictError, NightRecord, NightStore, Step
from somnolens.serve.worker.signal_work import Work

BEAT_S: Final = 2.0
"""So often it is written down how far a night is."""

ORPHANED_S: Final = 15.0
"""A night whose progress nobody has written down for so long has lost its ingress."""

LOOK_AGAIN_S: Final = 0.25
"""So often a night that another ingress follows is looked after."""

SWEEP_S: Final = 60.0
PATIENCE_S: Final = (1.0, 2.0, 4.0, 8.0)
"""Waits before a night that was accepted is tried again, where no scorer could take it."""


@dataclass(frozen=True)
class Order:
    """What a client wants of a night.

    Parameters
    ----------
    client : str
    keep : bool
    model : str
        By the name it was asked for; empty for the default.
    adapter : str
        Its address.
    key : str
        Idempotency-Key; empty for none.
    is_waited_for : bool
        Whether the client waits and would rather be told to come again than wait longer.
    """

    client: str
    keep: bool
    model: str = ""
    adapter: str = "embedded"
    key: str = ""
    is_waited_for: bool = True


class Run:
    """A night that is being staged, for all who wait for it."""

    def __init__(self, record: NightRecord) -> None:
        self.record, self.step = record, Step("queued")
        self.task: asyncio.Task | None = None
        self._changed = asyncio.Event()

    def tell(self, step: Step) -> None:
        """Let all who follow know how far it is."""
        self.step = step
        self._changed.set()
        self._changed = asyncio.Event()

    async def follow(self) -> AsyncIterator[Step]:
        """Steps from now on, the last one included; who is slow misses some in between."""
        while True:
            step, changed = self.step, self._changed
            yield step
            if step.is_last:
                return
            await changed.wait()

    async def wait(self) -> Step:
        """The last step."""
        async for step in self.follow():
            last = step
        return last


class Keeper:
    """Follows nights, and empties those whose time has come.

    Parameters
    ----------
    work : Work
    store : NightStore
    max_night_s : float
        A night that takes longer has failed; so has one that a client waits for and that does not begin for so long.
    """

    def __init__(self, work: Work, store: NightStore, max_night_s: float) -> None:
        self.work, self.store, self._max_night_s = work, store, max_night_s
        self._runs: dict[str, Run] = {}
        self._emptying: set[asyncio.Task] = set()

    async def accept(self, order: Order, path: Path | None = None, source: dict[str, Any] | None = None) -> Run:
        """Stage a recording that was uploaded or is named; where its key is known, follow the night it stands for.

        Raises
        ------
        BusyError
        ConflictError
        """
        record, is_new = await asyncio.to_thread(self._begin, order, path, source)
        return self._start(record, order) if is_new else await self.join(record)

    async def join(self, record: NightRecord, is_followed: bool = True) -> Run:
        """A night that was accepted before, here or by another ingress; one that was left behind is taken up.

        Where it is not to be followed, its step is that of now.
        """
        if run := self._runs.get(record.id):
            return run
        step, noted_at = await asyncio.to_thread(self.store.tell_step, record.id)
        if record.id in self._runs:  # others may have come while the store was asked
            return self._runs[record.id]
        if not step.is_last and time.time() - max(noted_at, record.made_at) > ORPHANED_S:
            return self._start(record, Order(record.client, record.keep, "", record.adapter, is_waited_for=False))
        run = Run(record)
        run.tell(step)
        if is_followed and not step.is_last:
            run.task = asyncio.create_task(self._watch(run))
        return run

    async def tell(self, run: Run, wanted: Format) -> Told:
        """The answer of a night in the wanted format, once it is done; the problem of one that failed."""
        step = await run.wait()
        if step.problem:
            return Told.of_problem(step.problem)
        if wanted != "json":
            return await self.work.answer(run.record.id, "night", {"format": wanted})
        answer = await asyncio.to_thread(self.store.read, run.record.id, ANSWER)
        return Told(answer) if answer else Told.of_problem(describe_problem(ConflictError("The night was deleted.")))

    async def release(self, run: Run) -> None:
        """The client has its answer, or has left: a night that is not kept is emptied, unless a key stands for it.

        It is emptied by a task of its own: where the client has left, whoever awaits this is being cancelled.
        """
        record = run.record
        if not record.keep and not record.has_key:
            emptying = asyncio.create_task(self.remove(record.id))
            self._emptying.add(emptying)
            emptying.add_done_callback(self._emptying.discard)
            await asyncio.shield(emptying)

    async def remove(self, id: str) -> None:
        """Stop and empty a night."""
        run = self._runs.pop(id, None)
        if run and run.task:
            run.task.cancel()
            run.tell(Step("failed", 1.0, describe_problem(ConflictError("The night was deleted while it was staged."))))
        await asyncio.to_thread(self.store.remove, id)

    async def sweep_for_ever(self) -> None:
        """Empty what is old, every minute; a store that does not answer is asked again the next time."""
        while True:
            with Caught() as caught:
                await asyncio.to_thread(self.store.sweep)
            if caught.error:
                describe_problem(caught.error)
            await asyncio.sleep(SWEEP_S)

    def _begin(self, order: Order, path: Path | None, source: dict[str, Any] | None) -> tuple[NightRecord, bool]:
        """The record of a new night, or of the one that the key stands for."""
        record = self.store.begin(order.client, order.keep, order.adapter, source, bool(order.key))
        with ExitStack() as undo:
            undo.callback(self.store.remove, record.id)
            if order.key:
                digest = _digest(order, path, source)
                id = self.store.claim_key(order.client, order.key, digest, record.id)
                if id != record.id:
                    return self.store.open(id, order.client), False
            if path:
                self.store.take_upload(record.id, path)
            undo.pop_all()
        return record, True

    def _start(self, record: NightRecord, order: Order) -> Run:
        run = self._runs[record.id] = Run(record)
        run.task = asyncio.create_task(self._drive(run, order))
        return run

    async def _drive(self, run: Run, order: Order) -> None:
        """Have a night staged, and see to it that whoever follows it hears of its end."""
        beat = asyncio.create_task(self._beat(run))
        try:
            with Caught() as caught:
                step = await self._stage_in_time(run, order)
            if caught.error:
                step = Step("failed", 1.0, describe_problem(caught.error))
            if step.problem:
                await asyncio.to_thread(self._give_up, run.record.id, order, step)
            run.tell(step)
        finally:
            beat.cancel()
            if self._runs.get(run.record.id) is run:
                del self._runs[run.record.id]

    def _give_up(self, id: str, order: Order, step: Step) -> None:
        """Write down a failure; one that is not the recording's leaves the key free for another attempt."""
        self.store.finish(id, step)
        if order.key and step.problem["status"] >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self.store.drop_key(order.client, order.key)

    async def _stage_in_time(self, run: Run, order: Order) -> Step:
        """Stage a night; one that nobody waits for may stand in a queue for as long as that is."""
        try:
            async with asyncio.timeout(self._max_night_s if order.is_waited_for else None) as limit:
                return await self._stage(run, order.is_waited_for, limit)
        except TimeoutError:
            raise BusyError(f"The night took longer than {self._max_night_s:g} s. Send it again later.") from None

    async def _stage(self, run: Run, is_waited_for: bool, limit: asyncio.Timeout) -> Step:
        waits = () if is_waited_for else PATIENCE_S
        for wait_s in (*waits, None):
            async for step in self.work.stage(run.record.id):
                if run.step.state == "queued":
                    limit.reschedule(asyncio.get_running_loop().time() + self._max_night_s)
                if not step.is_last:
                    run.tell(step)
            if wait_s is None or not step.problem or step.problem["status"] != HTTPStatus.SERVICE_UNAVAILABLE:
                return step
            await asyncio.sleep(wait_s)
        raise AssertionError("the last attempt returns")

    async def _beat(self, run: Run) -> None:
        while True:
            await asyncio.sleep(BEAT_S)
            await asyncio.to_thread(self.store.note, run.record.id, run.step)

    async def _watch(self, run: Run) -> None:
        """Follow a night that another ingress drives, until it is done or left behind."""
        while not run.step.is_last:
            await asyncio.sleep(LOOK_AGAIN_S)
            mine = await self._look_after(run)
            if mine:
                async for step in mine.follow():
                    run.tell(step)

    async def _look_after(self, run: Run) -> Run | None:
        """This ingress's own run of the night, if it drives it or takes it up now."""
        record = await asyncio.to_thread(self.store.find, run.record.id)
        if record is None:
            run.tell(Step("failed", 1.0, describe_problem(ConflictError("The night was deleted while it was staged."))))
            return None
        step, noted_at = await asyncio.to_thread(self.store.tell_step, record.id)
        if step.is_last or time.time() - max(noted_at, record.made_at) <= ORPHANED_S:
            run.tell(step)
            return None
        return self._runs.get(record.id) or self._start(
            record, Order(record.client, record.keep, "", record.adapter, is_waited_for=False)
        )


def _digest(order: Order, path: Path | None, source: dict[str, Any] | None) -> str:
    """What an Idempotency-Key is held to: the recording, the model, and whether it is kept."""
    asked = hashlib.sha256(json.dumps([order.model, order.keep, source], sort_keys=True).encode())
    if path:
        with path.open("rb") as stream:
            asked.update(hashlib.file_digest(stream, "sha256").digest())
    return asked.hexdigest()

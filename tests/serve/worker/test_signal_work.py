"""A worker's answers to questions about a kept night, and what becomes of one that nobody waits for any longer."""

import asyncio
import json
import time

import numpy as np
import pytest

from somnolens.serve.monitoring.watch import Watch
from somnolens.serve.worker.signal_work import SignalWork
from somnolens.serve.worker.staging import Stagers


class PatientEye:
    """Lets pictures wait until the gate opens, and counts those that were asked, seen and called off."""

    def __init__(self) -> None:
        self.gate, self.n_asked, self.n_seen, self.n_called_off = asyncio.Event(), 0, 0, 0

    async def __call__(self, pictures: np.ndarray) -> np.ndarray:
        self.n_asked += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.n_called_off += 1
            raise
        self.n_seen += 1
        return np.tile([0.96, 0.01, 0.01, 0.01, 0.01], (len(pictures), 1))


@pytest.fixture
def make_work(store, service_settings):
    def make(eye: PatientEye) -> SignalWork:
        return SignalWork(
            Stagers(lambda adapter: eye, service_settings), store, service_settings, Watch(service_settings)
        )

    return make


def ask(work: SignalWork, id: str) -> asyncio.Task:
    return asyncio.create_task(work.answer(id, "explanation", {"epoch": 2, "stage": None, "heat": True}))


async def wait_until(holds) -> None:
    deadline = time.monotonic() + 30
    while not holds() and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    assert holds()


def test_an_explanation_is_called_off_when_its_client_leaves(make_work, lean):
    async def leave() -> PatientEye:
        eye = PatientEye()
        asking = ask(make_work(eye), lean)
        await wait_until(lambda: eye.n_asked)
        asking.cancel()
        await wait_until(lambda: eye.n_called_off == eye.n_asked)
        eye.gate.set()
        await asyncio.sleep(0.1)
        return eye

    eye = asyncio.run(leave())
    assert (eye.n_seen, eye.n_asked) == (0, 2)  # two chunks of the 31 pictures were under way


def test_an_explanation_that_is_waited_for_looks_at_every_picture(make_work, lean):
    async def wait() -> tuple[PatientEye, dict]:
        eye = PatientEye()
        eye.gate.set()
        told = await ask(make_work(eye), lean)
        return eye, json.loads(told.content)

    eye, explanation = asyncio.run(wait())
    assert (eye.n_seen, eye.n_called_off) == (4, 0)
    assert np.shape(explanation["cells"]["values"]) == (6, 30)


def test_a_thread_that_looks_after_its_client_has_left_is_stopped(make_work, lean, monkeypatch):
    """The night is still being read from the store when the client leaves."""

    async def leave() -> PatientEye:
        eye = PatientEye()
        eye.gate.set()
        work = make_work(eye)
        take, began, may_go = work._shelf.take, asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def take_later(id: str):
            loop.call_soon_threadsafe(began.set)
            asyncio.run_coroutine_threadsafe(may_go.wait(), loop).result()
            return take(id)

        monkeypatch.setattr(work._shelf, "take", take_later)
        asking = ask(work, lean)
        await began.wait()
        asking.cancel()
        await asyncio.wait([asking])
        may_go.set()
        await loop.shutdown_default_executor()
        return eye

    assert asyncio.run(leave()).n_asked == 0

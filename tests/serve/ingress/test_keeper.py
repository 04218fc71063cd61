"""Nights survive those who work on them: busy scorers, lost ingresses, clients that leave."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from somnolens.serve.ingress.keeper import ORPHANED_S, Keeper, Order
from somnolens.serve.messages.problems import BusyError
from somnolens.serve.monitoring.watch import Watch
from somnolens.serve.nights.store import RECORD, NightStore, Step
from somnolens.serve.scorer.batching import PictureBatcher
from somnolens.serve.worker.signal_work import SignalWork
from somnolens.serve.worker.staging import Stagers


@pytest.fixture
def own(tmp_path) -> NightStore:
    return NightStore(tmp_path / "kept", keep_h=1.0, most_nights=5)


@pytest.fixture
def upload(short_path, tmp_path) -> Path:
    copy = tmp_path / "upload.edf"
    copy.write_bytes(short_path.read_bytes())
    return copy


@pytest.fixture
def make_keeper(own, counted, service_settings):
    """A keeper and its worker; `fail` is awaited before pictures are looked at."""

    def make(fail=None) -> Keeper:
        batcher = PictureBatcher(counted.look, 8, wait_s=0.0)

        async def look(pictures):
            if fail:
                await fail()
            return await batcher.score(pictures)

        stagers = Stagers(lambda adapter: look, service_settings.model_copy(update={"nights_at_once": 1}))
        return Keeper(SignalWork(stagers, own, service_settings, Watch(service_settings)), own, max_night_s=60)

    return make


class BusyAtFirst:
    """Refuses so many times."""

    def __init__(self, times: int) -> None:
        self.times = times

    async def __call__(self) -> None:
        self.times -= 1
        if self.times >= 0:
            raise BusyError("Every scorer is taken.")


def test_an_accepted_night_is_tried_again_while_scorers_are_busy(make_keeper, upload, monkeypatch):
    monkeypatch.setattr("somnolens.serve.ingress.keeper.PATIENCE_S", (0.01, 0.01))

    async def run() -> Step:
        keeper = make_keeper(BusyAtFirst(2))
        return await (await keeper.accept(Order("us", keep=True, is_waited_for=False), upload)).wait()

    assert asyncio.run(run()) == Step("done", 1.0)


def test_a_client_that_waits_is_told_to_come_again_and_its_key_stays_free(make_keeper, upload):
    async def run() -> tuple[int, Step]:
        keeper = make_keeper(BusyAtFirst(1))
        order, content = Order("us", keep=False, key="key"), upload.read_bytes()
        refused = await keeper.tell(await keeper.accept(order, upload), "json")
        upload.write_bytes(content)
        return refused.status, await (await keeper.accept(order, upload)).wait()

    assert asyncio.run(run()) == (503, Step("done", 1.0))


def test_a_night_that_its_ingress_left_behind_is_taken_up(make_keeper, upload, own, n_looked):
    record = own.begin("us", keep=True)
    own.take_upload(record.id, upload)
    old = replace(record, made_at=time.time() - 2 * ORPHANED_S)
    own.write(record.id, RECORD, json.dumps(vars(old)).encode())

    async def run() -> list[Step]:
        keeper = make_keeper()
        runs = [await keeper.join(own.open(record.id, "us")) for _ in range(3)]
        return [await one.wait() for one in runs]

    before = n_looked()
    assert asyncio.run(run()) == [Step("done", 1.0)] * 3
    assert n_looked() - before == 4


def test_a_night_of_another_ingress_is_followed_not_staged_twice(make_keeper, upload, n_looked):
    async def run() -> tuple[Step, Step]:
        first, second = make_keeper(), make_keeper()
        mine = await first.accept(Order("us", keep=True), upload)
        followed = await second.join(mine.record)
        return await mine.wait(), await followed.wait()

    before = n_looked()
    assert asyncio.run(run()) == (Step("done", 1.0), Step("done", 1.0))
    assert n_looked() - before == 4


def test_a_worker_that_was_lost_after_it_finished_is_not_done_over(make_keeper, upload, n_looked):
    async def run() -> list[Step]:
        keeper = make_keeper()
        accepted = await keeper.accept(Order("us", keep=True), upload)
        await accepted.wait()
        return [step async for step in keeper.work.stage(accepted.record.id)]

    before = n_looked()
    assert asyncio.run(run()) == [Step("done", 1.0)]
    assert n_looked() - before == 4


def test_a_night_that_takes_too_long_has_failed(make_keeper, upload):
    async def wait_for_ever() -> None:
        await asyncio.Event().wait()

    async def run() -> Step:
        keeper = make_keeper(wait_for_ever)
        keeper._max_night_s = 0.2
        return await (await keeper.accept(Order("us", keep=True), upload)).wait()

    step = asyncio.run(run())
    assert (step.state, step.problem["status"]) == ("failed", 503)
    assert "took longer than 0.2 s" in step.problem["detail"]


def test_a_night_that_nobody_waits_for_may_stand_in_a_long_queue(make_keeper, upload, tmp_path):
    first_may_go, bad = asyncio.Event(), [tmp_path / "one.edf", tmp_path / "other.edf"]
    for path in bad:
        path.write_bytes(b"no EDF")

    async def run() -> list[Step]:
        keeper = make_keeper(first_may_go.wait)
        first = await keeper.accept(Order("us", keep=True), upload)
        async for step in first.follow():
            if step.state == "looking":
                break
        keeper._max_night_s = 0.2
        waited = await keeper.accept(Order("us", keep=True), bad[0])
        patient = await keeper.accept(Order("us", keep=True, is_waited_for=False), bad[1])
        refused = await waited.wait()
        keeper._max_night_s = 60
        first_may_go.set()
        return [await first.wait(), refused, await patient.wait()]

    first, refused, patient = asyncio.run(run())
    assert first == Step("done", 1.0)
    assert "took longer than 0.2 s" in refused.problem["detail"]
    assert "upload.edf" in patient.problem["detail"]


async def _leave(url: str, content: bytes) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield content

    async with httpx.AsyncClient(base_url=url) as http:
        request = asyncio.create_task(http.post("/v1/nights", content=body()))
        await asyncio.sleep(0.3)
        request.cancel()


def test_a_client_that_leaves_leaves_nothing_behind(url, short_path, service_settings):
    nights = Path(service_settings.nights_folder) / "nights"
    before = set(nights.glob("*"))
    asyncio.run(_leave(url, short_path.read_bytes()))
    deadline = time.monotonic() + 20
    while set(nights.glob("*")) - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert set(nights.glob("*")) <= before

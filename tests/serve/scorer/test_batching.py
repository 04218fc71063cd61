"""Pictures of many requests share forward passes, and a single epoch does not wait behind a night."""

import asyncio
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from somnolens.serve.scorer.batching import PictureBatcher, share_out


class Eye:
    """A forward pass that repeats the first pixel of each picture, and remembers its passes."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.passes: list[list[int]] = []
        self.n_started = 0
        self.fault, self.gate = fault, threading.Event()
        self.gate.set()

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        self.n_started += 1
        self.gate.wait(10)
        self.passes.append(pictures[:, 0, 0].tolist())
        if self.fault:
            raise self.fault
        return np.repeat(pictures[:, :1, 0].astype(float), 5, axis=1)


def make_pictures(*marks: int) -> np.ndarray:
    return np.array(marks, dtype=np.uint8).reshape(-1, 1, 1)


def test_every_caller_gets_the_answers_to_its_own_pictures():
    async def run() -> None:
        batcher = PictureBatcher(Eye(), max_batch_size=4, wait_s=0.01)
        requests = [make_pictures(*range(first, first + n)) for first, n in ((0, 1), (10, 7), (20, 3), (30, 1))]
        answers = await asyncio.gather(*map(batcher.score, requests))
        for request, answer in zip(requests, answers, strict=True):
            assert answer.shape == (len(request), 5)
            assert answer[:, 0].tolist() == request[:, 0, 0].tolist()

    asyncio.run(run())


def test_single_epochs_of_many_clients_share_one_pass():
    async def run() -> list[list[int]]:
        eye = Eye()
        batcher = PictureBatcher(eye, max_batch_size=8, wait_s=0.2)
        await asyncio.gather(*(batcher.score(make_pictures(mark)) for mark in range(8)))
        return eye.passes

    assert asyncio.run(run()) == [list(range(8))]


def test_two_passes_at_once_share_the_room_and_answers_keep_their_order():
    async def run() -> tuple[int, list[list[int]], list[int]]:
        eye = Eye()
        batcher = PictureBatcher(eye, max_batch_size=8, wait_s=0.0, n_passes=2)
        eye.gate.clear()
        night = asyncio.create_task(batcher.score(make_pictures(*range(12))))
        await asyncio.sleep(0.05)
        n_under_way = eye.n_started
        eye.gate.set()
        answer = await night
        return n_under_way, sorted(eye.passes), answer[:, 0].tolist()

    n_under_way, passes, answer = asyncio.run(run())
    assert n_under_way == 2
    assert answer == list(range(12))
    assert passes == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_a_pass_that_is_not_full_starts_after_the_wait():
    async def run() -> list[list[int]]:
        eye = Eye()
        await PictureBatcher(eye, max_batch_size=8, wait_s=0.01).score(make_pictures(1, 2))
        return eye.passes

    assert asyncio.run(run()) == [[1, 2]]


def test_a_single_epoch_is_in_the_next_pass_although_a_night_came_first():
    async def run() -> list[list[int]]:
        eye = Eye()
        batcher = PictureBatcher(eye, max_batch_size=4, wait_s=0.0)
        eye.gate.clear()
        night = asyncio.create_task(batcher.score(make_pictures(*[0] * 40)))
        await asyncio.sleep(0.05)
        epoch = asyncio.create_task(batcher.score(make_pictures(7)))
        await asyncio.sleep(0)
        eye.gate.set()
        await asyncio.gather(night, epoch)
        return eye.passes

    passes = asyncio.run(run())
    assert [7 in seen for seen in passes].index(True) == 1
    assert all(len(seen) == 4 for seen in passes[:-1])


def test_an_error_reaches_those_who_were_in_the_pass_and_the_next_caller_is_served():
    async def run() -> None:
        eye = Eye(fault=RuntimeError("out of memory"))
        batcher = PictureBatcher(eye, max_batch_size=4, wait_s=0.0)
        with pytest.raises(RuntimeError, match="out of memory"):
            await batcher.score(make_pictures(1))
        eye.fault = None
        assert (await batcher.score(make_pictures(2))).shape == (1, 5)

    asyncio.run(run())


def test_pictures_of_a_caller_who_left_are_not_looked_at():
    async def run() -> list[list[int]]:
        eye = Eye()
        batcher = PictureBatcher(eye, max_batch_size=2, wait_s=0.0)
        eye.gate.clear()
        stays = asyncio.create_task(batcher.score(make_pictures(1, 2)))
        await asyncio.sleep(0.05)
        leaves = asyncio.create_task(batcher.score(make_pictures(3, 4)))
        await asyncio.sleep(0)
        leaves.cancel()
        eye.gate.set()
        await stays
        await asyncio.sleep(0.05)
        return eye.passes

    assert asyncio.run(run()) == [[1, 2]]


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=60), st.integers(1, 128))
def test_places_are_all_given_away_and_nobody_gets_more_than_he_wants(wanted, room):
    shares = share_out(wanted, room)
    assert sum(shares) == min(room, sum(wanted))
    assert all(0 <= share <= want for share, want in zip(shares, wanted, strict=True))
    assert shares[0] >= 1


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=60), st.integers(1, 128))
def test_who_wants_no_more_than_an_even_share_gets_all_of_it(wanted, room):
    even = (room - 1) // len(wanted)
    shares = share_out(wanted, room)
    assert all(share == want for share, want in zip(shares, wanted, strict=True) if want <= even)

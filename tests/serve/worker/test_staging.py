"""A night goes to the scorers in chunks, a few at a time."""

import asyncio

import numpy as np
import pytest

from somnolens.read.montage import find_montage
from somnolens.recording import Recording, Signal
from somnolens.score.reader import load_reader
from somnolens.serve.messages.problems import BusyError
from somnolens.serve.worker.staging import Stager, cut_chunks


class SlowEye:
    """Answers after a moment, sure of W, and remembers how much was asked of it at once."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.n_now = self.most_at_once = 0

    async def __call__(self, pictures: np.ndarray) -> np.ndarray:
        self.n_now += 1
        self.most_at_once = max(self.most_at_once, self.n_now)
        self.sizes.append(len(pictures))
        await asyncio.sleep(0.01)
        self.n_now -= 1
        return np.tile([0.96, 0.01, 0.01, 0.01, 0.01], (len(pictures), 1))


def make_recordings(n: int, n_epochs: int) -> list[Recording]:
    rng = np.random.default_rng(0)
    signals = [(Signal("C4-M1", rng.normal(0, 20, n_epochs * 3000).astype(np.float32), 100.0),) for _ in range(n)]
    return [Recording("signals", one, n_epochs * 30.0) for one in signals]


@pytest.fixture(scope="module")
def reader(adapter_folder):
    return load_reader(adapter_folder)


@pytest.mark.parametrize(("n_recordings", "n_epochs"), [(1, 11), (11, 1)])
def test_pictures_go_out_in_chunks_and_few_chunks_at_once(reader, n_recordings, n_epochs):
    eye = SlowEye()
    stager = Stager(reader, eye, chunk_size=2, chunks_at_once=3, nights_at_once=1)
    recordings = make_recordings(n_recordings, n_epochs)
    night = asyncio.run(stager.stage_signals(recordings, find_montage(recordings[0])))
    assert night.hypnogram.stages == ("W",) * 11
    assert sorted(eye.sizes) == [1, 2, 2, 2, 2, 2]
    assert eye.most_at_once == 3


def test_answers_come_back_in_the_order_of_the_epochs(reader):
    async def look(pictures: np.ndarray) -> np.ndarray:
        darkness = (pictures >= 16).mean(axis=(1, 2))
        await asyncio.sleep(0.02 * float(np.random.default_rng(int(1e6 * darkness[0])).random()))
        return np.stack([darkness, *[(1 - darkness) / 4] * 4], axis=1)

    signal_uv = np.concatenate(
        [np.full(3000, 0.0), *(np.random.default_rng(n).normal(0, 9 * n, 3000) for n in range(1, 7))]
    )
    recording = Recording("signals", (Signal("C4-M1", signal_uv.astype(np.float32), 100.0),), 210.0)
    one_by_one = Stager(reader, look, chunk_size=1, chunks_at_once=7, nights_at_once=1)
    all_at_once = Stager(reader, look, chunk_size=7, chunks_at_once=1, nights_at_once=1)
    answers = [
        asyncio.run(stager.stage_signals([recording], find_montage(recording))).hypnogram.probabilities
        for stager in (one_by_one, all_at_once)
    ]
    np.testing.assert_allclose(*answers)
    assert len(np.unique(answers[0][:, 0])) == 7


def test_an_error_of_a_scorer_comes_out_as_it_is(reader):
    async def look(pictures: np.ndarray) -> np.ndarray:
        raise BusyError("Every scorer is taken.")

    stager = Stager(reader, look, chunk_size=2, chunks_at_once=3, nights_at_once=1)
    (recording,) = make_recordings(1, 5)
    with pytest.raises(BusyError, match="Every scorer is taken"):
        asyncio.run(stager.stage_signals([recording], find_montage(recording)))


def test_chunks_run_across_parts_and_leave_nothing_out():
    parts = [range(3), range(1), range(5)]
    chunks = list(cut_chunks(parts, size=4))
    assert [[(part[first], last - first) for part, first, last in chunk] for chunk in chunks] == [
        [(0, 3), (0, 1)],
        [(0, 4)],
        [(4, 1)],
    ]

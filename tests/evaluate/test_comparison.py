"""The contest: every system on the same nights, with what it took, with and without the night-level step."""

import gc
import time

import numpy as np
import pytest

from somnolens.evaluate.comparison import Contestant, Entry, choose_contestants, enter, hold_contest, watch_memory
from somnolens.evaluate.peers.majority import Majority
from somnolens.evaluate.systems import count_stages
from tests.evaluate.toy_nights import make_nights


class Oracle:
    """Knows the wave of each stage, and is wrong in every sixth epoch."""

    name = "oracle"
    n_parameters = 0

    def __init__(self) -> None:
        self.shares = None

    def fit(self, training, validation) -> None:
        self.shares = count_stages(training) / count_stages(training).sum()

    def stage(self, shown) -> np.ndarray:
        signals_uv = shown.prepare().signals_uv[:, 1]
        hz = np.fft.rfftfreq(signals_uv.shape[1], 0.01)
        peaks = hz[np.abs(np.fft.rfft(signals_uv)).argmax(axis=1)]
        codes = np.abs(peaks[:, None] - np.array([10.0, 5.0, 13.0, 1.0, 2.0])).argmin(axis=1)
        codes[::6] = (codes[::6] + 1) % 5
        return 0.05 + 0.75 * np.eye(5)[codes]


@pytest.fixture(scope="module")
def nights():
    return make_nights(n_epochs=24)


def test_each_system_stands_as_it_is_and_with_the_night(nights):
    standings = hold_contest([Entry(Oracle()), Entry(Majority(), with_step=False)], nights)
    assert [one.name for one in standings] == ["oracle", "oracle + night", "majority"]
    alone, night, majority = (one.evaluation.pooled.kappa for one in standings)
    assert 0.6 < alone < night
    assert majority == pytest.approx(0, abs=1e-9)
    assert all(one.evaluation.pooled.n_epochs == 2 * 23 for one in standings)


def test_a_step_of_its_own_is_taken_as_it_is(nights):
    _, stepped = enter(Entry(Oracle(), read_night=lambda alone: np.eye(5)[np.full(len(alone), 3)]), nights)
    assert {stage for night in stepped.evaluation.nights for stage in night.scored.stages} == {"N3"}


def test_the_cost_is_the_time_it_took(nights):
    class Slow(Oracle):
        def fit(self, training, validation) -> None:
            super().fit(training, validation)
            time.sleep(0.2)

    (standing, _) = enter(Entry(Slow()), nights)
    assert 0.2 <= standing.cost.training_s < 2
    assert 0 < standing.cost.scoring_s < 2
    assert enter(Entry(Slow(), training_s=77.0), nights)[0].cost.training_s == 77.0


def test_the_better_of_two_is_chosen_by_validation_nights(nights):
    standings = hold_contest([Entry(Oracle())], nights)
    best = max(standings, key=lambda one: one.validation.pooled.kappa)
    assert choose_contestants(standings) == [best.contestant]


def test_a_contestant_finishes_what_its_system_says():
    contestant = Contestant("doubled", Oracle(), lambda alone: 2 * alone)
    assert contestant.finish(np.ones((1, 5))).tolist() == [[2.0] * 5]


def test_memory_that_is_taken_is_seen():
    gc.collect()  # what other tests have left must not be given back meanwhile
    with watch_memory() as memory:
        block = np.ones(40_000_000, dtype=np.uint8)
        time.sleep(0.1)
    assert 35 < memory.most_mb < 120
    assert len(block) == 40_000_000

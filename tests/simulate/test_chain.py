from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from somnolens.aasm import STAGES
from somnolens.simulate.chain import N3, R, W, draw_stages, load_chain
from somnolens.simulate.fitting import cut_bouts, fit_chain, read_night, summarise


@pytest.fixture(scope="module")
def full_nights():
    return [draw_stages(1000, np.random.default_rng(seed)) for seed in range(150)]


@pytest.fixture(scope="module")
def short_nights():
    return [draw_stages(360, np.random.default_rng(seed)) for seed in range(150)]


def test_fitting_the_real_hypnograms_again_gives_the_committed_numbers():
    folder = Path(__file__).parents[3] / "shared" / "psg" / "hypnograms"
    if not folder.is_dir():
        pytest.skip("the real hypnograms of ../shared/psg are not here")
    assert fit_chain([read_night(path) for path in sorted(folder.glob("*.edf"))]) == load_chain()


def test_full_nights_have_the_fitted_share_of_each_stage(full_nights):
    shares, _ = summarise(full_nights)
    assert shares == pytest.approx(load_chain()["shares"], abs=0.05)


def test_full_nights_have_the_fitted_mean_bout_of_each_stage(full_nights):
    _, mean_bouts = summarise(full_nights)
    assert mean_bouts == pytest.approx(load_chain()["mean_bouts"], rel=0.2)


def test_three_hours_normally_hold_all_five_stages(short_nights):
    assert np.mean([len(np.unique(stages)) == len(STAGES) for stages in short_nights]) > 0.9


def test_n3_comes_early_and_r_comes_late(full_nights):
    early, late = (np.concatenate([part(stages) for stages in full_nights]) for part in (_first_half, _second_half))
    assert np.mean(early == N3) > 1.5 * np.mean(late == N3)
    assert np.mean(late == R) > 1.15 * np.mean(early == R)


def test_hardly_anybody_falls_from_n3_into_r_or_from_wakefulness_into_n3(full_nights):
    steps = [(a[0], b[0]) for night in full_nights for a, b in pairwise(cut_bouts(night))]
    assert steps.count((N3, R)) < 0.02 * sum(before == N3 for before, _ in steps)
    assert steps.count((W, N3)) < 0.02 * sum(before == W for before, _ in steps)


def test_a_longer_night_begins_like_a_shorter_one():
    short, long = (draw_stages(n, np.random.default_rng(4)) for n in (360, 960))
    np.testing.assert_array_equal(short, long[:360])


def test_bouts_are_runs_of_equal_stages():
    assert cut_bouts(np.array([0, 0, 1, 2, 2, 2])) == [(0, 2), (1, 1), (2, 3)]


def test_transition_probabilities_sum_to_one():
    for phase in (*load_chain()["nrem"], *load_chain()["rem"]):
        for row in (phase["first"], *phase["next"].values()):
            assert sum(row) == pytest.approx(1, abs=1e-9)


def _first_half(stages):
    return stages[: len(stages) // 2]


def _second_half(stages):
    return stages[len(stages) // 2 :]

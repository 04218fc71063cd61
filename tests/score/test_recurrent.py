"""The night-level step that is learnt."""

import numpy as np
import pytest
import torch

from somnolens.errors import AdapterError
from somnolens.score.recurrent import WEIGHTS_FILE, Network, RecurrentStep, fit_recurrent

pytestmark = pytest.mark.slow

N_HIDDEN = 6


def make_nights(n: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Nights in which a picture cannot tell N2 from R, but a hidden value of the first epoch of a run can."""
    rng, nights = np.random.default_rng(seed), []
    for _ in range(n):
        runs = rng.permutation(np.repeat([2, 4], 6))
        codes = np.repeat(runs, 10)
        readings = np.concatenate([np.full((len(codes), 5), 0.02), rng.normal(0, 0.1, (len(codes), N_HIDDEN))], axis=1)
        readings[:, [2, 4]] = 0.47
        readings[::10, 5] += np.where(codes[::10] == 2, 3.0, -3.0)
        nights.append((codes, readings))
    return nights


@pytest.fixture(scope="module")
def learnt() -> RecurrentStep:
    return fit_recurrent(make_nights(6, 0), make_nights(2, 1), seed=5, n_steps=60)


def test_before_it_has_learnt_every_epoch_stays_as_it_was():
    readings = np.random.default_rng(0).dirichlet(np.ones(5 + N_HIDDEN), 7)
    probabilities = readings[:, :5] / readings[:, :5].sum(axis=1, keepdims=True)
    readings[:, :5] = probabilities
    np.testing.assert_allclose(RecurrentStep(Network(N_HIDDEN).eval()).apply(readings), probabilities, atol=1e-5)


def test_it_learns_what_only_the_hidden_state_of_an_epoch_before_tells(learnt):
    ((codes, readings),) = make_nights(1, 2)
    assert np.mean(learnt.apply(readings).argmax(1) == codes) > 0.7


def test_the_same_seed_learns_the_same_and_leaves_the_generator_alone():
    before, readings = torch.get_rng_state(), make_nights(1, 3)[0][1]
    training, validation = ([(c[:20], r[:20]) for c, r in make_nights(n, seed)] for n, seed in ((6, 0), (2, 1)))
    one, same, other = (fit_recurrent(training, validation, seed, n_steps=20) for seed in (5, 5, 6))
    np.testing.assert_array_equal(one.apply(readings), same.apply(readings))
    assert np.abs(one.apply(readings) - other.apply(readings)).max() > 0
    assert torch.equal(torch.get_rng_state(), before)


def test_what_makes_validation_nights_less_likely_is_not_kept():
    nonsense = [(np.random.default_rng(9).permutation(codes), readings) for codes, readings in make_nights(2, 1)]
    step = fit_recurrent(make_nights(6, 0), nonsense, seed=5, n_steps=20)
    rows = np.arange(120)
    both = [np.concatenate([told(r)[rows, c] for c, r in nonsense]) for told in (step.apply, lambda r: r[:, :5])]
    after, before = (-np.log(said).mean() for said in both)
    assert after <= before + 1e-5


def test_epochs_nobody_scored_and_shorter_nights_are_left_out(learnt):
    (codes, readings), *others = make_nights(6, 0)
    codes = np.where(np.arange(len(codes)) < 60, codes, -1)
    shorter = fit_recurrent([(codes, readings), *others], make_nights(2, 1), seed=5, n_steps=2)
    cut = fit_recurrent([(codes[:60], readings[:60]), *others], make_nights(2, 1), seed=5, n_steps=2)
    assert shorter.apply(readings).shape == cut.apply(readings).shape == (120, 5)


def test_written_and_read_it_is_the_same(learnt, tmp_path):
    learnt.write(tmp_path)
    again, readings = RecurrentStep.read(tmp_path, learnt.to_dict()), make_nights(1, 3)[0][1]
    np.testing.assert_array_equal(again.apply(readings), learnt.apply(readings))


@pytest.mark.parametrize("harm", ["missing", "shape"])
def test_weights_that_are_not_there_or_do_not_fit_are_told(learnt, tmp_path, harm):
    if harm == "shape":
        learnt.write(tmp_path)
    told = learnt.to_dict() | ({"n_hidden": 7} if harm == "shape" else {})
    with pytest.raises(AdapterError, match=WEIGHTS_FILE):
        RecurrentStep.read(tmp_path, told)

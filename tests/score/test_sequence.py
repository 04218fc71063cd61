"""The night-level step against sums over every possible night."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from somnolens.score.sequence import SequenceStep, count_transitions, fit_sequence

EVEN = [0.2] * 5
UNIFORM = np.full((5, 5), 0.2).tolist()


def sum_over_nights(step: SequenceStep, probabilities: np.ndarray) -> np.ndarray:
    """Posterior of each epoch by enumerating all nights: 5 to the power of the number of epochs."""
    n = len(probabilities)
    evidence = (probabilities / np.array(step.shares)) ** step.weight
    posterior = np.zeros((n, 5))
    for night in itertools.product(range(5), repeat=n):
        likelihood = np.prod([evidence[epoch, stage] for epoch, stage in enumerate(night)])
        chain = np.prod([step.transitions[a][b] for a, b in itertools.pairwise(night)])
        posterior[range(n), night] += likelihood * chain
    return posterior / posterior.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("weight", [0.5, 1.0])
def test_the_recursion_equals_the_sum_over_all_nights(weight):
    rng = np.random.default_rng(0)
    transitions = rng.dirichlet(np.ones(5), 5)
    step = SequenceStep(transitions.tolist(), rng.dirichlet(np.ones(5)).tolist(), weight)
    probabilities = rng.dirichlet(np.ones(5), 4)
    np.testing.assert_allclose(step.apply(probabilities), sum_over_nights(step, probabilities), atol=1e-9)


def test_without_a_chain_every_epoch_stays_as_it_was():
    probabilities = np.random.default_rng(1).dirichlet(np.ones(5), 6)
    np.testing.assert_allclose(SequenceStep(UNIFORM, EVEN).apply(probabilities), probabilities, atol=1e-9)


def test_a_doubtful_epoch_follows_its_sure_neighbours():
    stay = (0.9 * np.eye(5) + 0.02).tolist()
    sure, doubtful = [0.02, 0.02, 0.92, 0.02, 0.02], [0.02, 0.46, 0.44, 0.04, 0.04]
    smoothed = SequenceStep(stay, EVEN).apply(np.array([sure, doubtful, sure]))
    assert smoothed[1].argmax() == 2


@given(hnp.arrays(float, st.tuples(st.integers(1, 40), st.just(5)), elements=st.floats(0, 1)))
def test_rows_are_probabilities_whatever_comes_in(values):
    step = SequenceStep((0.9 * np.eye(5) + 0.02).tolist(), EVEN)
    smoothed = step.apply(values)
    assert np.isfinite(smoothed).all()
    np.testing.assert_allclose(smoothed.sum(axis=1), 1)


def test_a_night_of_many_hours_does_not_underflow():
    probabilities = np.tile([1.0, 0, 0, 0, 0], (5000, 1))
    assert np.isfinite(SequenceStep((0.9 * np.eye(5) + 0.02).tolist(), EVEN).apply(probabilities)).all()


def test_unscored_epochs_break_the_chain():
    counts = count_transitions([np.array([0, 0, -1, 1, 1])])
    expected = np.ones((5, 5))
    expected[0, 0] += 1
    expected[1, 1] += 1
    np.testing.assert_allclose(counts, expected / expected.sum(axis=1, keepdims=True))


def test_the_weight_is_chosen_by_the_validation_nights():
    rng = np.random.default_rng(2)
    truth = np.repeat([0, 1, 2, 3, 2, 4, 0], 20)
    noisy = 0.3 * np.eye(5)[truth] + 0.7 * rng.dirichlet(np.ones(5), len(truth))
    step = fit_sequence([truth], np.array(EVEN), [(truth, noisy)])
    assert (step.apply(noisy).argmax(1) == truth).mean() > (noisy.argmax(1) == truth).mean()

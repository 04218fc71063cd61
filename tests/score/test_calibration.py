"""Temperatures: what they leave alone, and how cards without them load."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from somnolens.errors import AdapterError
from somnolens.score.calibration import Calibration, fit_calibration, fit_temperature, scale
from somnolens.score.reader import load_reader

ROWS = hnp.arrays(float, st.tuples(st.integers(1, 20), st.just(5)), elements=st.floats(0, 1))


@given(ROWS, st.floats(0.1, 20))
def test_a_temperature_keeps_stages_and_rows_of_probabilities(rows, temperature):
    rows = rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-9)
    scaled = scale(rows, temperature)
    assert np.isfinite(scaled).all()
    filled = rows.any(axis=1)
    np.testing.assert_allclose(scaled[filled].sum(axis=1), 1)
    assert not scaled[~filled].any()
    chosen = scaled[np.arange(len(rows)), rows.argmax(1)]
    np.testing.assert_allclose(chosen, scaled.max(axis=1))


def test_it_is_the_softmax_of_logits_over_the_temperature():
    logits = np.random.default_rng(0).normal(0, 3, (50, 5))
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    cooler = np.exp(logits / 1.7) / np.exp(logits / 1.7).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(scale(softmax, 1.7), cooler)


def test_a_temperature_of_one_changes_nothing():
    rows = np.random.default_rng(0).dirichlet(np.ones(5), 9)
    assert scale(rows, 1.0) is rows


def test_the_fit_is_the_best_of_a_fine_grid():
    rng = np.random.default_rng(3)
    codes, said = rng.integers(0, 5, 300), rng.dirichlet(np.full(5, 0.2), 300)
    said[::2] = 0.9 * np.eye(5)[codes[::2]] + 0.02
    grid = np.exp(np.linspace(np.log(0.2), np.log(15), 4000))
    surprise = [-np.log(scale(said, t)[np.arange(300), codes] + 1e-300).mean() for t in grid]
    assert fit_temperature([(codes, said)]) == pytest.approx(grid[np.argmin(surprise)], rel=0.005)


def test_unscored_epochs_do_not_count_and_none_leaves_it_alone():
    codes, said = np.array([0, -1, 1]), np.array([[0.9, 0.1, 0, 0, 0]] * 3)
    assert fit_temperature([(codes, said)]) == fit_temperature([(codes[[0, 2]], said[[0, 2]])])
    assert fit_temperature([(np.array([-1]), said[:1])]) == fit_temperature([]) == 1.0


def test_a_card_gives_back_what_it_was_given():
    nights = [(np.array([0, 1, -1]), np.full((3, 5), 0.2))]
    fitted = fit_calibration(nights, nights, n_subjects=2)
    assert (fitted.n_subjects, fitted.n_epochs) == (2, 2)
    assert Calibration.from_dict(fitted.to_dict()) == fitted


def test_an_old_card_has_temperatures_of_one():
    assert Calibration.from_dict({}) == Calibration(1.0, 1.0, 0, 0)


@pytest.mark.parametrize("content", [{"temperature": 1.3}, {"temperature": {"hour": 2}}, {"bins": 15}])
def test_another_calibration_is_refused(content):
    with pytest.raises(AdapterError, match=r"The adapter's card tells of its calibration .*Looked for 'temperature'"):
        Calibration.from_dict(content)


def test_the_embedded_adapter_is_calibrated_and_less_sure_for_it():
    fitted = load_reader("embedded").calibration
    assert fitted.n_subjects == 8
    assert fitted.night > fitted.picture > 1


def test_answers_are_told_at_their_temperature():
    """A night-level step has a temperature of its own; without one it is that of a picture."""
    said = np.random.default_rng(0).dirichlet(np.ones(5), 6)
    reader, without = load_reader("embedded"), load_reader("embedded", sequence_step=False)
    expected = scale(reader.sequence.apply(said), reader.calibration.night)
    np.testing.assert_allclose(reader.read_night(said), expected)
    np.testing.assert_allclose(without.read_night(said), scale(said, reader.calibration.picture))
    np.testing.assert_allclose(reader.calibrate_pictures(said), scale(said, reader.calibration.picture))

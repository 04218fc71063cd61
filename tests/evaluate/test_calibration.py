"""What probabilities are worth: by hand, on probabilities that are right by construction, and after a temperature."""

import numpy as np
import pytest

from somnolens.errors import EvaluationError
from somnolens.evaluate.calibration import (
    gather_confidence,
    list_efforts,
    measure_calibration,
    pair_confidence,
    trace_review,
    trace_risk,
)
from somnolens.score.calibration import fit_temperature, scale
from tests.evaluate.nights import make_evaluation, make_night


def tell(codes, probabilities):
    return pair_confidence([(np.array(codes), np.array(probabilities, dtype=float))])


def draw_right(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and stages drawn by them."""
    rng = np.random.default_rng(seed)
    said = rng.dirichlet(np.full(5, 0.25), n)
    return (rng.random((n, 1)) > said.cumsum(axis=1)).sum(axis=1).clip(0, 4), said


def test_three_epochs_by_hand():
    said = [[0.7, 0.3, 0, 0, 0], [0.7, 0.3, 0, 0, 0], [0, 0, 1, 0, 0]]
    figures = measure_calibration(tell([0, 1, 2], said))
    assert figures.ece == pytest.approx((2 * abs(0.7 - 0.5) + 0) / 3)
    assert figures.brier == pytest.approx((2 * 0.09 + 2 * 0.49 + 0) / 3)
    assert figures.accuracy == pytest.approx(2 / 3)
    assert figures.confidence == pytest.approx(0.8)


def test_there_are_fifteen_bins_and_a_border_is_of_the_lower():
    figures = measure_calibration(tell([0], [[0.2, 0.2, 0.2, 0.2, 0.2]]))
    assert [(one.n_epochs, round(one.high, 6)) for one in figures.bins if one.n_epochs] == [(1, 0.2)]
    assert len(figures.bins) == 15


def test_an_epoch_without_a_stage_is_wrong_and_sure_of_nothing():
    told = tell([0, 1], [[1, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    assert (told.confidence.tolist(), told.right.tolist(), told.brier.tolist()) == ([1, 0], [True, False], [0, 1])
    assert measure_calibration(told).accuracy == 0.5


def test_unscored_epochs_are_left_out_and_none_is_an_error():
    assert len(tell([0, -1], [[1, 0, 0, 0, 0]] * 2)) == 1
    with pytest.raises(EvaluationError, match="Not one epoch is scored"):
        tell([-1], [[1, 0, 0, 0, 0]])


def test_right_probabilities_have_little_error_and_a_temperature_of_one():
    codes, said = draw_right(20_000)
    assert measure_calibration(tell(codes, said)).ece < 0.01
    assert fit_temperature([(codes, said)]) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("temperature", [0.5, 2.5])
def test_a_temperature_is_found_again_and_mends_the_error(temperature):
    codes, said = draw_right(20_000)
    bent = scale(said, 1 / temperature)
    assert measure_calibration(tell(codes, bent)).ece > 0.05
    found = fit_temperature([(codes, bent)])
    assert found == pytest.approx(temperature, rel=0.04)
    assert measure_calibration(tell(codes, scale(bent, found))).ece < 0.01


def test_risk_by_hand():
    """Sorted by confidence: right, wrong, right; two of equal confidence share their errors."""
    coverage, risk = trace_risk(tell([0, 1, 2], [[0.9, 0.1, 0, 0, 0], [0.8, 0.2, 0, 0, 0], [0, 0, 0.7, 0.3, 0]]))
    np.testing.assert_allclose(coverage, [1 / 3, 2 / 3, 1])
    np.testing.assert_allclose(risk, [0, 1 / 2, 1 / 3])
    _, risk = trace_risk(tell([0, 1], [[0.9, 0.1, 0, 0, 0]] * 2))
    np.testing.assert_allclose(risk, [1 / 2, 1 / 2])


def test_review_by_hand():
    """The least confident is right, the next wrong, the surest wrong."""
    said = [[0.5, 0.3, 0.2, 0, 0], [0.6, 0.4, 0, 0, 0], [0.9, 0.1, 0, 0, 0]]
    curve = trace_review(tell([0, 1, 1], said))
    np.testing.assert_allclose(curve.accuracy, [1 / 3, 1 / 3, 2 / 3, 1])
    assert [curve.find_effort(goal) for goal in (0.3, 0.5, 0.9)] == [0, 2, 3]


def test_review_ends_with_everything_right_and_never_falls():
    codes, said = draw_right(500)
    curve = trace_review(tell(codes, said))
    assert curve.accuracy[0] == pytest.approx((said.argmax(1) == codes).mean())
    assert curve.accuracy[-1] == pytest.approx(1)
    assert (np.diff(curve.accuracy) >= -1e-12).all()


def test_efforts_are_told_a_night_and_in_minutes_of_it():
    codes, said = draw_right(500)
    curve = trace_review(tell(codes, said))
    (line,) = list_efforts(curve, n_nights=5, goals=[0.9])
    n = curve.find_effort(0.9)
    assert curve.accuracy[n] >= 0.9 > curve.accuracy[n - 1]
    assert (line["epochs"], line["epochs_a_night"], line["minutes_a_night"]) == (n, round(n / 5, 1), round(n / 10, 1))


def test_doubtful_epochs_are_a_better_choice_than_any():
    codes, said = draw_right(2000)
    curve = trace_review(tell(codes, said))
    a_fifth = 400
    assert curve.accuracy[a_fifth] - curve.accuracy[0] > 1.5 * (1 - curve.accuracy[0]) * a_fifth / 2000


def test_a_system_without_probabilities_has_no_confidence():
    assert gather_confidence(make_evaluation(make_night([0], [0]))) is None


def test_probabilities_lie_on_the_epochs_of_the_truth():
    night = make_night([0, 2, 2], [0, -1], probabilities=np.array([[0.9, 0.1, 0, 0, 0], [0.2, 0.2, 0.2, 0.2, 0.2]]))
    assert gather_confidence(make_evaluation(night)).confidence.tolist() == [0.9, 0, 0]

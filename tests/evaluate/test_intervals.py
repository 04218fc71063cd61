"""Intervals over subjects: against scipy's bootstrap, against sums by hand, and where there is nothing to draw."""

import numpy as np
import pytest
from scipy.stats import bootstrap

from somnolens.errors import EvaluationError
from somnolens.evaluate import intervals
from somnolens.evaluate.agreement import Agreement
from somnolens.evaluate.intervals import (
    MEASURES,
    Interval,
    compare_systems,
    exchange,
    measure_confusions,
    measure_intervals,
    resample,
    sum_by_subject,
)
from tests.evaluate.nights import draw_nights, make_evaluation, make_night

EVALUATION = draw_nights(14)


def test_measures_of_many_matrices_are_those_of_an_agreement_each():
    rng = np.random.default_rng(0)
    matrices = rng.integers(0, 30, (40, 5, 6)) * (rng.random((40, 5, 1)) < 0.8) * (rng.random((40, 1, 6)) < 0.9)
    matrices[0] = 0
    for matrix, found in zip(matrices, measure_confusions(matrices), strict=True):
        one = Agreement(matrix)
        expected = [one.accuracy, one.balanced_accuracy, one.macro_f1, one.kappa, *one.f1.values()]
        np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("place", [0, 3, 5])
def test_intervals_are_those_of_scipy(place):
    by_subject = sum_by_subject(EVALUATION.nights)

    def measure(numbers, axis):
        return np.moveaxis(measure_confusions(by_subject[numbers].sum(axis=axis % numbers.ndim)), -1, 0)[place]

    numbers = np.arange(len(by_subject))
    asked = bootstrap((numbers,), measure, n_resamples=6000, method="BCa", vectorized=True, rng=1).confidence_interval
    found = measure_intervals(EVALUATION, n_resamples=6000)[MEASURES[place]]
    assert (found.low, found.high) == pytest.approx((asked.low, asked.high), abs=0.004)
    assert found.low < found.value < found.high


def test_the_value_is_that_of_all_epochs_together():
    found = measure_intervals(EVALUATION)
    assert found["kappa"].value == pytest.approx(EVALUATION.pooled.kappa)
    assert found["f1_N3"].value == pytest.approx(EVALUATION.pooled.f1["N3"])


def test_the_same_seed_gives_the_same_interval():
    assert measure_intervals(EVALUATION, seed=3) == measure_intervals(EVALUATION, seed=3)
    assert measure_intervals(EVALUATION, seed=3) != measure_intervals(EVALUATION, seed=4)


def test_two_nights_of_a_subject_are_drawn_together():
    """Four nights of two subjects leave three resamples: one subject twice, the other twice, both."""
    right, wrong = ([0] * 10, [0] * 10), ([0] * 10, [2] * 10)
    nights = [make_night(*right, "a1", subject="a"), make_night(*right, "a2", subject="a")]
    nights += [make_night(*wrong, "b1", subject="b"), make_night(*wrong, "b2", subject="b")]
    drawn = resample(sum_by_subject(nights), measure_confusions).drawn[:, 0]
    assert sorted(set(drawn.tolist())) == [0.0, 0.5, 1.0]
    assert (drawn == 0.5).mean() == pytest.approx(0.5, abs=0.05)


def test_two_cohorts_may_both_have_a_subject_of_one_name():
    nights = [make_night([0], [0], "x", subject="1", cohort=cohort) for cohort in ("isruc", "mass")]
    assert len(sum_by_subject(nights)) == 2


def test_one_subject_has_no_interval():
    found = measure_intervals(make_evaluation(make_night([0, 2, 2], [0, 2, 3])))
    assert found["accuracy"].value == pytest.approx(2 / 3)
    assert np.isnan(found["accuracy"].low)
    assert str(found["accuracy"]) == "0.667"
    assert found["accuracy"].to_dict() == {"value": pytest.approx(2 / 3), "low": None, "high": None}


def test_a_stage_that_no_subject_has_has_no_interval():
    found = measure_intervals(make_evaluation(*(make_night([0, 2], [0, 2], name) for name in "abc")))
    assert np.isnan(found["f1_R"].value)
    assert str(found["f1_R"]) == "-"


def test_subjects_who_all_agree_have_an_interval_without_width():
    found = measure_intervals(make_evaluation(*(make_night([0, 2, 2, 2], [0, 2, 2, 0], name) for name in "abcd")))
    assert found["accuracy"] == Interval(0.75, 0.75, 0.75)


def test_intervals_hold_what_they_promise():
    """Of 150 samples of 20 subjects, about 95 in 100 intervals hold the mean of all subjects."""
    rng = np.random.default_rng(5)
    held = []
    for seed in range(150):
        right = rng.binomial(100, np.clip(rng.normal(0.8, 0.1, 20), 0, 1))
        by_subject = np.stack([right, np.full(20, 100)], axis=1)
        (found,) = resample(by_subject, lambda sums: sums[..., :1] / sums[..., 1:], 500, seed).bound()
        held.append(found.low <= 0.799 <= found.high)
    assert 0.88 < np.mean(held) < 0.99


def test_a_system_is_as_good_as_itself():
    difference = compare_systems(EVALUATION, EVALUATION)["kappa"]
    assert (difference.value, difference.low, difference.high, difference.p) == (0.0, 0.0, 0.0, 1.0)


def test_three_subjects_can_be_exchanged_in_eight_ways():
    """By hand: all three are better by one of two, so that only no exchange and that of all go as far."""
    one = make_evaluation(*(make_night([0, 2], [0, 2], name) for name in "abc"))
    other = make_evaluation(*(make_night([0, 2], [0, 0], name) for name in "abc"))
    assert compare_systems(one, other)["accuracy"].p == 2 / 8


def test_exchanges_that_are_drawn_tell_nearly_what_all_of_them_tell(monkeypatch):
    rng = np.random.default_rng(3)
    pairs = rng.integers(0, 30, (9, 2, 5, 6)) + 20 * np.eye(5, 6, dtype=int)
    exact = exchange(pairs)
    monkeypatch.setattr(intervals, "EXACT_SUBJECTS", 0)
    assert exchange(pairs, seed=1) == pytest.approx(exact, abs=0.02)


def test_a_clear_difference_is_found_and_a_chance_one_is_not():
    better, like = draw_nights(20, skill=0.9, seed=1), draw_nights(20, skill=0.7, seed=1)
    found = compare_systems(better, like)["accuracy"]
    assert found.value == pytest.approx(better.pooled.accuracy - like.pooled.accuracy)
    assert found.low > 0.05
    assert found.p < 0.01
    other_way = compare_systems(like, better)["accuracy"]
    assert (other_way.value, other_way.p) == (pytest.approx(-found.value), found.p)
    noise = np.random.default_rng(2)
    shaken = make_evaluation(*(_shake(night, noise) for night in better.nights))
    assert compare_systems(better, shaken)["accuracy"].p > 0.01


def _shake(night, rng):
    """Swap what was named of as many right as wrong epochs: another system of the same skill."""
    truth, named = (codes.copy() for codes in night.codes)
    right, wrong = np.flatnonzero(truth == named), np.flatnonzero(truth != named)
    n = min(len(wrong), 10)
    first, second = rng.choice(right, n, replace=False), rng.choice(wrong, n, replace=False)
    named[first], named[second] = (truth[first] + 1) % 5, truth[second]
    return make_night(truth, named, night.night)


def test_pairing_makes_a_common_difficulty_of_subjects_vanish():
    """Both lose on the same hard subjects: the interval of the difference is narrower than either's own."""
    one = draw_nights(20, seed=7)
    other = make_evaluation(*(_worsen(night) for night in one.nights))
    difference, own = compare_systems(one, other)["accuracy"], measure_intervals(one)["accuracy"]
    assert difference.high - difference.low < 0.5 * (own.high - own.low)


def _worsen(night):
    truth, named = (codes.copy() for codes in night.codes)
    named[::25] = (truth[::25] + 1) % 5
    return make_night(truth, named, night.night)


def test_systems_on_other_nights_are_refused():
    two, three = (make_evaluation(*(make_night([0, 2], [0, 2], name) for name in names)) for names in ("ab", "abc"))
    with pytest.raises(EvaluationError, match=r"model and model cannot be compared: c was not staged once by each"):
        compare_systems(two, three)


def test_systems_held_to_other_scorings_are_refused():
    one, other = make_evaluation(make_night([0, 2], [0, 2])), make_evaluation(make_night([0, 3], [0, 2]))
    with pytest.raises(EvaluationError, match="were held to different scorings of night night"):
        compare_systems(one, other)

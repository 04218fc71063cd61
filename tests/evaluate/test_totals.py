"""Totals of a night by hand; bias and limits of agreement by hand and by a plain count."""

import numpy as np
import pytest

from somnolens.aasm import STAGES
from somnolens.errors import EvaluationError
from somnolens.evaluate.bland_altman import TOTALS, add_up_nights, bound_differences, compare_totals, list_totals
from somnolens.evaluate.totals import measure_totals
from somnolens.hypnogram import Hypnogram
from tests.evaluate.nights import draw_nights, make_evaluation, make_night

NIGHT = ("W",) * 20 + ("N1",) * 4 + ("N2",) * 40 + ("W",) * 10 + ("N3",) * 30 + ("R",) * 16 + ("W",) * 8


def test_a_night_by_hand():
    totals = measure_totals(Hypnogram(NIGHT))
    assert (totals.tib_min, totals.tst_min, totals.sol_min, totals.waso_min) == (64, 45, 10, 5)
    assert totals.se_pct == pytest.approx(100 * 45 / 64, abs=1e-3)
    assert totals.rem_latency_min == (4 + 40 + 10 + 30) / 2
    assert totals.minutes == {"W": 19, "N1": 2, "N2": 20, "N3": 15, "R": 8}
    assert totals.percent == pytest.approx({"N1": 200 / 45, "N2": 2000 / 45, "N3": 1500 / 45, "R": 800 / 45}, abs=1e-3)


def test_totals_are_a_plain_count():
    rng = np.random.default_rng(1)
    for _ in range(5):
        stages = tuple(rng.choice([*STAGES, "UNSCORED"], 200))
        totals = measure_totals(Hypnogram(stages))
        asleep = np.isin(stages, STAGES[1:])
        onset, last = np.flatnonzero(asleep)[[0, -1]]
        assert totals.tst_min == asleep.sum() / 2
        assert totals.waso_min == stages[onset : last + 1].count("W") / 2
        assert totals.rem_latency_min == (stages.index("R") - onset) / 2


def test_unscored_epochs_are_time_in_bed_and_neither_sleep_nor_wake():
    totals = measure_totals(Hypnogram(("N2", "UNSCORED", "N2")))
    assert (totals.tib_min, totals.tst_min, totals.waso_min) == (1.5, 1, 0)


def test_a_night_without_sleep_or_without_r_has_no_such_total():
    awake = measure_totals(Hypnogram(("W",) * 10))
    assert (awake.tst_min, awake.se_pct) == (0, 0)
    assert np.isnan([awake.sol_min, awake.waso_min, awake.rem_latency_min, awake.percent["N2"]]).all()
    assert np.isnan(measure_totals(Hypnogram(("W", "N2"))).rem_latency_min)


def test_epochs_of_20_s_are_counted_as_such():
    assert measure_totals(Hypnogram(("N2",) * 9, step_s=20.0)).tst_min == 3


def test_an_empty_night_has_no_totals():
    with pytest.raises(EvaluationError, match="The hypnogram of expert has no epoch"):
        measure_totals(Hypnogram((), scorer="expert"))


def test_bias_and_limits_by_hand():
    """Differences 1, 2, 3, 6: mean 3, standard deviation the root of 14/3."""
    bias, low, high = bound_differences(np.array([1.0, 2, 3, 6]), np.array(list("abcd")))
    assert bias.value == pytest.approx(3)
    assert (low.value, high.value) == pytest.approx((3 - 1.96 * np.sqrt(14 / 3), 3 + 1.96 * np.sqrt(14 / 3)))
    assert low.low < low.value < low.high < bias.value


def test_one_night_has_a_bias_and_no_limits():
    bias, low, _ = bound_differences(np.array([4.0]), np.array(["a"]))
    assert bias.value == 4
    assert np.isnan([bias.low, low.value]).all()


def test_no_night_has_neither():
    assert np.isnan([one.value for one in bound_differences(np.empty(0), np.empty(0, dtype=str))]).all()


def test_totals_of_a_system_are_held_to_those_of_the_scorer():
    """The system takes two of the three epochs of W in the middle for N2, and one of N3 too."""
    night = make_night([0, 0, 2, 0, 0, 0, 3, 4], [0, 0, 2, 2, 2, 0, 2, 4])
    found = {one.name: one for one in compare_totals(add_up_nights(make_evaluation(night, night)))}
    assert found["tst_min"].bias.value == 1
    assert found["waso_min"].bias.value == -1
    assert (found["N2_min"].bias.value, found["N3_min"].bias.value) == (1.5, -0.5)
    assert found["sol_min"].bias.value == 0
    assert found.keys() == TOTALS.keys()


def test_what_the_scorer_left_out_is_left_out_of_both():
    (totals,) = add_up_nights(make_evaluation(make_night([2, -1, 4], [2, 2, 4])))
    assert totals.scored == totals.truth


def test_a_night_in_which_one_of_the_two_has_no_value_is_counted():
    nights = [make_night([0, 2, 4], [0, 2, 2], "a"), make_night([0, 2, 4], [0, 2, 4], "b")]
    found = {one.name: one for one in compare_totals(add_up_nights(make_evaluation(*nights)))}
    assert (found["rem_latency_min"].n_left_out, len(found["rem_latency_min"].truth)) == (1, 1)
    assert found["tst_min"].n_left_out == 0


def test_the_table_has_a_line_for_each_night_and_total():
    nights = add_up_nights(draw_nights(3, 50))
    lines = list_totals(nights)
    assert len(lines) == 3 * len(TOTALS)
    assert all(line["difference"] == pytest.approx(line["system"] - line["scorer"], abs=2e-3) for line in lines)

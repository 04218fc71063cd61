"""Faithfulness, modalities, support and their intervals."""

import numpy as np
import pytest

from somnolens.aasm import STAGES
from somnolens.explain.faithfulness import (
    Case,
    Curves,
    average_subjects,
    compare_ranks,
    follow_curves,
    measure_faithfulness,
    shuffle_weights,
)
from somnolens.explain.intervals import compare_shares, divide_sums
from somnolens.explain.modalities import TestNight, measure_modalities
from somnolens.explain.night import explain_night
from somnolens.explain.support import measure_support
from tests.plain_nights import make_plain_night


def test_curves_run_from_the_whole_epoch_to_nothing_and_back(epochs, engine):
    order = np.random.default_rng(0).random((6, 30))
    curves = follow_curves(order, Case("a", epochs, 1), engine, "N2", seed=7, n_steps=3)
    assert curves.deletion.shape == curves.insertion.shape == (4,)
    assert curves.deletion[0] == pytest.approx(curves.insertion[-1], abs=1e-6)
    assert curves.deletion[-1] == pytest.approx(curves.insertion[0], abs=1e-6)


def test_the_area_of_a_curve_that_falls_at_once_is_small():
    """By hand: three steps; 1, 0, 0, 0 has half of one third below it."""
    assert Curves(np.array([1.0, 0, 0, 0]), np.array([0, 1.0, 1, 1])).areas == pytest.approx((1 / 6, 5 / 6))


def test_shuffled_weights_are_the_same_numbers_in_other_places(engine):
    shuffled = shuffle_weights(engine.looker, seed=1)
    for before, after in zip(engine.looker.parameters(), shuffled.parameters(), strict=True):
        assert before.data_ptr() != after.data_ptr()
        assert np.array_equal(np.sort(before.flatten().numpy()), np.sort(after.flatten().numpy()))
    assert shuffled.family.model is shuffled.model


def test_ranks_are_compared_and_a_constant_map_is_like_nothing():
    up, down = np.arange(6.0).reshape(2, 3), -np.arange(6.0).reshape(2, 3)
    assert [compare_ranks(up, up), compare_ranks(up, down), compare_ranks(up, np.ones((2, 3)))] == [1.0, -1.0, 0.0]


def test_faithfulness_ranks_the_methods_and_a_random_order(epochs, engine):
    cases = [Case("a", epochs, 1), Case("b", epochs, 2)]
    figures = measure_faithfulness(cases, engine, methods=("attention", "gradient x input"), n_steps=2)
    assert {one.method for one in figures} == {"attention", "gradient x input", "random order"}
    gaps = [one.gap.value for one in figures]
    assert gaps == sorted(gaps, reverse=True)
    for one in figures:
        assert one.gap.value == pytest.approx(one.insertion.value - one.deletion.value)
        assert one.gap.low <= one.gap.value <= one.gap.high


def test_a_mean_over_subjects_weighs_each_epoch():
    """Subjects of two epochs and one: (1 + 2 + 6) / 3."""
    assert average_subjects(np.array([1.0, 2.0, 6.0]), ["a", "a", "b"]).value == pytest.approx(3.0)


def test_an_interval_over_one_subject_has_no_width_and_over_two_reaches_both():
    assert divide_sums(np.array([3.0]), np.array([4.0])).to_list() == [0.75, 0.75, 0.75]
    two = divide_sums(np.array([0.0, 4.0]), np.array([4.0, 4.0]))
    assert (two.value, two.low, two.high) == (0.5, 0.0, 1.0)


def test_shares_are_compared_with_the_same_subjects():
    """Two subjects, each 0.3 apart, though far from each other: the interval of the difference has no width."""
    n = np.array([10, 10])
    gap = compare_shares((np.array([9, 5]), n), (np.array([6, 2]), n))
    assert gap.to_list() == [0.3, 0.3, 0.3]


def test_nothing_counted_has_no_share():
    assert divide_sums(np.zeros(2), np.zeros(2)).to_list() == [None, None, None]


def test_a_modality_that_is_missing_costs_nothing_and_one_that_is_there_does(engine):
    night = make_plain_night(4).add_slow_waves(30, 20).cut(hidden=("chin EMG",))
    codes = np.array([1, 3, -1, 2])
    report = measure_modalities([TestNight("a", night, codes)], engine, corrupted=("C4-M1",))
    assert [report.losses["EMG"][stage].probability.value for stage in ("N1", "N2", "N3")] == [0, 0, 0]
    assert all(report.losses["EEG"][stage].probability.value != 0 for stage in ("N1", "N2", "N3"))
    assert np.isnan(report.losses["EEG"]["W"].recall.value)
    assert report.n_epochs == {"W": 0, "N1": 1, "N2": 1, "N3": 1, "R": 0}
    assert sum(report.all_neutral.values()) == pytest.approx(1, abs=1e-3)
    costs = {m: report.losses[m]["N3"].probability for m in ("EEG", "EOG", "EMG")}
    most = max(costs, key=lambda m: costs[m].value)
    assert report.drivers.get("N3") == (most if costs[most].low > 0 else None)
    assert "W" not in report.drivers
    assert 0 < report.neglect["C4-M1"].weight_clean.value <= 1


def test_support_is_counted_by_stage_and_by_whether_the_model_was_right():
    """Six epochs: epoch 2 has slow waves. The model says N3 there, rightly, and in epoch 4, wrongly; N1 elsewhere."""
    night = make_plain_night().add_slow_waves(61, 12, 130.0).cut()
    said = explain_night(night, ("N1", "N1", "N3", "N1", "N3", "N1"))
    truth = np.array([1, 1, 3, 0, 1, -1])
    support = measure_support([(said, truth)])
    assert support.n_right.tolist() == [[0, 2, 0, 1, 0]]
    assert support.n_wrong.tolist() == [[0, 1, 0, 1, 0]]
    assert support.rate(True, "N3").value == 1.0
    assert support.rate(False, "N3").value == 0.0
    assert support.rate(False, "N1").value == 1.0
    assert support.gap().value == pytest.approx(3 / 3 - 1 / 2)
    assert list(said.disagreements) == [4]
    assert support.wrong_among_listed.value == 1.0
    assert support.wrong_among_all.value == pytest.approx(2 / 5)
    assert set(support.to_dict()["stages"]) == set(STAGES)

"""Agreement: numbers worked out by hand, scikit-learn as the second opinion, and what must always hold."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from somnolens.aasm import STAGES
from somnolens.errors import MismatchedHypnogramError
from somnolens.evaluate.agreement import Agreement, measure_agreement, pool
from somnolens.hypnogram import Hypnogram

W, N1, N2, N3, R, NONE = 0, 1, 2, 3, 4, -1

stages = st.integers(min_value=0, max_value=4)
scored_pairs = st.lists(st.tuples(stages, stages), min_size=1, max_size=60)


def agree(truth: list[int], prediction: list[int]) -> Agreement:
    return measure_agreement(np.array(truth), np.array(prediction))


def test_ten_epochs_worked_out_by_hand():
    truth = [W, W, N1, N1, N2, N2, N2, N3, R, R]
    prediction = [W, N1, N1, N2, N2, N2, N3, N3, R, W]
    agreement = agree(truth, prediction)
    assert agreement.accuracy == pytest.approx(6 / 10)
    assert agreement.balanced_accuracy == pytest.approx((1 / 2 + 1 / 2 + 2 / 3 + 1 + 1 / 2) / 5)
    by_chance = (2 * 2 + 2 * 2 + 3 * 3 + 1 * 2 + 2 * 1) / 100
    assert agreement.kappa == pytest.approx((0.6 - by_chance) / (1 - by_chance))
    assert agreement.f1 == pytest.approx({"W": 2 / 4, "N1": 2 / 4, "N2": 4 / 6, "N3": 2 / 3, "R": 2 / 3})
    assert agreement.macro_f1 == pytest.approx((0.5 + 0.5 + 3 * 2 / 3) / 5)
    assert agreement.support == {"W": 2, "N1": 2, "N2": 3, "N3": 1, "R": 2}


def test_a_missing_prediction_counts_as_wrong():
    agreement = agree([W, W, N2, N2], [W, W, N2, NONE])
    assert (agreement.n_epochs, agreement.n_invalid) == (4, 1)
    assert agreement.accuracy == 0.75
    assert agreement.kappa == pytest.approx((0.75 - 3 / 8) / (1 - 3 / 8))
    assert agreement.f1["N2"] == pytest.approx(2 * 1 / (1 + 2))


def test_predictions_that_end_early_are_missing():
    agreement = agree([W, N1, N2, N3], [W, N1])
    assert (agreement.n_epochs, agreement.n_invalid, agreement.accuracy) == (4, 2, 0.5)


def test_epochs_the_truth_leaves_unscored_are_left_out_and_counted():
    agreement = agree([W, NONE, N2, 9], [W, W, N2, N2])
    assert (agreement.n_epochs, agreement.n_left_out, agreement.accuracy) == (2, 2, 1.0)


def test_predictions_beyond_the_truth_do_not_count():
    agreement = agree([W, N2], [W, N2, N3, N3])
    assert (agreement.n_epochs, agreement.accuracy) == (2, 1.0)


def test_hypnograms_are_laid_over_each_other_by_their_start():
    expert = Hypnogram(("N1", "N2", "N3"), scorer="expert", start_s=60)
    model = Hypnogram(("W", "W", "N1", "N2", "R"), scorer="model", start_s=0)
    agreement = measure_agreement(expert, model)
    assert agreement.accuracy == pytest.approx(2 / 3)
    late = measure_agreement(model, expert)
    assert (late.n_epochs, late.n_invalid) == (5, 2)


def test_hypnograms_cut_at_different_times_are_refused():
    expert = Hypnogram(("N1", "N2"), scorer="expert", start_s=0)
    model = Hypnogram(("N1", "N2"), scorer="model", start_s=12)
    with pytest.raises(MismatchedHypnogramError, match=r"model starts 12 s after that of expert.*30-s epochs"):
        measure_agreement(expert, model)


def test_measures_without_a_value_are_none_in_json():
    nothing = measure_agreement(np.array([NONE]), np.array([W])).to_dict()
    assert nothing["n_epochs"] == 0
    assert [nothing[name] for name in ("accuracy", "balanced_accuracy", "macro_f1", "kappa")] == [None] * 4
    one_stage = agree([W, W], [W, W])
    assert np.isnan(one_stage.kappa)
    assert one_stage.to_dict()["f1"] == {"W": 1.0, "N1": None, "N2": None, "N3": None, "R": None}
    json.dumps(nothing, allow_nan=False)


def test_a_dictionary_holds_the_whole_agreement():
    agreement = agree([W, N1, NONE, R], [W, N2, N3, NONE])
    again = Agreement.from_dict(json.loads(json.dumps(agreement.to_dict())))
    assert again.to_dict() == agreement.to_dict()


def test_pooling_is_measuring_all_epochs_together():
    one, two = ([W, N1, N2, NONE], [W, N2, N2, N2]), ([R, R, N3], [R, NONE, N2])
    pooled = pool([agree(*one), agree(*two)])
    assert pooled.to_dict() == agree(one[0] + two[0], one[1] + two[1]).to_dict()
    assert pool([]).n_epochs == 0


@given(scored_pairs)
def test_measures_equal_those_of_scikit_learn(pairs):
    truth, prediction = map(list, zip(*pairs, strict=True))
    agreement = agree(truth, prediction)
    used = sorted({*truth, *prediction})
    assert agreement.accuracy == pytest.approx(metrics.accuracy_score(truth, prediction))
    recall = metrics.recall_score(truth, prediction, labels=sorted(set(truth)), average="macro")
    assert agreement.balanced_accuracy == pytest.approx(recall)
    assert agreement.macro_f1 == pytest.approx(metrics.f1_score(truth, prediction, labels=used, average="macro"))
    if len(used) > 1:
        assert agreement.kappa == pytest.approx(metrics.cohen_kappa_score(truth, prediction))


@given(scored_pairs)
def test_kappa_does_not_care_which_scorer_is_called_the_truth(pairs):
    truth, prediction = map(list, zip(*pairs, strict=True))
    assert agree(truth, prediction).kappa == pytest.approx(agree(prediction, truth).kappa, nan_ok=True)


@given(scored_pairs, st.data())
def test_keeping_silent_never_raises_accuracy(pairs, data):
    truth, prediction = map(list, zip(*pairs, strict=True))
    silent = data.draw(st.sets(st.integers(0, len(pairs) - 1)))
    partly = [NONE if epoch in silent else code for epoch, code in enumerate(prediction)]
    before, after = agree(truth, prediction), agree(truth, partly)
    assert after.accuracy <= before.accuracy
    assert after.balanced_accuracy <= before.balanced_accuracy + 1e-12
    assert (after.n_epochs, after.n_invalid) == (before.n_epochs, len(silent))


@given(scored_pairs)
def test_confusion_counts_every_scored_epoch_once(pairs):
    truth, prediction = map(list, zip(*pairs, strict=True))
    agreement = agree(truth, prediction)
    assert agreement.n_epochs == len(pairs)
    for code, stage in enumerate(STAGES):
        assert agreement.support[stage] == truth.count(code)

"""Parts of the epochs: each epoch in one part of a kind, and the figures those of the part."""

import numpy as np
import pytest

from somnolens.aasm import STAGES
from somnolens.evaluate.slices import KINDS, slice_evaluation
from somnolens.hypnogram import Hypnogram
from tests.evaluate.nights import make_evaluation, make_night


def name_parts(kind: str, truth=(0,) * 6, **known) -> list[str]:
    return KINDS[kind](make_night(truth, truth, **known).known)


def test_an_epoch_beside_another_stage_is_a_transition_on_both_sides():
    assert name_parts("change", [0, 0, 2, 2, 2, 4]) == ["stable", *["transition"] * 2, "stable", *["transition"] * 2]


def test_an_unscored_neighbour_is_no_other_stage():
    assert name_parts("change", [0, -1, 2, 2]) == ["stable"] * 4


def test_a_night_has_thirds_and_hours():
    assert name_parts("time of night", [0] * 7) == ["first third"] * 3 + ["middle third"] * 2 + ["last third"] * 2
    hours = name_parts("hour", [0] * (13 * 120))
    assert hours[119:121] == ["hour  1", "hour  2"]
    assert set(hours[11 * 120 :]) == {"hour 12 and later"}


@pytest.mark.parametrize(
    ("codes", "word"), [([0, 0], "all good"), ([0, 1], "a derivation missing"), ([2, 1], "a derivation poor")]
)
def test_quality_is_told_by_the_worst(codes, word):
    assert name_parts("signals", [0], quality=np.array([codes], dtype=np.uint8)) == [word]


@pytest.mark.parametrize(
    ("ahi", "word"), [(0.0, "AHI below 5"), (5.0, "AHI 5 to 15"), (29.9, "AHI 15 to 30"), (80.0, "AHI 30 and over")]
)
def test_severity_is_that_of_the_field(ahi, word):
    assert name_parts("AHI", [0], traits={"ahi": ahi}) == [word]


def test_what_is_not_known_is_in_no_part():
    assert [name_parts(kind, [0]) for kind in ("age", "sex", "AHI", "scorers")] == [[""]] * 4


def test_scorers_agree_or_are_split():
    scorers = tuple(Hypnogram(stages) for stages in (("W", "N1", "N1"), ("W", "N1", "N2"), ("W", "N2", "N3")))
    assert name_parts("scorers", [0, 1, 1], scorers=scorers) == ["all agree", "most agree", "split"]


def test_every_scored_epoch_is_in_one_part_of_a_kind():
    rng = np.random.default_rng(0)
    nights = [
        make_night(
            rng.integers(-1, 5, 400),
            rng.integers(-1, 5, 400),
            name,
            traits={"age": age, "sex": sex},
            quality=rng.integers(0, 3, (400, 2)).astype(np.uint8),
        )
        for name, age, sex in (("a", 12.0, "F"), ("b", 45.0, "M"), ("c", 80.0, "F"))
    ]
    evaluation = make_evaluation(*nights)
    slices = slice_evaluation(evaluation, n_resamples=50)
    kinds = {one.kind for one in slices}
    assert kinds == {"age", "sex", "signals", "time of night", "hour", "change"}
    for kind in kinds:
        parts = [one.agreement.confusion for one in slices if one.kind == kind]
        assert (sum(parts) == evaluation.pooled.confusion).all(), kind
    assert sum(one.agreement.n_invalid for one in slices if one.kind == "change") == evaluation.pooled.n_invalid > 0


def test_parts_come_in_the_order_of_their_numbers_and_count_their_subjects():
    nights = [make_night([0, 2], [0, 2], name, traits={"age": age}) for name, age in (("a", 70.0), ("b", 9.0))]
    ages = [one for one in slice_evaluation(make_evaluation(*nights), 50) if one.kind == "age"]
    assert [(one.part, one.n_subjects) for one in ages] == [("below 18", 1), ("60 and over", 1)]


def test_a_kind_that_tells_nothing_apart_is_left_out():
    assert slice_evaluation(make_evaluation(make_night([0], [0])), 50) == []


def test_a_line_of_the_table_has_every_measure_with_its_ends():
    night = make_night([0] * 30 + [2] * 30, [0] * 60)
    line = next(one for one in slice_evaluation(make_evaluation(night), 50) if one.part == "first third").to_dict()
    assert (line["kind"], line["epochs"], line["accuracy"], line["accuracy_low"]) == ("time of night", 20, 1.0, None)
    assert {f"f1_{stage}" for stage in STAGES} < line.keys()

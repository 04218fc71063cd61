"""The review list: who is on it, why, and in which order."""

import numpy as np
import pytest

from somnolens.epochs import CLIPPED, DETACHED, FLAT, GOOD, MISSING
from somnolens.score.review import list_reviews

NAMES = ("F4-M1", "C4-M1", "E1-M2", "chin EMG")
SURE, TORN = [0.02, 0.02, 0.92, 0.02, 0.02], [0.05, 0.48, 0.37, 0.05, 0.05]


def review(rows, codes=None, reasons=None):
    quality = np.array([codes or [GOOD] * 4] * len(rows), dtype=np.uint8)
    return list_reviews(np.array(rows), quality, NAMES, reasons)


def test_a_night_that_is_clear_has_no_list():
    assert review([SURE, SURE]) == []


def test_doubt_names_the_two_likeliest_stages():
    (found,) = review([SURE, TORN])
    assert (found.epoch, found.priority, found.reason) == (1, 0.52, "in doubt: N1 48 %, N2 37 %")


def test_an_epoch_without_a_stage_comes_first():
    first, *_ = review([TORN, [0.0] * 5])
    assert (first.epoch, first.priority, first.reason) == (1, 1.0, "no stage was named")


def test_without_an_eeg_a_sure_answer_is_none():
    (found,) = review([SURE], [FLAT, DETACHED, GOOD, GOOD])
    assert (found.priority, found.reason) == (0.9, "no EEG that can be read: F4-M1 flat, C4-M1 detached")


def test_half_of_the_signals_poor_is_a_reason():
    (found,) = review([SURE], [GOOD, CLIPPED, FLAT, GOOD])
    assert (found.priority, found.reason) == (0.4, "poor signals: C4-M1 clipped, E1-M2 flat")
    assert review([SURE], [GOOD, CLIPPED, GOOD, GOOD]) == []


def test_what_was_never_recorded_is_no_reason():
    assert review([SURE], [GOOD, MISSING, MISSING, MISSING]) == []


def test_a_reason_of_the_caller_puts_a_sure_epoch_on_the_list():
    (found,) = review([SURE], reasons={0: "no slow waves in N3"})
    assert (found.priority, found.reason) == (0.5, "no slow waves in N3")


def test_reasons_are_told_together_and_the_gravest_counts():
    (found,) = review([TORN], [FLAT, FLAT, GOOD, GOOD], {0: "chin tone in R"})
    assert found.priority == 0.9
    assert found.reason == (
        "in doubt: N1 48 %, N2 37 %; chin tone in R; no EEG that can be read: F4-M1 flat, C4-M1 flat"
    )


def test_the_most_urgent_is_first_and_equals_keep_the_order_of_the_night():
    found = review([TORN, SURE, [0.3, 0.3, 0.4, 0, 0], TORN])
    assert [one.epoch for one in found] == [2, 0, 3]


def test_lengths_that_differ_are_a_bug_of_the_caller():
    with pytest.raises(ValueError, match="shorter"):
        list_reviews(np.array([SURE, SURE]), np.zeros((1, 4), dtype=np.uint8), NAMES)

"""Subjects, never epochs, are split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from somnolens.dataset.splits import SPLITS, check_splits, split_subjects
from somnolens.errors import DatasetError, SettingsError

SUBJECTS = st.lists(st.text("abcdef0123", min_size=1, max_size=4), max_size=40)
SHARES = st.floats(0, 0.45)
SEEDS = st.integers(0, 2**32)


def test_twelve_subjects_are_seven_two_and_three():
    splits = list(split_subjects([f"S{n:02d}" for n in range(12)], 0.17, 0.25, seed=7).values())
    assert [splits.count(split) for split in SPLITS] == [7, 2, 3]


@given(SUBJECTS, SHARES, SHARES, SEEDS)
def test_every_subject_is_in_exactly_one_split(subjects, validation, test, seed):
    splits = split_subjects(subjects, validation, test, seed)
    assert set(splits) == set(subjects)
    assert set(splits.values()) <= set(SPLITS)


@given(SUBJECTS, SHARES, SHARES, SEEDS, st.randoms())
def test_neither_order_nor_repetition_of_the_nights_changes_the_splits(subjects, validation, test, seed, random):
    again = subjects * 2
    random.shuffle(again)
    assert split_subjects(again, validation, test, seed) == split_subjects(subjects, validation, test, seed)


@given(SUBJECTS, st.floats(0.01, 0.3), st.floats(0.01, 0.3), SEEDS)
def test_three_subjects_are_enough_for_every_split(subjects, validation, test, seed):
    splits = split_subjects([*subjects, "x", "y", "z"], validation, test, seed)
    assert set(splits.values()) == set(SPLITS)


@given(SUBJECTS, SEEDS)
def test_shares_of_nothing_leave_everything_for_training(subjects, seed):
    assert set(split_subjects(subjects, 0, 0, seed).values()) <= {"train"}


@given(st.integers(3, 60), SHARES, SHARES, SEEDS)
def test_shares_are_kept_to_the_nearest_subject(n, validation, test, seed):
    splits = list(split_subjects([str(number) for number in range(n)], validation, test, seed).values())
    assert splits.count("test") == max(round(test * n), test > 0)
    assert splits.count("validation") == max(round(validation * n), validation > 0)


def test_another_seed_is_another_split():
    subjects = [f"S{n:02d}" for n in range(12)]
    assert len({str(split_subjects(subjects, 0.17, 0.25, seed)) for seed in range(5)}) == 5


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_subjects_for_three_splits_are_no_error(n):
    assert len(split_subjects([str(number) for number in range(n)], 0.17, 0.25, 7)) == n


@pytest.mark.parametrize(("n", "validation", "test"), [(4, 0.9, 0.9), (1, 0.6, 0.6), (3, 0.5, 0.5)])
def test_shares_that_ask_for_more_subjects_than_there_are_are_refused(n, validation, test):
    with pytest.raises(SettingsError) as caught:
        split_subjects([str(number) for number in range(n)], validation, test, 7)
    assert f"dataset.test_share = {test} and dataset.validation_share = {validation} ask for" in str(caught.value)
    assert f"of {n} subjects" in str(caught.value)


def test_a_cohort_only_to_be_tested_on_needs_no_training_subjects():
    assert set(split_subjects("abcdef", 0, 0.99, 7).values()) == {"test"}


def row(subject: str, night: str, split: str) -> dict[str, str]:
    return {"subject": subject, "night": night, "split": split}


def test_several_nights_of_a_subject_in_one_split_are_fine():
    check_splits([row("S1", "S1-1", "train"), row("S1", "S1-2", "train"), row("S2", "S2-1", "test")])


def test_a_subject_in_two_splits_is_refused():
    with pytest.raises(DatasetError) as caught:
        check_splits([row("S1", "S1-1", "train"), row("S1", "S1-2", "test")])
    assert str(caught.value) == (
        "Subject S1 is in the train and in the test split. Build the dataset again into a new folder."
    )


def test_a_night_that_stands_twice_is_refused():
    with pytest.raises(DatasetError) as caught:
        check_splits([row("S1", "S1-1", "train"), row("S1", "S1-1", "train")])
    assert str(caught.value) == "Night S1-1 stands twice in the dataset. Build it again into a new folder."

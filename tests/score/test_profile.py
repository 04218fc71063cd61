"""The profile of validation nights, and nights that are off it."""

import numpy as np
import pytest

from somnolens.epochs import FLAT, MISSING
from somnolens.score.profile import FIGURES, describe_profile, find_departures, measure_night


def make_night(shares: list[int], sure: float = 0.9, poor: float = 0.0) -> np.ndarray:
    codes = np.repeat(np.arange(5), shares)
    probabilities = np.full((len(codes), 5), (1 - sure) / 4)
    probabilities[np.arange(len(codes)), codes] = sure
    quality = np.zeros((len(codes), 4), dtype=np.uint8)
    quality[: round(poor * len(codes))] = FLAT
    return measure_night(probabilities, quality)


def make_usual(n_nights: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [make_night([50 + rng.integers(20), 40, 200 + rng.integers(40), 60, 80]) for _ in range(n_nights)]


def test_a_night_is_measured_as_by_hand():
    probabilities = np.array([[0.5, 0.5, 0, 0, 0], [0, 0, 0.8, 0.2, 0], [0, 0, 0.9, 0.1, 0], [0, 0, 0, 0, 1.0]])
    quality = np.array([[0, MISSING], [FLAT, MISSING], [0, MISSING], [0, MISSING]], dtype=np.uint8)
    told = dict(zip(FIGURES, measure_night(probabilities, quality), strict=True))
    assert told["share of W"] == told["share of R"] == 0.25
    assert told["share of N2"] == 0.5
    assert told["confidence"] == pytest.approx(0.8)
    assert (told["doubtful"], told["poor signals"], told["missing"]) == (0.25, 0.25, 0.5)


def test_nights_like_those_of_the_profile_are_not_off_it():
    profile = describe_profile(make_usual(20, seed=0))
    for seed in range(1, 30):
        assert max(abs(one.z) for one in find_departures(make_usual(10, seed), profile)) < 4


@pytest.mark.parametrize(
    ("night", "figure", "sign"),
    [
        (make_night([0, 0, 430, 0, 0]), "share of N2", 1),
        (make_night([60, 40, 220, 60, 80], sure=0.55), "confidence", -1),
        (make_night([60, 40, 220, 60, 80], sure=0.55), "doubtful", 1),
        (make_night([60, 40, 220, 60, 80], poor=0.3), "poor signals", 1),
    ],
)
def test_nights_that_are_otherwise_are_found_by_the_figure_that_differs(night, figure, sign):
    found = {one.figure: one.z for one in find_departures([night] * 10, describe_profile(make_usual(20, seed=0)))}
    assert sign * found[figure] > 5


def test_z_is_the_difference_over_the_standard_errors_of_both_means():
    profile = {"n_nights": 4, "figures": {"confidence": {"mean": 0.8, "sd": 0.06}}}
    (found,) = find_departures([make_night([10] * 5, sure=0.9)] * 9, profile)
    assert found.z == pytest.approx(0.1 / (0.06 * (1 / 9 + 1 / 4) ** 0.5))


def test_one_night_makes_no_profile_and_without_one_nothing_is_off():
    assert describe_profile(make_usual(1, seed=0)) == {}
    assert find_departures(make_usual(3, seed=0), {}) == find_departures([], describe_profile(make_usual(2, 0))) == []

"""The drift alarm: raised by nights that are otherwise, by enough of them, and of this adapter."""

import logging

import numpy as np
import pytest

from somnolens.score.profile import describe_profile, measure_night
from somnolens.serve.monitoring.drift import DriftWatch

GOOD = np.zeros((120, 6), dtype=np.uint8)


def say(stages: np.ndarray) -> np.ndarray:
    return np.full((120, 5), 0.02) + 0.9 * np.eye(5)[stages]


def make_usual(seed: int) -> np.ndarray:
    return say(np.random.default_rng(seed).choice(5, 120, p=[0.2, 0.1, 0.4, 0.15, 0.15]))


PROFILE = describe_profile([measure_night(make_usual(seed), GOOD) for seed in range(12)])


@pytest.fixture
def told() -> list[tuple[str, bool]]:
    return []


@pytest.fixture
def watch(told) -> DriftWatch:
    return DriftWatch(PROFILE, 20, 4.0, lambda departure, alarm: told.append((departure.figure, alarm)))


def test_usual_nights_raise_no_alarm(watch, told):
    for seed in range(20, 40):
        watch.note(make_usual(seed), GOOD)
    assert watch.tell().n_nights == 20
    assert not watch.tell().alarm
    assert not any(alarm for _, alarm in told)


def test_other_nights_raise_it_once_there_are_ten(watch, told, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("ray.serve"), "propagate", True)
    asleep = say(np.full(120, 2))
    for _ in range(9):
        watch.note(asleep, GOOD)
    assert not watch.tell().alarm
    for _ in range(3):
        watch.note(asleep, GOOD)
    said = watch.tell()
    assert said.alarm
    assert any("share of N2 is 1.000 in the last 12 nights" in note for note in said.notes)
    assert ("share of N2", True) in told
    assert len({record.getMessage() for record in caplog.records if "share of N2" in record.getMessage()}) == 1


def test_what_is_too_short_for_a_night_is_left_out(watch):
    watch.note(make_usual(0)[:59], GOOD[:59])
    assert watch.tell().n_nights == 0
    watch.note(make_usual(0)[:60], GOOD[:60])
    assert watch.tell().n_nights == 1


def test_an_adapter_without_a_profile_says_so():
    watch = DriftWatch({}, 20, 4.0)
    watch.note(make_usual(0), GOOD)
    assert (watch.tell().figures, watch.tell().alarm) == ([], False)
    assert "has no profile" in watch.tell().notes[0]

"""Sleep statistics beside what is usual, by hand."""

import numpy as np
import pytest

from somnolens.evaluate.totals import measure_totals
from somnolens.hypnogram import Hypnogram
from somnolens.report.statistics import ADULTS, MITTERLING, NSF, choose_group, list_sources, list_statistics

NIGHT = Hypnogram(
    ("W",) * 40 + ("N1",) * 40 + ("N2",) * 360 + ("N3",) * 160 + ("W",) * 60 + ("R",) * 240 + ("W",) * 100
)
"""500 minutes: 20 awake, 20 N1, 180 N2, 80 N3, 30 awake, 120 R, 50 awake."""


def find(name: str, night: Hypnogram = NIGHT, age: int | None = None):
    return next(one for one in list_statistics([measure_totals(night)], age) if one.name == name)


@pytest.mark.parametrize(
    ("name", "told", "place"),
    [
        ("Time in bed", "500.0 min", ""),
        ("Total sleep time", "400.0 min", ""),
        ("Sleep efficiency", "80.0 %", "below"),
        ("Sleep onset latency", "20.0 min", "within"),
        ("Wake after sleep onset", "30.0 min", "above"),
        ("REM latency", "310.0 min", "above"),
        ("N1", "5.0 %", "within"),
        ("N2", "45.0 %", "within"),
        ("N3", "20.0 %", "within"),
        ("R", "30.0 %", "above"),
    ],
)
def test_a_night_is_held_against_the_adult_reference(name, told, place):
    found = find(name)
    assert (found.tell(0), found.place) == (told, place)


def test_minutes_stand_beside_the_share_of_each_stage():
    assert [find(stage).minutes for stage in ("N1", "N2", "N3", "R")] == [(20.0,), (180.0,), (80.0,), (120.0,)]


@pytest.mark.parametrize(("age", "place"), [(None, ""), (25, "within"), (45, ""), (61, "within")])
def test_total_sleep_is_compared_only_where_a_source_has_the_age(age, place):
    assert find("Total sleep time", age=age).place == place


def test_the_elderly_may_lie_awake_longer():
    assert (find("Wake after sleep onset", age=64).place, find("Wake after sleep onset", age=65).place) == (
        "above",
        "within",
    )


def test_children_are_held_against_nothing():
    assert choose_group(9).usual == {}
    assert {one.place for one in list_statistics([measure_totals(NIGHT)], 9)} == {""}


def test_a_short_record_is_held_against_nothing():
    nap = Hypnogram(("W",) * 10 + ("N2",) * 100)
    assert {one.place for one in list_statistics([measure_totals(nap)])} == {""}


def test_what_a_night_has_not_is_a_dash():
    awake = Hypnogram(("W",) * 600)
    assert [find(name, awake).tell(0) for name in ("REM latency", "N2")] == ["-", "-"]
    assert find("Sleep efficiency", awake).tell(0) == "0.0 %"


def test_the_first_of_two_hypnograms_is_compared():
    awake = measure_totals(Hypnogram(("W",) * 600))
    found = list_statistics([measure_totals(NIGHT), awake])[2]
    assert (found.place, found.tell(0), found.tell(1)) == ("below", "80.0 %", "0.0 %")


def test_every_usual_value_has_a_source_and_the_sources_are_told_once():
    assert all(usual.source for usual in ADULTS.values())
    assert NSF in list_sources(list_statistics([measure_totals(NIGHT)]))
    assert list_sources(list_statistics([measure_totals(NIGHT)], 25)).count(MITTERLING) == 1


def test_usual_values_are_ranges():
    for age in (None, 20, 62, 80):
        for usual in choose_group(age).usual.values():
            assert np.isnan(usual.low) or np.isnan(usual.high) or usual.low < usual.high

"""A cohort at a glance: what its nights hold, and everything that is wrong."""

import re
from dataclasses import replace

import pytest
from rich.console import Console

from somnolens.errors import DoubleNightError
from somnolens.read.cohorts import find_nights
from somnolens.read.survey import survey_night
from somnolens.report.survey import format_survey, summarise_survey
from tests.fake_cohorts.files import put_in_header
from tests.fake_cohorts.isruc import write_isruc
from tests.fake_cohorts.shhs import write_shhs


@pytest.fixture(scope="module")
def isruc(tmp_path_factory):
    """One recording is cut short, one scoring has a code of no stage, one night is not scored."""
    folder = tmp_path_factory.mktemp("isruc")
    write_isruc(folder)
    cut = folder / "subgroupIII" / "1" / "1.rec"
    cut.write_bytes(cut.read_bytes()[:-1000])
    (folder / "subgroupI" / "37" / "37_2.txt").write_text("0\n8\n")
    for path in (folder / "subgroupII" / "3" / "2").glob("*_*"):
        path.unlink()
    return {night.night: survey_night(night) for night in find_nights(folder, "isruc")}


def test_facts_of_a_good_night(isruc):
    night = isruc["II-3-1"]
    assert (night.subject, night.duration_s, night.rates_hz) == ("II-3", 300.0, (200.0,))
    assert night.scorers == ("scorer 1", "scorer 2")
    assert night.problems == ()
    assert night.stages.counts() == {"W": 3, "N1": 1, "N2": 3, "N3": 1, "R": 2, "UNSCORED": 0}


def test_what_is_wrong_with_a_night_is_told_and_the_rest_is_still_there(isruc):
    assert isruc["III-1"].problems == (
        "1.rec is cut short: it holds 299 of 300 records (0:04:59 h of 0:05:00 h). Copy it again.",
    )
    assert "37_2.txt has the stage code(s) 8." in isruc["I-37"].problems[0]
    assert isruc["I-37"].derivations[0].source == "F4 - A1"
    assert isruc["II-3-2"].problems == ()
    assert isruc["II-3-2"].stages is None


def test_the_table_and_the_summary_name_every_night_and_every_fault(isruc):
    console = Console(width=160, record=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(format_survey([*isruc.values()], "isruc"))
    told = capture.get() + "\n".join(summarise_survey([*isruc.values()]))
    for night in isruc:
        assert night in told
    assert "5 nights of 4 subjects, 0.3 h; 3 with 0 scoring(s), 2 with 2 scoring(s); something is wrong with 2." in told
    assert "F4-M1: 'F4-M1' in 2, 'F4-A1' in 1, 'F4 - A1' in 1, missing in 1" in told
    assert "20 scored epochs: 6 W (30%), 2 N1 (10%), 6 N2 (30%), 2 N3 (10%), 4 R (20%); 0 UNSCORED." in told
    assert "wrong with III-1: 1.rec is cut short" in told


def test_a_stage_that_nobody_ever_scored_is_pointed_out(isruc):
    night = isruc["I-1"]
    never = replace(night, stages=replace(night.stages, stages=tuple(s.replace("R", "W") for s in night.stages.stages)))
    assert any(line.startswith("Nobody ever scored R: check that the codes") for line in summarise_survey([never]))


def test_a_scoring_beyond_the_signal_and_a_signal_without_derivation_are_wrong(tmp_path):
    write_shhs(tmp_path)
    nights = {night.night: night for night in find_nights(tmp_path, "shhs")}
    path = nights["shhs1-200002"].recording_path
    for number in range(10):
        put_in_header(path, "unit", number, "%")
    xml = nights["shhs1-200002"].scorings[0].path
    xml.write_text(re.sub(r"<Start>(\d+)", lambda match: f"<Start>{int(match[1]) + 600}", xml.read_text()))
    problems = survey_night(nights["shhs1-200002"]).problems
    assert problems[0].startswith("shhs1-200002 has no derivation that can be drawn. Looked for F4-M1:")
    assert "'EEG' is in '%', not a voltage" in problems[0]
    assert problems[1:] == ("Not one scored epoch lies inside the 300 s of signal.",)


def test_a_night_in_two_places_is_refused(tmp_path):
    write_shhs(tmp_path / "a")
    write_shhs(tmp_path / "b")
    with pytest.raises(DoubleNightError) as caught:
        find_nights(tmp_path, "shhs")
    assert "holds 6 recordings of nights that are there twice: a/edfs/shhs1/shhs1-200001.edf" in str(caught.value)

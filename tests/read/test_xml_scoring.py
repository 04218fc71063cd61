"""XML scorings of the NSRR, right and broken."""

import pytest

from somnolens.errors import UnreadableHypnogramError
from somnolens.read.scoring import read_hypnogram
from tests.fake_cohorts.shhs import CODES, STAGES, make_nsrr, make_profusion


@pytest.fixture
def write_xml(tmp_path):
    def write(text: str, encoding: str = "utf-8"):
        (tmp_path / "night-nsrr.xml").write_text(text, encoding=encoding)
        return tmp_path / "night-nsrr.xml"

    return write


def message_of(path) -> str:
    with pytest.raises(UnreadableHypnogramError) as caught:
        read_hypnogram(path)
    return str(caught.value)


@pytest.mark.parametrize("make", [make_nsrr, make_profusion])
def test_both_kinds_of_xml_hold_the_same_stages(write_xml, make):
    assert read_hypnogram(write_xml(make(CODES))).stages == STAGES


def test_a_byte_order_mark_does_no_harm(write_xml):
    assert read_hypnogram(write_xml(make_profusion(CODES), "utf-8-sig")).stages == STAGES


def test_a_code_of_no_stage_is_named(write_xml):
    assert message_of(write_xml(make_profusion((0, 7)))) == (
        "night-nsrr.xml has the stage code(s) 7. Known are 0 (W), 1 (N1), 2 (N2), 3 (N3), 4 (N3), 5 (R), "
        "6 (UNSCORED), 9 (UNSCORED), 10 (UNSCORED). Check which cohort the file belongs to."
    )


def test_an_event_without_concept_leaves_a_gap(write_xml):
    text = make_nsrr((0, 0, 2, 5)).replace("<EventConcept>Stage 2 sleep|2</EventConcept>", "<EventConcept/>")
    hypnogram = read_hypnogram(write_xml(text.replace("Stages|Stages</EventType><EventConcept/>", "</EventType>")))
    assert hypnogram.stages == ("W", "W", "UNSCORED", "R")
    assert hypnogram.notes == ("1 epoch(s) between the stages have none and are UNSCORED.",)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda text: text[:-40], "night-nsrr.xml is damaged XML: it cannot be parsed. Copy it again."),
        (lambda text: text.replace("PSGAnnotation", "Report"), "XML of another kind. Looked for PSGAnnotation or CMPS"),
        (lambda text: text.replace("Stages|Stages", "Other"), "night-nsrr.xml holds no sleep stage."),
        (lambda text: text.replace("Length>30<", "Length>20<"), "is scored in epochs of 20 s; the manual's are 30 s"),
        (lambda text: text.replace("<Duration>60.0<", "<Duration>long<"), "has 'long' in Duration, which must be a"),
        (lambda text: text.replace("Wake|0", "Wake"), "has 'Wake' in EventConcept, which must be a number"),
        (lambda text: text.replace("<Duration>60.0<", "<Duration>nan<"), "has 1 stage(s) whose onset is no number"),
        (lambda text: text.replace("<Duration>60.0<", "<Duration>-60<"), "or whose duration is none or below 0"),
    ],
)
def test_broken_xml_is_refused_with_a_sentence(write_xml, change, part):
    assert part in message_of(write_xml(change(make_nsrr(CODES))))


def test_entities_that_grow_without_end_are_refused(write_xml):
    entities = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
    text = f"<?xml version='1.0'?><!DOCTYPE PSGAnnotation [{entities}]><PSGAnnotation>&a9;</PSGAnnotation>"
    assert "is damaged XML" in message_of(write_xml(text))

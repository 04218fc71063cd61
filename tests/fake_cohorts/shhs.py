"""SHHS: both visits, both kinds of XML, eyes slower than EEG, a blank unit and a signal without a range."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from tests.fake_cohorts.files import put_in_header, write_edf, write_text
from tests.fake_cohorts.signals import Channel
from tests.fake_cohorts.truth import Truth

CONCEPTS = {
    **{0: "Wake|0", 1: "Stage 1 sleep|1", 2: "Stage 2 sleep|2", 3: "Stage 3 sleep|3", 4: "Stage 4 sleep|4"},
    **{5: "REM sleep|5", 6: "Movement|6", 9: "Unscored|9", 10: "Artifact|10"},
}
CODES = (0, 0, 1, 2, 3, 4, 5, 6, 9, 10)
STAGES = ("W", "W", "N1", "N2", "N3", "N3", "R", "UNSCORED", "UNSCORED", "UNSCORED")
SOURCES = (None, "EEG", None, "EOG(L)", "EOG(R)", "EMG")


def list_channels(eeg_hz: int, eog_hz: int, second: str) -> list[Channel]:
    """Channels of a visit; the second EEG is spelt in many ways."""
    return [
        Channel("SaO2", 1, {}, "%"),
        Channel("H.R.", 1, {}, "bpm"),
        Channel(second, eeg_hz, {"C3-M2": 1}),
        Channel("ECG", eeg_hz, {"heart": 1}, "mV"),
        Channel("EMG", eeg_hz, {"chin EMG": 1}),
        Channel("EOG(L)", eog_hz, {"E1-M2": 1}),
        Channel("EOG(R)", eog_hz, {"E2-M2": 1}),
        Channel("EEG", eeg_hz, {"C4-M1": 1}),
        Channel("THOR RES", 10, {}, ""),
        Channel("AUX", 125, {}, "mV"),
    ]


def write_shhs(folder: Path) -> list[Truth]:
    """Write both visits of one person, and one visit of another."""
    first = write_edf(folder / "edfs/shhs1/shhs1-200001.edf", list_channels(125, 50, "EEG(sec)"))
    put_in_header(first, "unit", 2, "")
    put_in_header(first, "low", 9, "0.0")
    put_in_header(first, "high", 9, "0.0")
    write_edf(folder / "edfs/shhs1/shhs1-200002.edf", list_channels(125, 50, "EEG 2"))
    write_edf(folder / "edfs/shhs2/shhs2-200001.edf", list_channels(128, 64, "EEG sec"))
    write_text(folder / "annotations-events-nsrr/shhs1/shhs1-200001-nsrr.xml", make_nsrr(CODES))
    write_text(folder / "annotations-events-profusion/shhs1/shhs1-200001-profusion.xml", make_profusion(CODES))
    write_text(folder / "annotations-events-nsrr/shhs1/shhs1-200002-nsrr.xml", make_old_nsrr((0, 2, 5, 2)))
    write_text(folder / "annotations-events-profusion/shhs2/shhs2-200001-profusion.xml", make_profusion(CODES))
    return [
        Truth("shhs1-200001", "200001", SOURCES, {"expert": STAGES}),
        Truth("shhs1-200002", "200002", SOURCES, {"expert": ("W", "N2", "R", "N2")}),
        Truth("shhs2-200001", "200001", SOURCES, {"expert": STAGES}),
    ]


def make_nsrr(codes: Sequence[int]) -> str:
    """The NSRR's XML, with an arousal among the stages and a first event without a type."""
    events = [_event("", "Recording Start Time", 0, 300, "<ClockTime>01.01.85 22.00.00</ClockTime>")]
    events.append(_event("Arousals|Arousals", "Arousal|Arousal ()", 45.2, 4.9))
    for onset, run in _list_runs(codes):
        events.append(_event("Stages|Stages", CONCEPTS[run[0]], float(30 * onset), float(30 * len(run))))
    events.insert(4, _event("Respiratory|Respiratory", "Unsure|Unsure", 60.0, 12.0))
    return _wrap_nsrr("\n".join(events))


def make_old_nsrr(codes: Sequence[int]) -> str:
    """What older translators wrote."""
    words = {0: "SRO:Wake", 2: "SRO:Stage2Sleep", 5: "SRO:RapidEyeMovement"}
    return _wrap_nsrr("".join(_event(None, words[run[0]], 30 * at, 30 * len(run)) for at, run in _list_runs(codes)))


def make_profusion(codes: Sequence[int]) -> str:
    """Profusion's XML, in one line."""
    stages = "".join(f"<SleepStage>{code}</SleepStage>" for code in codes)
    event = "<ScoredEvent><Name>Arousal (ARO RES)</Name><Start>45.2</Start><Duration>4.9</Duration></ScoredEvent>"
    return (
        '<?xml version="1.0" encoding="utf-8"?><CMPStudyConfig><EpochLength>30</EpochLength>'
        f"<ScoredEvents>{event}</ScoredEvents><SleepStages>{stages}</SleepStages></CMPStudyConfig>"
    )


def _list_runs(codes: Sequence[int]) -> list[tuple[int, list[int]]]:
    runs, at = [], 0
    for _, run in groupby(codes):
        runs.append((at, [*run]))
        at += len(runs[-1][1])
    return runs


def _event(kind: str | None, concept: str, start_s: float, duration_s: float, more: str = "") -> str:
    head = "" if kind is None else f"<EventType>{kind}</EventType>"
    times = f"<Start>{start_s}</Start><Duration>{duration_s}</Duration>"
    return f"<ScoredEvent>{head}<EventConcept>{concept}</EventConcept>{times}{more}</ScoredEvent>"


def _wrap_nsrr(events: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n<PSGAnnotation>'
        "<SoftwareVersion>Compumedics</SoftwareVersion>\n<EpochLength>30</EpochLength>\n"
        f"<ScoredEvents>\n{events}\n</ScoredEvents></PSGAnnotation>"
    )

"""Hypnograms from EDF+ annotations, as real and as broken as they come."""

import re
from collections import Counter
from datetime import datetime
from pathlib import Path

import mne
import pytest

from somnolens.errors import UnreadableHypnogramError
from somnolens.read.recordings import read_facts
from somnolens.read.scoring import holds_annotations, read_annotated, read_hypnogram, read_own_annotations

STAGE_OF = {
    "W": "W",
    "1": "N1",
    "2": "N2",
    "3": "N3",
    "4": "N3",
    "R": "R",
    "?": "UNSCORED",
    "Movement time": "UNSCORED",
}


@pytest.fixture
def write_scoring(write_edf, make_tals):
    """Write an EDF+ file of annotations: (onset, duration or None, text)."""

    def write(annotations, name="night-Hypnogram.edf", **changes):
        raw = b"+0\x14\x14\0"
        for onset, duration, text in annotations:
            lasting = b"" if duration is None else f"\x15{duration:.10g}".encode()
            raw += f"{onset:+.10g}".encode() + lasting + b"\x14" + text.encode() + b"\x14\0"
        return write_edf([make_tals([raw], len(raw) // 2 + 1)], name=name, **{"reserved": "EDF+C"} | changes)

    return write


def message_of(path: Path) -> str:
    with pytest.raises(UnreadableHypnogramError) as caught:
        read_hypnogram(path)
    return str(caught.value)


def count_with_mne(path: Path) -> Counter:
    annotations = mne.read_annotations(path)
    counts = Counter()
    for duration_s, text in zip(annotations.duration, annotations.description, strict=True):
        counts[STAGE_OF[text.removeprefix("Sleep stage ")]] += round(duration_s / 30)
    return counts


def count_with_a_regex(path: Path) -> Counter:
    counts = Counter()
    for duration, text in re.findall(rb"\x15(\d+)\x14(?:Sleep stage )?([^\x14]+)\x14", path.read_bytes()):
        counts[STAGE_OF[text.decode()]] += int(duration) // 30
    return counts


def test_all_real_hypnograms_hold_the_stages_that_other_readers_find(psg_folder):
    paths = sorted((psg_folder / "hypnograms").glob("*.edf"))
    assert len(paths) == 20
    for path in paths:
        hypnogram = read_hypnogram(path)
        counts = {stage: n for stage, n in hypnogram.counts().items() if n}
        assert counts == dict(count_with_mne(path)) == dict(count_with_a_regex(path)), path.name
        assert hypnogram.start_s + hypnogram.duration_s == 86_400
        assert len(hypnogram) == 2880


def test_movement_time_of_the_real_files_is_unscored(psg_folder):
    notes = [note for path in (psg_folder / "hypnograms").glob("*.edf") for note in read_hypnogram(path).notes]
    movement = [int(note.split()[3]) for note in notes if note.startswith("'Movement time'")]
    assert (len(movement), sum(movement)) == (7, 32)


def test_the_tail_beyond_the_signal_is_cut(psg_folder):
    hypnogram = read_hypnogram(psg_folder / "hypnograms" / "SC4001EC-Hypnogram.edf").cut(79_500)
    assert len(hypnogram) == 2650
    assert hypnogram.counts()["UNSCORED"] == 0


def test_runs_are_cut_to_epochs(write_scoring):
    path = write_scoring([(0, 90, "Sleep stage W"), (90, 30, "Sleep stage 1"), (120, 60, "Sleep stage 4")])
    assert read_hypnogram(path).stages == ("W", "W", "W", "N1", "N3", "N3")


def test_rechtschaffen_and_kales_and_aasm_texts(write_scoring):
    texts = ["W", "1", "2", "3", "4", "R", "N1", "N2", "N3", "REM", "?", "M"]
    annotations = [(30 * i, 30, f"Sleep stage {text}") for i, text in enumerate(texts)]
    path = write_scoring([*annotations, (360, 30, "Movement time")])
    unscored = ("UNSCORED",) * 3
    assert read_hypnogram(path).stages == ("W", "N1", "N2", "N3", "N3", "R", "N1", "N2", "N3", "R", *unscored)


def test_scoring_need_not_start_at_zero(write_scoring):
    hypnogram = read_hypnogram(write_scoring([(17, 60, "Sleep stage W"), (77, 30, "Sleep stage 2")]))
    assert (hypnogram.start_s, hypnogram.stages) == (17.0, ("W", "W", "N2"))


def test_gaps_are_unscored_and_said(write_scoring):
    hypnogram = read_hypnogram(write_scoring([(0, 30, "Sleep stage W"), (90, 30, "Sleep stage 2")]))
    assert hypnogram.stages == ("W", "UNSCORED", "UNSCORED", "N2")
    assert hypnogram.notes == ("2 epoch(s) between the stages have none and are UNSCORED.",)


def test_other_events_are_passed_over(write_scoring):
    path = write_scoring(
        [
            (12.3, None, "Lights off@@EEG F4-A1"),
            (30, 30, "Sleep stage W"),
            (33, 14.2, "Obstructive apnea"),
            (60, 30, "Sleep stage N1"),
            (61, None, "R"),
        ]
    )
    hypnogram = read_hypnogram(path)
    assert (hypnogram.start_s, hypnogram.stages, hypnogram.notes) == (30.0, ("W", "N1"), ())


def test_bare_stage_names_count_where_no_text_says_sleep_stage(write_scoring):
    assert read_hypnogram(write_scoring([(0, 30, "Wake"), (30, 30, "N2"), (31, 5, "Arousal")])).stages == ("W", "N2")


def test_stages_without_duration_last_until_the_next(write_scoring):
    path = write_scoring([(0, None, "Sleep stage W"), (90, None, "Sleep stage 2")])
    assert read_hypnogram(path).stages == ("W", "W", "W", "N2")


def test_onsets_may_be_off_by_a_rounding(write_scoring):
    path = write_scoring([(0, 29.999, "Sleep stage W"), (29.9997, 30.0003, "Sleep stage R")])
    assert read_hypnogram(path).stages == ("W", "R")


def test_an_incomplete_epoch_is_not_scored(write_scoring):
    hypnogram = read_hypnogram(write_scoring([(0, 30, "Sleep stage W"), (30, 45, "Sleep stage 2")]))
    assert hypnogram.stages == ("W", "N2")
    assert hypnogram.notes == ("1 stage(s) do not last whole epochs; their incomplete epochs are not scored.",)


def test_the_same_stage_twice_is_no_conflict(write_scoring):
    path = write_scoring([(0, 60, "Sleep stage W"), (30, 30, "Sleep stage W")])
    assert read_hypnogram(path).stages == ("W", "W")


def test_the_scorer_of_sleep_edf_is_in_the_file_name(write_scoring):
    annotations = [(0, 30, "Sleep stage W")]
    assert read_hypnogram(write_scoring(annotations, name="SC4022EJ-Hypnogram.edf")).scorer == "scorer J"
    assert read_hypnogram(write_scoring(annotations)).scorer == "unknown"


def test_a_scoring_file_with_its_own_clock_is_shifted(write_scoring):
    path = write_scoring([(0, 30, "Sleep stage W")], time="22.31.15")
    hypnogram = read_hypnogram(path, recording_start=datetime(2021, 3, 2, 22, 30, 15))
    assert hypnogram.start_s == 60.0
    assert hypnogram.notes == ("The scoring file begins 60 s after the signal by its clock and was shifted.",)


def test_different_dates_are_taken_for_anonymised(write_scoring):
    path = write_scoring([(0, 30, "Sleep stage W")])
    hypnogram = read_hypnogram(path, recording_start=datetime(1985, 1, 1, 22, 30, 15))
    assert hypnogram.start_s == 0.0
    assert hypnogram.notes == ("Signal and scoring state different dates; both were taken to begin together.",)


def test_a_placeholder_date_is_no_clock(write_scoring):
    path = write_scoring([(0, 30, "Sleep stage W")], date="01.01.85", time="00.00.00")
    hypnogram = read_hypnogram(path, recording_start=datetime(1985, 1, 1, 8, 0, 0))
    assert (hypnogram.start_s, hypnogram.notes) == (0.0, ())


def test_unknown_stage_texts_are_all_named(write_scoring):
    path = write_scoring([(0, 30, "Sleep stage Z"), (30, 30, "Sleep stage W"), (60, 60, "Sleep stage N7")])
    assert message_of(path) == (
        "night-Hypnogram.edf has 2 stage(s) with an unknown text: 'Sleep stage N7', 'Sleep stage Z'. "
        "Known are 'W', 'N1', 'N2', 'N3', 'R', '1', '2', '3', '4', '?', 'Movement time'. "
        "Replace them, or write '?' where no stage was given."
    )


def test_two_stages_for_one_epoch_are_refused(write_scoring):
    assert message_of(write_scoring([(0, 90, "Sleep stage W"), (60, 30, "Sleep stage R")])) == (
        "night-Hypnogram.edf gives two stages, W and R, to epochs from 60 s on. Keep one scorer in a file."
    )


def test_stages_off_the_grid_are_refused(write_scoring):
    annotations = [(0, 30, "Sleep stage W"), (40, 30, "Sleep stage R"), (70, 30, "Sleep stage R")]
    assert message_of(write_scoring(annotations)) == (
        "night-Hypnogram.edf: 2 of 3 stages do not begin on the 30-s grid that starts at 0 s; the first is at 40 s. "
        "Export the scoring in 30-s epochs."
    )


def test_epochs_of_20_s_are_refused(write_scoring):
    assert message_of(write_scoring([(20 * i, 20, "Sleep stage W") for i in range(9)])) == (
        "night-Hypnogram.edf is scored in epochs of 20 s; the manual's are 30 s. Export the scoring in 30-s epochs."
    )


def test_a_duration_in_the_wrong_unit_is_refused(write_scoring):
    assert "scores 347 days" in message_of(write_scoring([(0, 3e7, "Sleep stage W")]))


def test_annotations_without_stages_are_refused_without_repeating_them(write_scoring):
    message = message_of(write_scoring([(0, None, "Anna Kowalczyk called"), (5, 2, "Arousal")]))
    assert message.startswith("night-Hypnogram.edf has 2 annotation(s), of which none is a sleep stage.")
    assert "Kowalczyk" not in message


def test_a_recording_is_no_scoring_file(write_edf, make_signal, ramp):
    assert "holds no scoring" in message_of(write_edf([make_signal("C4", ramp)]))


def test_a_truncated_scoring_file_is_refused(write_scoring):
    path = write_scoring([(30 * i, 30, "Sleep stage W") for i in range(20)])
    path.write_bytes(path.read_bytes()[:-100])
    assert message_of(path) == "night-Hypnogram.edf is cut short: its annotations are not all there. Copy it again."


def test_missing_empty_and_foreign_files(tmp_path):
    (tmp_path / "empty.csv").touch()
    (tmp_path / "night.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0")
    assert message_of(tmp_path / "gone.edf") == "There is no scoring file gone.edf. Check the path."
    assert message_of(tmp_path / "empty.csv") == "empty.csv is empty (0 bytes). Copy or export it again."
    assert message_of(tmp_path / "night.png") == (
        "night.png is neither EDF+, XML nor a table. Export the scoring as EDF+, CSV or TSV."
    )


def test_nothing_identifying_leaves_the_scoring_file(write_scoring):
    header = {"patient": "Kowalczyk F 02-MAY-1951 Anna", "recording": "Startdate 02-MAR-2021 X Kowalczyk X"}
    path = write_scoring([(0, 30, "Sleep stage W"), (30, None, "Kowalczyk turns")], **header)
    assert "Kowalczyk" not in repr(read_hypnogram(path))


@pytest.mark.parametrize("nominal_s", [20, 30])
def test_a_clock_that_is_not_quite_right_gives_its_own_step(write_scoring, nominal_s):
    """Over 1,000 epochs it is off by 2 s, which no grid of whole seconds would fit."""
    step_s = nominal_s - 0.002
    path = write_scoring([(3 + step_s * epoch, step_s, "Sleep stage 2") for epoch in range(1000)])
    hypnogram = read_annotated(path, any_step=True)
    assert (len(hypnogram), hypnogram.start_s, hypnogram.counts()["N2"]) == (1000, 3, 1000)
    assert hypnogram.step_s == pytest.approx(step_s, abs=1e-6)
    assert hypnogram.notes == (f"The epochs follow each other every {step_s:.4f} s by their onsets, and were cut so.",)


def test_a_right_clock_keeps_whole_seconds(write_scoring):
    annotations = [(4.5 + 20 * epoch, 20.0002, "Sleep stage 2") for epoch in range(100)]
    assert read_annotated(write_scoring(annotations), any_step=True).step_s == 20


def test_other_cohorts_keep_to_30_s(write_scoring):
    path = write_scoring([(29.99 * epoch, 29.99, "Sleep stage 2") for epoch in range(1000)])
    assert "do not begin on the 30-s grid" in message_of(path)


def test_stages_in_the_recording_itself_are_its_scoring(write_edf, make_signal, make_tals, ramp):
    raw = b"+0\x14\x14\0+0\x1530\x14Sleep stage W\x14\0+30\x1530\x14Sleep stage N2\x14\0+31\x14Arousal\x14\0"
    tals = [raw, *(f"+{second}\x14\x14\0".encode() for second in range(1, 10))]
    path = write_edf([make_signal("C4", ramp), make_tals(tals, 60)], reserved="EDF+C")
    assert holds_annotations(path)
    hypnogram = read_own_annotations(path, read_facts(path))
    assert (hypnogram.stages, hypnogram.notes) == (("W", "N2"), ("The scoring is in the recording itself.",))


def test_a_recording_without_stages_of_its_own_is_not_scored(write_edf, make_signal, make_tals, ramp):
    tals = [f"+{second}\x14\x14\0".encode() for second in range(10)]
    path = write_edf([make_signal("C4", ramp), make_tals(tals)], reserved="EDF+C")
    assert read_own_annotations(path, read_facts(path)) is None
    assert not holds_annotations(write_edf([make_signal("C4", ramp)], name="plain.edf"))
    (path.parent / "text.edf").write_bytes(b"no recording")
    assert not holds_annotations(path.parent / "text.edf")

"""Clauses of the EDF (1992) and EDF+ (2003) specifications that reading rests on."""

from datetime import datetime

import numpy as np
import pytest

from somnolens.errors import UnreadableRecordingError
from somnolens.read.edf import read_facts, read_recording
from somnolens.read.edf_annotations import Annotation, parse_tals, read_annotations
from somnolens.read.edf_header import read_edf_header


def time_keeping(make_tals, onsets):
    return make_tals([f"{onset:+.10g}".encode() + b"\x14\x14\0" for onset in onsets])


def test_physical_value_follows_the_edf_calibration(write_edf, make_signal):
    """EDF: the digital extremes correspond to the physical extremes, linearly in between."""
    digital = np.array([-2048, 0, 2047] + [0] * 97)
    ends = {"physical_min": "-192", "physical_max": "192", "digital_min": "-2048", "digital_max": "2047"}
    samples_uv = read_recording(write_edf([make_signal("C4", digital, **ends)]))["C4"].samples_uv
    assert samples_uv[:3].tolist() == pytest.approx([-192.0, -192 + 2048 * 384 / 4095, 192.0])


def test_samples_are_little_endian_twos_complement(write_edf, make_signal):
    path = write_edf([make_signal("C4", np.array([1, -1] + [256] * 98))])
    assert path.read_bytes()[512:518] == b"\x01\x00\xff\xff\x00\x01"
    assert read_recording(path)["C4"].samples_uv[:3] == pytest.approx([0.1, -0.1, 25.6], abs=1e-4)


def test_signals_follow_each_other_within_a_record(write_edf, make_signal):
    first, second = np.arange(30), np.arange(100, 120)
    recording = read_recording(write_edf([make_signal("E1", first, 3), make_signal("C4", second, 2)]))
    np.testing.assert_allclose(recording["E1"].samples_uv, first * 0.1, atol=1e-3)
    np.testing.assert_allclose(recording["C4"].samples_uv, second * 0.1, atol=1e-3)


@pytest.mark.parametrize(("year", "expected"), [("85", 1985), ("99", 1999), ("00", 2000), ("84", 2084)])
def test_two_digit_years_run_from_1985_to_2084(write_edf, make_signal, ramp, year, expected):
    """EDF+ 2.1.3.1."""
    assert read_facts(write_edf([make_signal("C4", ramp)], date=f"02.03.{year}")).start.year == expected


def test_the_sampling_rate_is_samples_over_the_duration_of_a_record(write_edf, make_signal):
    path = write_edf([make_signal("C4", np.zeros(150, int), 15)], record_s="0.125")
    assert read_facts(path)["C4"].sampling_rate_hz == 120.0


def test_a_recording_may_start_within_a_second(write_edf, make_signal, make_tals, ramp):
    """EDF+ 2.2.4: the first time-keeping annotation holds the fraction of the start."""
    parts = [make_signal("C4", ramp), time_keeping(make_tals, 0.25 + np.arange(10))]
    assert read_recording(write_edf(parts, reserved="EDF+C")).start == datetime(2021, 3, 2, 22, 30, 15, 250_000)


def test_a_tal_is_onset_duration_and_texts():
    """EDF+ 2.2.2: several texts may share an onset; durations may be missing; texts are UTF-8."""
    raw = b"+0\x14\x14\0" + b"+180.5\x1530\x14Lights off\x14T\xc3\xbcr\x14\0" + b"-2\x14before\x14\0" + bytes(9)
    assert list(parse_tals(raw)) == [
        Annotation(0.0, None, ""),
        Annotation(180.5, 30.0, "Lights off"),
        Annotation(180.5, 30.0, "Tür"),
        Annotation(-2.0, None, "before"),
    ]


def test_time_keeping_is_no_annotation(write_edf, make_signal, make_tals):
    parts = [make_tals([b"+0\x14\x14\0+0\x1530\x14Sleep stage W\x14\0", b"+1\x14\x14\0"])]
    path = write_edf(parts, reserved="EDF+C")
    assert read_annotations(path, read_edf_header(path)) == [Annotation(0.0, 30.0, "Sleep stage W")]


def test_discontinuous_files_without_a_gap_are_read(write_edf, make_signal, make_tals, ramp):
    """EDF+D only allows gaps (2.2.1); many exporters write it for continuous signals."""
    parts = [make_signal("C4", ramp), time_keeping(make_tals, np.arange(10))]
    recording = read_recording(write_edf(parts, reserved="EDF+D"))
    np.testing.assert_allclose(recording["C4"].samples_uv, ramp * 0.1, atol=1e-3)
    assert recording.notes == ()


def test_discontinuous_files_with_gaps_are_refused_with_their_place(write_edf, make_signal, make_tals, ramp):
    parts = [make_signal("C4", ramp), time_keeping(make_tals, [0, 1, 2, 63, 64, 65, 66, 70, 71, 72])]
    with pytest.raises(UnreadableRecordingError) as caught:
        read_recording(write_edf(parts, reserved="EDF+D"))
    assert str(caught.value) == (
        "night.edf is discontinuous (EDF+D) with 2 gap(s), the first of 60 s after 0:00:03 h of signal. "
        "Epochs need a signal without gaps: export it as continuous EDF+, or each part as a file."
    )


def test_discontinuous_files_that_do_not_say_when_a_record_starts_are_refused(write_edf, make_signal, make_tals, ramp):
    blocks = make_tals([b"+0\x14\x14\0", *[b""] * 9])
    with pytest.raises(UnreadableRecordingError, match="does not say when 9 of its records start"):
        read_recording(write_edf([make_signal("C4", ramp), blocks], reserved="EDF+D"))


def test_bdf_samples_have_three_bytes(write_edf, make_signal):
    digital = np.array([8388607, -8388608, 1] + [0] * 97)
    ends = {
        "physical_min": "-838860.8",
        "physical_max": "838860.7",
        "digital_min": "-8388608",
        "digital_max": "8388607",
    }
    bdf = {"version": b"\xffBIOSEMI", "reserved": "24BIT", "n_bytes_per_sample": 3}
    path = write_edf([make_signal("C4", digital, **{**ends, "physical_min": "-838861"})], name="night.bdf", **bdf)
    assert read_recording(path)["C4"].samples_uv[:3] == pytest.approx([838860.7, -838861.0, 0.0], abs=0.2)

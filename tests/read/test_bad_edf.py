"""Files that cannot be read say why; files that can be mended are, and say so."""

import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from somnolens.errors import UnreadableRecordingError
from somnolens.read.edf import read_recording


def message_of(path: Path) -> str:
    with pytest.raises(UnreadableRecordingError) as caught:
        read_recording(path)
    return str(caught.value)


def rewrite(path: Path, offset: int, raw: bytes) -> Path:
    content = bytearray(path.read_bytes())
    content[offset : offset + len(raw)] = raw
    path.write_bytes(content)
    return path


def test_a_missing_file(tmp_path):
    assert message_of(tmp_path / "gone.edf") == "There is no file gone.edf. Check the path."


def test_an_empty_file(tmp_path):
    (tmp_path / "night.edf").touch()
    assert message_of(tmp_path / "night.edf") == "night.edf is empty (0 bytes). Copy or upload it again."


def test_a_file_of_another_kind(tmp_path):
    (tmp_path / "night.edf").write_bytes(b"PK\x03\x04" + bytes(1000))
    assert message_of(tmp_path / "night.edf") == (
        "night.edf is not an EDF or BDF file: it does not begin with version '0'. Export the recording as EDF."
    )


def test_a_file_that_ends_in_its_header(tmp_path, write_edf, make_signal, ramp):
    path = write_edf([make_signal("C4", ramp)])
    path.write_bytes(path.read_bytes()[:300])
    assert message_of(path) == "night.edf ends inside its header: 300 of 512 bytes are there. Copy it again."


def test_a_truncated_file_says_how_much_is_there(write_edf, make_signal):
    path = write_edf([make_signal("C4", np.zeros(96_000, int), 3000)], record_s="30")
    path.write_bytes(path.read_bytes()[: 512 + 12 * 6000 + 17])
    assert message_of(path) == (
        "night.edf is cut short: it holds 12 of 32 records (0:06:00 h of 0:16:00 h). Copy it again."
    )


def test_zero_records(write_edf, make_signal, ramp):
    assert "it holds 0 records, so no signal" in message_of(write_edf([make_signal("C4", ramp)], n_records="0"))


def test_impossible_ranges_are_all_named_at_once(write_edf, make_signal, ramp):
    parts = [
        make_signal("C4", ramp, physical_min="0", physical_max="0"),
        make_signal("E1", ramp, digital_min="5", digital_max="5"),
        make_signal("E2", ramp, physical_max="high"),
    ]
    message = message_of(write_edf(parts))
    assert message == (
        "night.edf cannot be read as EDF: "
        "the physical maximum of signal 3 (E2) is 'high', not a number; "
        "the physical range of signal 1 (C4) is 0 to 0: it has no height; "
        "the digital range of signal 2 (E1) is 5 to 5: it does not rise. "
        "Export or copy the recording again."
    )


def test_one_signal_without_a_range_is_left_out_and_the_others_are_read(write_edf, make_signal, ramp):
    broken = make_signal("E1", ramp, physical_min="0", physical_max="0")
    recording = read_recording(write_edf([broken, make_signal("C4", ramp)]))
    assert recording.names == ("C4",)
    assert recording["C4"].samples_uv.std() > 100
    assert recording.notes[0] == "'E1' was left out: the physical range of signal 1 (E1) is 0 to 0: it has no height."


def test_an_impossible_range_of_what_is_not_read_does_not_matter(write_edf, make_signal, ramp):
    """NSRR files: physical maximum 0.0 on signals such as CPAP."""
    parts = [make_signal("CPAP", ramp, unit="cmH2O", physical_min="0", physical_max="0"), make_signal("C4", ramp)]
    recording = read_recording(write_edf(parts))
    np.testing.assert_allclose(recording["C4"].samples_uv, ramp * 0.1, atol=1e-3)


@pytest.mark.parametrize("text", ["", "x", "0", "-3"])
def test_a_number_of_signals_that_is_none(write_edf, make_signal, ramp, text):
    assert f"its number of signals is '{text}'" in message_of(write_edf([make_signal("C4", ramp)], n_signals=text))


@pytest.mark.parametrize(("text", "part"), [("0", "a record lasts 0 s"), ("abc", "the duration of a record is 'abc'")])
def test_a_record_that_lasts_no_time(write_edf, make_signal, ramp, text, part):
    assert part in message_of(write_edf([make_signal("C4", ramp)], record_s=text))


def test_a_signal_without_samples(write_edf, make_signal, ramp):
    path = rewrite(write_edf([make_signal("C4", ramp)]), 256 + 216, b"0       ")
    assert "the number of samples of signal 1 (C4) is 0" in message_of(path)


def test_a_scoring_file_is_no_recording(write_edf, make_tals):
    path = write_edf([make_tals([b"+0\x14\x14\0"])], reserved="EDF+C")
    assert message_of(path) == (
        "night.edf holds annotations and no signal: it is a scoring file. Name the recording it belongs to."
    )


def test_an_unknown_number_of_records_is_counted(write_edf, make_signal, ramp):
    recording = read_recording(write_edf([make_signal("C4", ramp)], n_records="-1"))
    assert recording.duration_s == 10.0
    np.testing.assert_allclose(recording["C4"].samples_uv, ramp * 0.1, atol=1e-3)
    assert recording.notes == (
        "The header does not say how many records there are (-1); 10 were counted from the size of the file.",
    )


def test_bytes_after_the_last_record_are_left(write_edf, make_signal, ramp):
    path = write_edf([make_signal("C4", ramp)])
    path.write_bytes(path.read_bytes() + b"end")
    assert read_recording(path).notes == ("3 bytes after the last record of the header were left unread.",)


BROKEN = {
    "patient field": {"patient": "Müller Ärztin"},
    "recording field": {"recording": b"Startdate X \xff\xfe"},
}


@pytest.mark.parametrize("field", BROKEN)
def test_a_header_that_is_not_ascii_is_read(write_edf, make_signal, ramp, field):
    path = write_edf([make_signal("C4", ramp)], **BROKEN[field])
    before = path.read_bytes()
    recording = read_recording(path)
    np.testing.assert_allclose(recording["C4"].samples_uv, ramp * 0.1, atol=1e-3)
    assert path.read_bytes() == before
    assert recording.notes == (f"The header is not plain ASCII ({field}); it was read all the same.",)


def test_a_label_that_is_not_ascii_is_kept(write_edf, make_signal, ramp):
    recording = read_recording(write_edf([make_signal("Näse C4", ramp)]))
    assert recording.names == ("Näse C4",)
    assert recording.notes == ("The header is not plain ASCII (label of signal 1); it was read all the same.",)


def test_a_bad_patient_field_of_edf_plus_is_passed_over(write_edf, make_signal, make_tals, ramp):
    tals = make_tals([b"+%d\x14\x14\0" % second for second in range(10)])
    path = write_edf([make_signal("C4", ramp), tals], reserved="EDF+C", patient="Doe, John")
    recording = read_recording(path)
    np.testing.assert_allclose(recording["C4"].samples_uv, ramp * 0.1, atol=1e-3)
    assert recording.notes == ()


@pytest.mark.parametrize("date", ["99.99.99", "2021-3-2", "        "])
def test_a_bad_date_leaves_the_clock_unknown(write_edf, make_signal, ramp, date):
    recording = read_recording(write_edf([make_signal("C4", ramp)], date=date))
    np.testing.assert_allclose(recording["C4"].samples_uv, ramp * 0.1, atol=1e-3)
    assert recording.start is None
    assert "The start date or time in the header is not one; clock times are unknown." in recording.notes


def test_a_decimal_comma_is_a_decimal_point(write_edf, make_signal, ramp):
    parts = [make_signal("C4", ramp, physical_min="-3276,8", physical_max="3276,7")]
    np.testing.assert_allclose(read_recording(write_edf(parts))["C4"].samples_uv, ramp * 0.1, atol=1e-3)


def test_more_signals_than_other_readers_take_are_read(write_edf, make_signal):
    recording = read_recording(write_edf([make_signal("C4", np.array([5, -5]), 1) for _ in range(700)]))
    assert len(recording.signals) == 700
    np.testing.assert_allclose(recording["C4 (700)"].samples_uv, [0.5, -0.5], atol=1e-3)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 767), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4))
def test_any_damage_to_the_header_ends_in_a_recording_or_a_sentence(write_edf, make_signal, ramp, changes):
    path = write_edf([make_signal("C4", ramp), make_signal("E1", ramp)])
    for offset, raw in changes:
        rewrite(path, offset, raw)
    try:
        recording = read_recording(path)
    except UnreadableRecordingError as error:
        said, recording = str(error), ()
    else:
        said = path.name
    assert path.name in said
    assert all(np.isfinite(signal.samples_uv).all() for signal in recording)


SECRET = "Kowalczyk"


@pytest.mark.parametrize(
    "changes",
    [{}, {"date": "99.99.99"}, {"n_records": "-1"}, {"n_records": "0"}, {"n_records": "99"}, {"record_s": "x"}],
)
def test_nothing_identifying_leaves_the_reader(write_edf, make_signal, make_tals, ramp, changes, caplog, capfd):
    """Name, code, birth date, technician and equipment, planted and searched for in all that comes out."""
    caplog.set_level(logging.DEBUG)
    tals = make_tals([b"+%d\x14\x14\0" % second for second in range(10)])
    path = write_edf(
        [make_signal("C4", ramp), tals],
        reserved="EDF+C",
        patient=f"{SECRET}Code F 02-MAY-1951 {SECRET}_Anna",
        recording=f"Startdate 02-MAR-2021 {SECRET}Adm {SECRET}Tech {SECRET}Equip",
        **changes,
    )
    try:
        said = repr(read_recording(path))
    except UnreadableRecordingError as error:
        said = str(error)
    captured = capfd.readouterr()
    everything = said + caplog.text + captured.out + captured.err
    assert SECRET.lower() not in everything.lower()
    assert "1951" not in everything

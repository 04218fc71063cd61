"""Recordings in microvolts, at their own rates and times, as a second reader sees them."""

import warnings
from datetime import datetime

import edfio
import mne
import numpy as np
import pyedflib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from somnolens.errors import UnreadableRecordingError
from somnolens.read import edf
from somnolens.read.edf import read_facts, read_recording


def read_with_mne(path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mne.io.read_raw_edf(path, preload=True, verbose="error")


@pytest.mark.parametrize(
    ("unit", "factor"), [("uV", 1), ("mV", 1e3), ("V", 1e6), ("nV", 1e-3), ("µV", 1), ("Volts", 1e6)]
)
def test_every_unit_of_voltage_becomes_microvolts(write_edf, make_signal, ramp, unit, factor):
    recording = read_recording(write_edf([make_signal("EEG C4-M1", ramp, unit=unit)]))
    np.testing.assert_allclose(recording["EEG C4-M1"].samples_uv, ramp * 0.1 * factor, rtol=1e-5, atol=1e-4 * factor)


def test_a_micro_sign_in_latin_1_is_microvolts(write_edf, make_signal, ramp):
    recording = read_recording(write_edf([make_signal("EEG C4-M1", ramp, unit=b"\xb5V")]))
    assert recording["EEG C4-M1"].samples_uv[0] == pytest.approx(-3276.8)
    assert any("unit of signal 1" in note for note in recording.notes)


@pytest.mark.parametrize(
    ("largest", "word", "factor"), [("0.003", "volts", 1e6), ("3", "millivolts", 1e3), ("300", "microvolts", 1)]
)
def test_a_missing_unit_is_guessed_from_the_range_and_said(write_edf, make_signal, ramp, largest, word, factor):
    part = make_signal("EEG C4-M1", ramp, unit="", physical_min=f"-{largest}", physical_max=largest)
    recording = read_recording(write_edf([part]))
    assert recording["EEG C4-M1"].samples_uv[0] == pytest.approx(-float(largest) * factor)
    assert f"was taken for {word}" in recording.notes[0]


def test_what_is_no_voltage_is_named_and_not_read(write_edf, make_signal, ramp):
    parts = [
        make_signal("SaO2", ramp, unit="%"),
        make_signal("C4-M1", ramp),
        make_signal("Event marker", ramp, unit=""),
    ]
    recording = read_recording(write_edf(parts))
    assert recording.names == ("C4-M1",)
    assert [(other.name, other.unit) for other in recording.others] == [("SaO2", "%"), ("Event marker", "")]


def test_each_signal_keeps_its_own_rate(write_edf, make_signal):
    slow, fast = np.arange(50), np.arange(1280)
    recording = read_recording(write_edf([make_signal("E1", slow, 10), make_signal("C4", fast, 256)], record_s="2"))
    assert (recording["E1"].sampling_rate_hz, recording["C4"].sampling_rate_hz) == (5.0, 128.0)
    assert (len(recording["E1"].samples_uv), len(recording["C4"].samples_uv)) == (50, 1280)
    assert recording.duration_s == 10.0


def test_a_rate_need_not_be_whole(write_edf, make_signal):
    recording = read_recording(write_edf([make_signal("C4", np.arange(999), 999)], record_s="5"))
    assert recording["C4"].sampling_rate_hz == pytest.approx(199.8)


def test_an_inverting_amplifier_is_turned_back(write_edf, make_signal, ramp):
    """EDF allows a physical maximum below the minimum: negativity upwards."""
    part = make_signal("C4", ramp, physical_min="3276.7", physical_max="-3276.8")
    recording = read_recording(write_edf([part]))
    assert recording["C4"].samples_uv[0] == pytest.approx(3276.7)
    assert recording["C4"].physical_range_uv == (-3276.8, 3276.7)


def test_only_the_asked_labels_are_read(write_edf, make_signal, ramp):
    path = write_edf([make_signal(name, ramp) for name in ("C4", "ECG", "E1")])
    assert read_recording(path, only=["E1"]).names == ("E1",)


def test_facts_are_the_recording_without_samples(write_edf, make_signal, ramp):
    path = write_edf([make_signal("C4", ramp), make_signal("SaO2", ramp, unit="%")])
    facts, recording = read_facts(path), read_recording(path)
    assert (facts.names, facts.others, facts.duration_s) == (recording.names, recording.others, recording.duration_s)
    assert len(facts["C4"].samples_uv) == 0


def test_equal_labels_are_told_apart(write_edf, make_signal, ramp):
    recording = read_recording(write_edf([make_signal("EEG", ramp), make_signal("EEG", ramp[::-1])]))
    assert recording.names == ("EEG", "EEG (2)")
    np.testing.assert_array_equal(recording["EEG (2)"].samples_uv, recording["EEG"].samples_uv[::-1])
    assert "The label 'EEG' stands 2 times" in recording.notes[0]


def test_annotation_signals_do_not_shift_the_others(write_edf, make_signal, make_tals, ramp):
    tals = make_tals([b"+%d\x14\x14\0" % second for second in range(10)])
    parts = [make_signal("E1", ramp), tals, make_signal("C4", ramp[::-1])]
    recording = read_recording(write_edf(parts, reserved="EDF+C"))
    assert recording.names == ("E1", "C4")
    assert recording["C4"].samples_uv[0] == pytest.approx(3276.7)


def test_the_ending_of_the_file_does_not_matter(write_edf, make_signal, ramp):
    recording = read_recording(write_edf([make_signal("C4-A1", ramp)], name="12.rec"))
    assert (recording.name, recording.start) == ("12", datetime(2021, 3, 2, 22, 30, 15))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    low=st.floats(-9000, -1, width=16),
    height=st.floats(1, 9000, width=16),
    digital_min=st.integers(-32768, -1),
    unit=st.sampled_from(["uV", "mV", "V"]),
)
def test_calibration_agrees_with_edfio(write_edf, make_signal, ramp, low, height, digital_min, unit):
    ends = {"physical_min": f"{low:.2f}", "physical_max": f"{low + height:.2f}", "digital_min": digital_min}
    path = write_edf([make_signal("C4", ramp, unit=unit, **ends)])
    expected = edfio.read_edf(path).signals[0].data * {"uV": 1, "mV": 1e3, "V": 1e6}[unit]
    # edfio holds samples to the digital range, we draw what was recorded
    inside = ramp >= digital_min
    np.testing.assert_allclose(
        read_recording(path)["C4"].samples_uv[inside], expected[inside], rtol=1e-5, atol=1e-5 * np.abs(expected).max()
    )


def test_units_gain_offset_and_timing_agree_with_mne(write_edf, make_signal):
    pulse = np.zeros(2560, int)
    pulse[1234] = 20000
    ends = {"physical_min": "-1.5", "physical_max": "4.5"}
    path = write_edf([make_signal("C4", pulse, 256, unit="mV", **ends), make_signal("E1", pulse, 256)])
    raw, recording = read_with_mne(path), read_recording(path)
    np.testing.assert_allclose(recording["C4"].samples_uv, raw.get_data(["C4"])[0] * 1e6, rtol=1e-5, atol=1e-2)
    assert np.argmax(recording["E1"].samples_uv) / 256 == raw.times[1234]
    assert recording.start == raw.info["meas_date"].replace(tzinfo=None)


def test_edf_plus_written_by_edfio_is_read_back(tmp_path):
    samples = np.random.default_rng(0).normal(0, 50, 3000)
    part = edfio.EdfSignal(samples, 100, label="EEG F4-M1", physical_dimension="uV", physical_range=(-500, 500))
    edfio.Edf([part], annotations=[edfio.EdfAnnotation(1, 2, "Lights off")]).write(tmp_path / "night.edf")
    recording = read_recording(tmp_path / "night.edf")
    np.testing.assert_allclose(recording["EEG F4-M1"].samples_uv, samples, atol=0.01)


def test_bdf_is_read_with_all_24_bits(tmp_path):
    samples = np.random.default_rng(0).normal(0, 5000, 3000)
    part = edfio.BdfSignal(samples, 100, label="C4", physical_dimension="uV", physical_range=(-262144, 262143))
    edfio.Bdf([part]).write(tmp_path / "night.bdf")
    np.testing.assert_allclose(read_recording(tmp_path / "night.bdf")["C4"].samples_uv, samples, atol=0.02)


def test_a_real_excerpt_agrees_with_mne(psg_folder):
    path = psg_folder / "short_psg.edf"
    raw, recording = read_with_mne(path), read_recording(path)
    for name in ("EEG Fpz-Cz", "EEG Pz-Oz", "EOG horizontal"):
        np.testing.assert_allclose(recording[name].samples_uv, raw.get_data([name])[0] * 1e6, atol=1e-3)
    assert recording["EMG submental"].sampling_rate_hz == 1.0
    assert [other.name for other in recording.others] == ["Resp oro-nasal", "Temp rectal", "Event marker"]
    assert recording.notes == ()


def test_rates_records_and_annotations_mixed_agree_with_pyedflib(write_edf, make_signal, make_tals, monkeypatch):
    """Read in blocks of a few records, of which the last is not full."""
    monkeypatch.setattr(edf, "_BYTES_AT_ONCE", 4_000)
    rng = np.random.default_rng(0)
    rates_hz = {"C4": 256, "E1": 64, "EMG": 200, "Resp": 10}
    parts = [make_signal(name, rng.integers(-32768, 32768, 11 * rate), rate) for name, rate in rates_hz.items()]
    parts.insert(2, make_tals([b"+%d\x14\x14\0" % second for second in range(11)]))
    path = write_edf(parts, reserved="EDF+C")
    recording = read_recording(path)
    with pyedflib.EdfReader(str(path)) as reader:
        assert recording.names == tuple(reader.getSignalLabels())
        for number, signal in enumerate(recording):
            np.testing.assert_allclose(signal.samples_uv, reader.readSignal(number), atol=1e-3)


def test_a_file_that_becomes_shorter_while_it_is_read_is_told(write_edf, make_signal, ramp):
    path = write_edf([make_signal("C4", ramp)])
    opened = edf._open(path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UnreadableRecordingError, match="became shorter while it was read"):
        list(edf._iterate_blocks(opened))

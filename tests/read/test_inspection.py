"""Facts for a person, from the header alone."""

from datetime import datetime

import pytest

from somnolens.errors import UnreadableRecordingError
from somnolens.read.inspection import inspect_recording
from somnolens.read.night import read_drawn


def test_what_the_real_excerpt_has_and_lacks(psg_folder):
    inspection = inspect_recording(psg_folder / "short_psg.edf")
    assert (inspection.name, inspection.duration_s, inspection.n_epochs) == ("short_psg.edf", 300.0, 10)
    assert inspection.start == datetime(1989, 4, 24, 16, 13)
    assert {derivation.name: derivation.source for derivation in inspection.drawn} == {
        "F4-M1": "EEG Fpz-Cz",
        "O2-M1": "EEG Pz-Oz",
        "E1-M2": "EOG horizontal",
    }
    assert [derivation.name for derivation in inspection.missing] == ["C4-M1", "E2-M2", "chin EMG"]
    assert "sampled at 1 Hz" in inspection.missing[-1].reason
    assert {signal.name: (signal.unit, signal.sampling_rate_hz) for signal in inspection.signals}["Temp rectal"] == (
        "DegC",
        1.0,
    )
    assert (inspection.problem, inspection.notes) == ("", ())


def test_a_recording_without_a_drawable_derivation_is_still_inspected(write_edf, make_signal, ramp):
    inspection = inspect_recording(write_edf([make_signal("ECG", ramp)]))
    assert inspection.derivations == ()
    assert inspection.problem.startswith("night has no derivation that can be drawn")
    assert [signal.name for signal in inspection.signals] == ["ECG"]


def test_a_signal_says_what_it_is_drawn_as(write_edf, make_signal, ramp):
    inspection = inspect_recording(write_edf([make_signal(label, ramp) for label in ("C4", "O2", "M1", "ECG")]))
    drawn = {signal.name: signal.drawn_as for signal in inspection.signals}
    assert drawn == {"C4": "C4-M1", "O2": "O2-M1", "M1": "C4-M1, O2-M1", "ECG": None}


def test_an_unreadable_file_cannot_be_inspected(tmp_path):
    (tmp_path / "x.edf").write_bytes(b"hello")
    with pytest.raises(UnreadableRecordingError, match=r"x\.edf is not an EDF"):
        inspect_recording(tmp_path / "x.edf")


def test_only_what_is_drawn_is_read(write_edf, make_signal, ramp):
    recording, montage = read_drawn(write_edf([make_signal(label, ramp) for label in ("ECG", "C4-M1", "EMG leg")]))
    assert recording.names == ("C4-M1",)
    assert montage.sources == (None, "C4-M1", None, None, None, None)

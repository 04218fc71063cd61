"""Recordings of several formats, and signals that are dead."""

import h5py
import numpy as np
import pytest

from somnolens.errors import MissingDerivationError, UnreadableHypnogramError, UnreadableRecordingError
from somnolens.read.cohorts.dod_h import STAGES
from somnolens.read.dead_signals import find_dead
from somnolens.read.hdf5 import read_hypnogram_codes
from somnolens.read.night import Night, read_drawn, read_stages
from somnolens.read.recordings import read_facts, read_recording
from somnolens.recording import Recording, Signal
from tests.fake_cohorts.dod import HEALTHY, write_dod_h
from tests.fake_cohorts.files import write_edf
from tests.fake_cohorts.signals import Channel


@pytest.fixture(scope="module")
def hdf5(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dod")
    write_dod_h(folder)
    return folder / "3e842aa8-b.h5"


def change(path, target, edit):
    target.write_bytes(path.read_bytes())
    with h5py.File(target, "a") as file:
        edit(file)
    return target


def message_of(path) -> str:
    with pytest.raises(UnreadableRecordingError) as caught:
        read_recording(path)
    return str(caught.value)


def test_hdf5_signals_are_microvolts_under_their_short_names(hdf5):
    recording = read_recording(hdf5, only=["F4_M1"])
    assert (recording.names, recording.duration_s, recording["F4_M1"].sampling_rate_hz) == (("F4_M1",), 300.0, 250.0)
    expected_uv = Channel("", 250, HEALTHY["eeg/F4_M1"]).draw()
    np.testing.assert_allclose(recording["F4_M1"].samples_uv, expected_uv, atol=0.01)
    assert f"{recording.start:%Y-%m-%d %H:%M:%S}" == "2001-03-02 22:30:15"


def test_facts_of_hdf5_are_the_same_without_samples(hdf5):
    facts, recording = read_facts(hdf5), read_recording(hdf5)
    assert facts.names == recording.names
    assert (facts.duration_s, facts.notes) == (recording.duration_s, ())
    assert all(len(signal.samples_uv) == 0 for signal in facts)


def test_a_rate_that_is_not_given_is_said(hdf5, tmp_path):
    recording = read_facts(change(hdf5, tmp_path / "a.h5", lambda file: file.attrs.pop("description")))
    assert {signal.sampling_rate_hz for signal in recording} == {250.0}
    assert recording.notes[0].endswith("; 250 Hz was taken.")


def test_broken_hdf5_is_refused_with_a_sentence(hdf5, tmp_path):
    (tmp_path / "cut.h5").write_bytes(hdf5.read_bytes()[:5000])
    assert "cut.h5 is an HDF5 file that cannot be read to its end" in message_of(tmp_path / "cut.h5")
    empty = change(hdf5, tmp_path / "empty.h5", lambda file: file.pop("signals"))
    assert "empty.h5 is an HDF5 file without signals. Looked for arrays in signals/eeg" in message_of(empty)


@pytest.mark.parametrize(
    ("codes", "part"),
    [([0.0, np.nan], "stage code(s) nan"), ([0, 9], "stage code(s) 9"), ([b"N1"], "holds no numbers")],
)
def test_a_hypnogram_of_hdf5_with_other_codes_is_refused(hdf5, tmp_path, codes, part):
    def put(file):
        del file["hypnogram"]
        file["hypnogram"] = codes

    with pytest.raises(UnreadableHypnogramError) as caught:
        read_hypnogram_codes(change(hdf5, tmp_path / "a.h5", put), STAGES)
    assert part in str(caught.value)


def test_a_record_id_goes_nowhere(hdf5):
    assert "not to be told" not in repr(read_recording(hdf5))


def test_dead_signals_are_told_from_quiet_ones():
    rng = np.random.default_rng(0)
    samples = {
        "flat": np.full(3000, 7.0),
        "quiet": np.round(rng.normal(0, 0.6, 3000)),
        "clipped": np.where(rng.random(3000) < 0.6, 100.0, rng.normal(0, 20, 3000)),
        "good": rng.normal(0, 20, 3000),
    }
    signals = tuple(Signal(name, values, 100.0, (-100.0, 100.0)) for name, values in samples.items())
    assert find_dead(Recording("night", signals, 30.0)) == {
        "flat": "is flat all night",
        "clipped": "is at the limits of its range for most of the night",
    }


def test_a_dead_signal_gives_way_to_another(tmp_path):
    channels = [Channel("C4-M1", 100), Channel("C3-M2", 100, {"C3-M2": 1}), Channel("EMG chin", 100)]
    recording, montage = read_drawn(write_edf(tmp_path / "a.edf", channels))
    assert montage.sources[1] == "C3-M2"
    assert montage.sources[5] == "EMG chin", "nothing can stand in, so it is drawn as it is"
    assert recording.notes == ("'C4-M1' is flat all night; another signal stands in for it.",)


def test_a_dead_signal_named_by_hand_is_drawn(tmp_path):
    channels = [Channel("C4-M1", 100), Channel("C3-M2", 100, {"C3-M2": 1})]
    _, montage = read_drawn(write_edf(tmp_path / "a.edf", channels), {"C4-M1": "C4-M1"})
    assert montage.sources[1] == "C4-M1"


def test_channels_of_a_night_are_taken_by_hand(tmp_path):
    path = write_edf(tmp_path / "a.edf", [Channel("C4-M1", 100, {"C4-M1": 1}), Channel("aux 3", 100, {"C3-M2": 1})])
    night = Night("own", "a", "a", path, channels={"C4-M1": "aux 3"})
    assert read_drawn(path, night.channels, night.leads)[1].sources[1] == "aux 3"
    with pytest.raises(MissingDerivationError, match="has no signal 'gone', named for C4-M1"):
        read_drawn(path, {"C4-M1": "gone"})


def test_a_night_nobody_scored_has_no_stages(tmp_path):
    path = write_edf(tmp_path / "a.edf", [Channel("C4-M1", 100, {"C4-M1": 1})])
    assert read_stages(Night("own", "a", "a", path), read_facts(path)) == (None, ())

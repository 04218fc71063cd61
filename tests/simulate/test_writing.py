import edfio
import mne
import numpy as np
import pyedflib
import pytest

from somnolens.hypnogram import Hypnogram
from somnolens.simulate.night import simulate_night
from somnolens.simulate.subject import draw_subject
from somnolens.simulate.writing import cut_runs, write_hypnogram, write_recording

STEP_UV = 2000 / 65534


@pytest.fixture(scope="module")
def night():
    return simulate_night(draw_subject(_seed_with_two_rates()), 0.2, 2)


@pytest.fixture(scope="module")
def path(night, tmp_path_factory):
    path = tmp_path_factory.mktemp("night") / "SIM001-PSG.edf"
    write_recording(night[0], path)
    return path


def test_pyedflib_reads_the_same_signals_within_one_digital_step(night, path):
    with pyedflib.EdfReader(str(path)) as reader:
        for index, one in enumerate(night[0]):
            assert reader.getLabel(index) == one.name
            assert reader.getSampleFrequency(index) == one.sampling_rate_hz
            assert reader.getPhysicalDimension(index) == "uV"
            np.testing.assert_allclose(reader.readSignal(index), one.samples_uv, atol=STEP_UV)


def test_mne_reads_the_same_signals_within_one_digital_step(night, path):
    for one in night[0]:
        raw = mne.io.read_raw_edf(path, include=[one.name], verbose="ERROR")
        assert raw.info["sfreq"] == one.sampling_rate_hz
        np.testing.assert_allclose(raw.get_data()[0] * 1e6, one.samples_uv, atol=STEP_UV)


def test_edfio_reads_the_same_signals_within_one_digital_step(night, path):
    for read, one in zip(edfio.read_edf(path).signals, night[0], strict=True):
        np.testing.assert_allclose(read.data, one.samples_uv, atol=STEP_UV)


def test_the_header_says_when_it_started_and_nothing_about_anybody(night, path):
    edf = edfio.read_edf(path)
    assert str(edf.patient).strip("'") == "X X X X"
    assert edf.starttime == night[0].start.time()
    assert edf.startdate == night[0].start.date()
    assert edf.recording.equipment_code == "somnolens"


def test_annotations_equal_the_hypnogram(night, tmp_path):
    path = tmp_path / "SIM001-Hypnogram.edf"
    write_hypnogram(night[1], path, night[0].start)
    with pyedflib.EdfReader(str(path)) as reader:
        assert reader.getStartdatetime() == night[0].start
        read = list(zip(*(list(column) for column in reader.readAnnotations()), strict=True))
    assert read == list(cut_runs(night[1]))


def test_a_hypnogram_survives_unscored_epochs_and_a_late_start(tmp_path):
    hypnogram = Hypnogram(("UNSCORED", "W", "N1", "N1", "R"), start_s=45.0)
    write_hypnogram(hypnogram, tmp_path / "late.edf")
    annotations = mne.read_annotations(tmp_path / "late.edf")
    assert list(annotations.description) == [f"Sleep stage {text}" for text in ("?", "W", "N1", "R")]
    np.testing.assert_allclose(annotations.onset, [45, 75, 105, 165])
    np.testing.assert_allclose(annotations.duration, [30, 30, 60, 30])


def test_edfio_reads_every_annotation_of_a_long_hypnogram(tmp_path):
    hypnogram = Hypnogram(("W", "N1") * 480)
    write_hypnogram(hypnogram, tmp_path / "long.edf")
    assert len(edfio.read_edf(tmp_path / "long.edf").annotations) == 960


def test_nothing_is_left_behind_when_writing_fails(night, tmp_path):
    (tmp_path / "taken.edf").mkdir()
    with pytest.raises(IsADirectoryError):
        write_recording(night[0], tmp_path / "taken.edf")
    assert [path.name for path in tmp_path.iterdir()] == ["taken.edf"]


def _seed_with_two_rates():
    return next(seed for seed in range(100) if len(set(draw_subject(seed).recorder_hz)) > 1)

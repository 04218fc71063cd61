"""Clauses of the AASM manual (version 3) on recording and on epochs that reading and preparing implement."""

import numpy as np
import pytest

from somnolens.prepare.cut import cut_epochs
from somnolens.prepare.filters import respond
from somnolens.prepare.night import prepare_epochs
from somnolens.read.montage import find_montage
from somnolens.read.stage_texts import parse_stage
from somnolens.recording import Recording, Signal


def find_sources(*labels):
    signals = tuple(Signal(label, np.empty(0), 200.0) for label in labels)
    return find_montage(Recording("night", signals, 0.0)).sources


def test_last_incomplete_epoch_is_dropped():
    """IV.A: sleep is staged in sequential 30-s epochs."""
    assert len(cut_epochs(np.zeros((1, 119 * 100)), 100.0)) == 3


def test_epochs_count_from_the_start_of_the_study():
    samples = np.arange(9000)[None]
    assert cut_epochs(samples, 100.0)[:, 0, 0].tolist() == [0, 3000, 6000]


def test_recommended_derivations():
    """III.A: F4-M1, C4-M1, O2-M1; E1-M2, E2-M2."""
    labels = ("F4-M1", "C4-M1", "O2-M1", "E1-M2", "E2-M2", "Chin1-ChinZ")
    assert find_sources(*labels) == labels


def test_backup_derivations():
    """III.A: F3-M2, C3-M2, O1-M2 when a recommended electrode fails."""
    assert find_sources("F3-M2", "C4-M1", "O1-M2")[:3] == ("F3-M2", "C4-M1", "O1-M2")


def test_acceptable_derivations():
    """III.A: Fz-Cz, Cz-Oz, C4-M1; E1-Fpz, E2-Fpz."""
    labels = ("Fz-Cz", "C4-M1", "Cz-Oz", "E1-Fpz", "E2-Fpz")
    assert find_sources(*labels)[:5] == labels


def test_chin_emg_between_two_of_three_electrodes():
    """III.A: either lower electrode against the one above; the other is the back-up."""
    assert find_sources("ChinZ", "Chin1", "Chin2")[5] == "Chin1 - ChinZ"
    assert find_sources("ChinZ", "Chin2")[5] == "Chin2 - ChinZ"


@pytest.mark.parametrize(("kind", "low_hz", "high_hz"), [("EEG", 0.3, 35), ("EOG", 0.3, 35), ("EMG", 10, 100)])
def test_routine_filter_settings(kind, low_hz, high_hz):
    """III.B: low and high frequency filters, half the power at the cut-off."""
    assert respond(np.array([low_hz, high_hz]), kind) == pytest.approx(np.sqrt(0.5), rel=0.01)
    assert respond(np.array([2 * low_hz, 0.6 * high_hz]), kind).min() > 0.95


def test_a_slow_wave_of_75_microvolts_is_still_one_after_filtering():
    """IV.A, N3: 0.5 to 2 Hz, at least 75 microvolts peak to peak; drawn in phase."""
    time_s = np.arange(300 * 256) / 256
    wave_uv = (40 * np.sin(2 * np.pi * 1.0 * time_s)).astype(np.float32)
    recording = Recording("night", (Signal("F4-M1", wave_uv, 256.0),), 300.0)
    drawn_uv = prepare_epochs(recording, find_montage(recording)).signals_uv[5, 0]
    assert np.ptp(drawn_uv) == pytest.approx(80, rel=0.01)
    assert np.argmax(drawn_uv[:100]) == pytest.approx(25, abs=1)


def test_stages_3_and_4_are_n3():
    """IV.1: N3 replaces stages 3 and 4 of Rechtschaffen and Kales."""
    assert {parse_stage("Sleep stage 3"), parse_stage("Sleep stage 4")} == {"N3"}

import pickle
from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pytest
from scipy import signal

from somnolens.aasm import SLOW_WAVE_SHARE, SLOW_WAVE_UV, STAGES
from somnolens.config import SimulateSettings
from somnolens.simulate.chain import N1, N2, N3, R, W
from somnolens.simulate.course import draw_course, vote
from somnolens.simulate.night import simulate_cohort, simulate_night, simulate_subject
from somnolens.simulate.subject import draw_subject

SEEDS = (11, 12)


@pytest.fixture(scope="module")
def nights():
    return [simulate_night(draw_subject(seed), 2.0, seed) for seed in SEEDS]


def test_the_same_seed_gives_the_same_night():
    first, second = (simulate_night(draw_subject(1), 0.2, 1) for _ in range(2))
    assert first[1].stages == second[1].stages
    for one, two in zip(first[0], second[0], strict=True):
        np.testing.assert_array_equal(one.samples_uv, two.samples_uv)


def test_another_seed_gives_another_night_of_the_same_subject():
    one, two = (simulate_night(draw_subject(1), 0.2, seed)[0] for seed in (1, 2))
    assert abs(_correlate(one["EEG C4-M1"].samples_uv, two["EEG C4-M1"].samples_uv)) < 0.2


def test_a_subject_does_not_depend_on_how_many_others_there_are(tmp_path):
    few, many = (SimulateSettings(n_subjects=n, hours=0.05, seed=3) for n in (1, 3))
    alone = simulate_cohort(few, tmp_path / "few")
    together = simulate_cohort(many, tmp_path / "many")
    assert alone[0].read_bytes() == together[0].read_bytes()


def test_a_subject_can_be_simulated_in_another_process(tmp_path):
    settings = SimulateSettings(hours=0.05)
    work = pickle.loads(pickle.dumps(simulate_subject))
    assert work(2, settings, tmp_path).name == "SIM003-PSG.edf"


def test_a_cohort_reports_each_recording_and_lies_beside_its_hypnograms(tmp_path):
    heard = []
    paths = simulate_cohort(SimulateSettings(n_subjects=2, hours=0.05), tmp_path / "new", heard.append)
    assert heard == paths
    names = ["SIM001-Hypnogram.edf", "SIM001-PSG.edf", "SIM002-Hypnogram.edf", "SIM002-PSG.edf"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == names


def test_subjects_differ_in_every_trait_but_the_shared_ones():
    subjects = [asdict(draw_subject(seed)) for seed in range(40)]
    assert all(len({subject[trait] for subject in subjects}) >= 2 for trait in subjects[0])
    assert sum(subject["alpha_uv"] == 3.0 for subject in subjects) in range(1, 12)


def test_the_stage_of_an_epoch_is_the_one_that_fills_most_of_it():
    stages = np.array([W, W, N1, W, N1, N2, N2, N3, N2, R, R, N1, R])
    for seed in range(30):
        course = draw_course(stages, draw_subject(seed), seed)
        np.testing.assert_array_equal(vote(course.stages), stages)


def test_stages_change_inside_epochs():
    stages = np.repeat([W, N1, N2, N3, N2, R], 5)
    course = draw_course(stages, draw_subject(0), 0)
    changes_s = np.flatnonzero(np.diff(course.stages)) + 1
    assert len(changes_s) == 5
    assert np.any(changes_s % 30)


def test_signals_have_the_rates_of_the_recorder_and_fill_the_night(nights):
    for seed, (recording, hypnogram) in zip(SEEDS, nights, strict=True):
        eeg_hz, eog_hz, emg_hz = draw_subject(seed).recorder_hz
        rates = [one.sampling_rate_hz for one in recording]
        assert rates == [eeg_hz] * 3 + [eog_hz] * 2 + [emg_hz]
        assert all(len(one.samples_uv) == hypnogram.duration_s * one.sampling_rate_hz for one in recording)


def test_most_n3_epochs_hold_twenty_percent_of_75_microvolt_slow_waves_and_others_do_not(nights):
    shares, stages = _pool(nights, lambda recording: _measure_slow_wave_share(recording["EEG F4-M1"]))
    assert np.mean(shares[stages == N3] >= SLOW_WAVE_SHARE) > 0.9
    assert np.mean(shares[stages == N2] >= SLOW_WAVE_SHARE) < 0.25
    assert np.mean(shares[np.isin(stages, (W, N1, R))] >= SLOW_WAVE_SHARE) < 0.1


def test_some_n3_epochs_lie_near_the_threshold(nights):
    shares, stages = _pool(nights, lambda recording: _measure_slow_wave_share(recording["EEG F4-M1"]))
    assert np.mean(np.abs(shares[stages == N3] - SLOW_WAVE_SHARE) < 0.15) > 0.1


def test_the_chin_is_slack_in_r(nights):
    for recording, hypnogram in nights:
        tone_uv, stages = _measure_rms(recording["EMG chin"], (20, 45)), hypnogram.codes()
        medians = [np.median(tone_uv[stages == code]) for code in (R, N2, W)]
        assert medians[0] < 0.8 * medians[1] < medians[2]


def test_eyes_move_in_opposite_directions_and_frontal_waves_show_in_phase(nights):
    both, stages = _pool(nights, lambda recording: _correlate_eyes(recording))
    assert np.median(both[stages == R]) < -0.2
    assert np.median(both[stages == N3]) > 0.5


def test_alpha_is_occipital_and_spindles_are_central(nights):
    recording, hypnogram = nights[0]
    alpha, sigma = ({n: _measure_rms(recording[f"EEG {n}-M1"], b) for n in ("C4", "O2")} for b in ((8, 12), (12, 15)))
    awake, n2 = hypnogram.codes() == W, hypnogram.codes() == N2
    assert np.mean(alpha["O2"][awake]) > 1.5 * np.mean(alpha["C4"][awake])
    assert np.mean(sigma["C4"][n2]) > 1.2 * np.mean(sigma["O2"][n2])


def test_no_stage_gives_itself_away_by_a_constant(nights):
    for recording, _ in nights:
        for one in recording:
            seconds = one.samples_uv.reshape(-1, int(one.sampling_rate_hz))
            assert np.all(seconds.std(axis=1) > 0.3)
            assert np.all(np.isfinite(one.samples_uv))


def test_hypnogram_counts_every_stage(nights):
    for _, hypnogram in nights:
        counts = hypnogram.counts()
        assert counts["UNSCORED"] == 0
        assert sum(counts[stage] > 0 for stage in STAGES) >= 4


def _pool(nights, measure):
    values = np.concatenate([measure(recording) for recording, _ in nights])
    return values, np.concatenate([hypnogram.codes() for _, hypnogram in nights])


def _measure_rms(one, band_hz):
    sos = signal.butter(4, band_hz, "bandpass", fs=one.sampling_rate_hz, output="sos")
    filtered = signal.sosfiltfilt(sos, one.samples_uv.astype(float))
    return filtered.reshape(-1, int(30 * one.sampling_rate_hz)).std(axis=1)


def _measure_slow_wave_share(one):
    """Share of each epoch inside waves of 0.5-2 s between falling zero crossings, 75 microvolts or more."""
    rate = one.sampling_rate_hz
    sos = signal.butter(2, (0.3, 4), "bandpass", fs=rate, output="sos")
    slow = signal.sosfiltfilt(sos, one.samples_uv.astype(float))
    crossings = np.flatnonzero((slow[:-1] > 0) & (slow[1:] <= 0))
    shares = np.zeros(len(slow) // int(30 * rate))
    for start, stop in pairwise(crossings):
        if 0.5 * rate <= stop - start <= 2 * rate and np.ptp(slow[start:stop]) >= SLOW_WAVE_UV:
            shares[int(start // (30 * rate))] += (stop - start) / (30 * rate)
    return shares


def _correlate_eyes(recording):
    e1, e2 = (_prepare_eye(recording[name]) for name in ("EOG E1-M2", "EOG E2-M2"))
    return np.array([_correlate(one, two) for one, two in zip(e1, e2, strict=True)])


def _prepare_eye(one):
    sos = signal.butter(2, (0.3, 8), "bandpass", fs=one.sampling_rate_hz, output="sos")
    return signal.sosfiltfilt(sos, one.samples_uv.astype(float)).reshape(-1, int(30 * one.sampling_rate_hz))


def _correlate(one, two):
    n = min(len(one), len(two))
    return np.corrcoef(one[:n], two[:n])[0, 1]

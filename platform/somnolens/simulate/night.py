"""One night: from a subject and a drawn hypnogram to what the recorder would have stored."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from scipy import signal

from somnolens.aasm import EPOCH_S
from somnolens.config import SimulateSettings
from somnolens.hypnogram import Hypnogram
from somnolens.recording import Recording, Signal
from somnolens.simulate.artefacts import make_electrode, make_heart, make_movement
from somnolens.simulate.brain import TOPOGRAPHY, make_background, make_sources
from somnolens.simulate.chain import draw_stages
from somnolens.simulate.course import Course, draw_course, vote
from somnolens.simulate.face import SIGN_AT_E1, SIGN_AT_E2, make_blinks, make_chin, make_eye_movements
from somnolens.simulate.subject import Subject, draw_subject
from somnolens.simulate.writing import write_hypnogram, write_recording

EEG_NAMES, EOG_NAMES, CHIN_NAME = ("EEG F4-M1", "EEG C4-M1", "EEG O2-M1"), ("EOG E1-M2", "EOG E2-M2"), "EMG chin"

ELECTRODES = ("F4", "C4", "O2", "E1", "E2")

PHYSICAL_RANGE_UV = (-1000.0, 1000.0)

FIRST_BEDTIME = datetime(2001, 1, 1, 22, 30)
"""A date that is nobody's."""

EYES_AT = {"F4": 0.22, "C4": 0.08, "O2": 0.02}
"""Share of blinks that reaches the EEG."""


def simulate_night(subject: Subject, hours: float, seed: int) -> tuple[Recording, Hypnogram]:
    """Simulate one night of a subject.

    Returns
    -------
    recording : Recording
        F4-M1, C4-M1, O2-M1, E1-M2, E2-M2 and chin, in microvolts, at the recorder's rates.
    hypnogram : Hypnogram
        The right answer, one stage per epoch.

    Examples
    --------
    >>> recording, hypnogram = simulate_night(draw_subject(5), hours=0.1, seed=5)
    >>> len(hypnogram), recording.duration_s
    (12, 360.0)
    """
    rng = np.random.default_rng([seed, 0])
    n_epochs = max(1, int(hours * 3600 // EPOCH_S))
    course = draw_course(draw_stages(n_epochs, rng), subject, seed)
    hypnogram = Hypnogram.from_codes(vote(course.stages), scorer="simulator")
    start = FIRST_BEDTIME + timedelta(seconds=int(rng.integers(3600)))
    return Recording("simulated", _record(course), float(n_epochs * EPOCH_S), start), hypnogram


def simulate_subject(index: int, settings: SimulateSettings, folder: Path) -> Path:
    """Simulate and write subject `index` of a cohort; depends on nothing but the seed and the index.

    Returns
    -------
    Path
        The recording, `SIM001-PSG.edf` for index 0; its hypnogram lies beside it.
    """
    seed = subject_seed(index, settings)
    recording, hypnogram = simulate_night(draw_subject(seed), settings.hours, seed)
    path = folder / f"SIM{index + 1:03d}-PSG.edf"
    write_hypnogram(hypnogram, path.with_name(f"SIM{index + 1:03d}-Hypnogram.edf"), recording.start)
    write_recording(recording, path)
    return path


def subject_seed(index: int, settings: SimulateSettings) -> int:
    """The seed of subject `index`, whatever the number of subjects."""
    return int(np.random.SeedSequence([settings.seed, index]).generate_state(1)[0])


def simulate_cohort(
    settings: SimulateSettings, folder: Path, progress: Callable[[Path], None] = lambda path: None
) -> list[Path]:
    """Simulate and write one night of each subject; `progress` hears of each recording written."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(settings.n_subjects):
        paths.append(simulate_subject(index, settings, folder))
        progress(paths[-1])
    return paths


def _record(course: Course) -> tuple[Signal, ...]:
    """All sources at the rate of the EEG, mixed at the electrodes, stored at the recorder's rates."""
    eeg_hz, eog_hz, emg_hz = course.subject.recorder_hz
    balance = course.subject.eye_balance**0.5
    heart = course.subject.ecg_uv * make_heart(course, eeg_hz)
    mixed = _mix(course, eeg_hz)
    blinks = course.subject.eye_gain * make_blinks(course, eeg_hz)
    eyes = make_eye_movements(course, eeg_hz)
    eeg = [mixed[e] + EYES_AT[e] * blinks + 0.4 * heart + _add(course, eeg_hz, e, 110, 10) for e in ("F4", "C4", "O2")]
    eog = [
        mixed[e] + sign * eyes + 0.5 * heart + _add(course, eeg_hz, e, 160, 10)
        for e, sign in (("E1", SIGN_AT_E1 / balance), ("E2", SIGN_AT_E2 * balance))
    ]
    chin = make_chin(course, emg_hz) + _add(course, emg_hz, "chin", 40, 40) + _at_rate(heart, eeg_hz, emg_hz)
    samples = [*((e, eeg_hz) for e in eeg), *((_at_rate(e, eeg_hz, eog_hz), eog_hz) for e in eog), (chin, emg_hz)]
    names = (*EEG_NAMES, *EOG_NAMES, CHIN_NAME)
    return tuple(_store(name, values, rate) for name, (values, rate) in zip(names, samples, strict=True))


def _mix(course: Course, rate_hz: int) -> dict[str, np.ndarray]:
    """Volume conduction: each electrode sees its share of each source and a background of its own."""
    subject = course.subject
    mixed = {e: subject.eeg_gain * 0.7 * _own_share(e) * make_background(course, rate_hz, e) for e in ELECTRODES}
    for name, source in make_sources(course, rate_hz).items():
        gain = 1.0 if name in ("slow", "vertex", "alpha") else subject.eeg_gain
        for electrode, share in zip(ELECTRODES, TOPOGRAPHY[name], strict=True):
            if name == "slow" and electrode in ("E1", "E2"):
                share = subject.frontal_leak
            mixed[electrode] += np.float32(gain * share) * source
    return mixed


def _own_share(electrode: str) -> float:
    return 0.6 if electrode in ("E1", "E2") else 1.0


def _add(course: Course, rate_hz: int, electrode: str, sway_uv: float, muscle_uv: float) -> np.ndarray:
    return make_electrode(course, rate_hz, electrode) + make_movement(course, rate_hz, electrode, sway_uv, muscle_uv)


def _at_rate(samples: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    if from_hz == to_hz:
        return samples
    return signal.resample_poly(samples, to_hz, from_hz)


def _store(name: str, samples_uv: np.ndarray, rate_hz: int) -> Signal:
    low_uv, high_uv = PHYSICAL_RANGE_UV
    return Signal(name, np.clip(samples_uv, low_uv, high_uv), float(rate_hz), PHYSICAL_RANGE_UV)

"""What eyes and chin make."""

import numpy as np

from somnolens.simulate.brain import count_samples, draw_onsets, spread
from somnolens.simulate.chain import R, W
from somnolens.simulate.course import Course
from somnolens.simulate.waveforms import band, make_blink, make_noise, make_saccade, make_slow_eye_movement, place

SIGN_AT_E1, SIGN_AT_E2 = -1.0, 1.0
"""E1 lies below, E2 above the eyes' axis, on opposite sides: every conjugate movement, horizontal or
vertical, deflects them in opposite directions (AASM III.A)."""


def make_eye_movements(course: Course, rate_hz: float) -> np.ndarray:
    """Blinks, rapid and slow movements as E2 sees them, in microvolts, shape (n_samples,)."""
    total = make_blinks(course, rate_hz) + _make_saccades(course, rate_hz) + _make_slow_rolls(course, rate_hz)
    return course.subject.eye_gain * total


def make_blinks(course: Course, rate_hz: float) -> np.ndarray:
    """Blinks of the waking eye, in units of the eye's gain, shape (n_samples,)."""
    rng = course.stream("blinks")
    rate = (
        course.level("blinks_per_min") * course.subject.blink_rate * np.where(course.stages == W, course.eyes_open, 1)
    )
    onsets_s = draw_onsets(rate * 1.6, rng)
    waves = [rng.uniform(70, 190) * make_blink(rate_hz, rng.uniform(0.25, 0.45)) for _ in onsets_s]
    return place(count_samples(course, rate_hz), rate_hz, onsets_s, waves)


def _make_saccades(course: Course, rate_hz: float) -> np.ndarray:
    """Rapid movements in bursts: dreaming, or looking around with open eyes."""
    rng = course.stream("saccades")
    looking = np.where(course.stages == W, course.eyes_open * 1.5, 1.0)
    onsets_s = _in_bursts(draw_onsets(course.level("saccades_per_min") * looking / 1.3, rng), rng)
    sizes_uv = rng.choice([-1, 1], len(onsets_s)) * rng.gamma(4, 17, len(onsets_s))
    waves = [size * make_saccade(rate_hz, rng.uniform(0.3, 0.9)) for size in sizes_uv]
    return place(count_samples(course, rate_hz), rate_hz, onsets_s, waves)


def _in_bursts(onsets_s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Follow each movement by one to five more, a fraction of a second apart."""
    bursts = [onset + np.cumsum(rng.uniform(0.25, 0.8, rng.integers(1, 6))) for onset in onsets_s]
    return np.concatenate([onsets_s, *bursts])


def _make_slow_rolls(course: Course, rate_hz: float) -> np.ndarray:
    rng = course.stream("slow rolls")
    closed = 1 - course.eyes_open
    onsets_s = draw_onsets(course.level("slow_rolls_per_min") * closed, rng)
    sizes_uv = rng.gamma(4, 22, len(onsets_s))
    waves = [size * make_slow_eye_movement(rate_hz, rng.uniform(3, 8), rng.uniform(0.15, 0.45)) for size in sizes_uv]
    return place(count_samples(course, rate_hz), rate_hz, onsets_s, waves)


def make_chin(course: Course, rate_hz: float) -> np.ndarray:
    """Muscle tone and, in R, short twitches on nearly none, in microvolts, shape (n_samples,)."""
    subject = course.subject
    noise = make_noise(course.stream("chin"), count_samples(course, rate_hz), rate_hz, band(18, 90))
    tone = course.level("tone") + subject.atonia * course.weights[:, R] + 0.6 * course.arousal
    return subject.chin_uv * noise * (spread(tone, rate_hz) + _make_twitches(course, rate_hz))


def _make_twitches(course: Course, rate_hz: float) -> np.ndarray:
    """Bursts shorter than 0.25 s (AASM IV.A, transient muscle activity), as an envelope."""
    rng = course.stream("twitches")
    onsets_s = draw_onsets(6 * course.level("saccades_per_min") / 5 * (course.stages == R), rng)
    waves = [rng.uniform(0.2, 1.0) * np.hanning(max(4, int(rng.uniform(0.06, 0.25) * rate_hz))) for _ in onsets_s]
    return place(count_samples(course, rate_hz), rate_hz, onsets_s, waves)

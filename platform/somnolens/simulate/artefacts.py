"""What electrodes, bodies and buildings add to every night."""

import numpy as np

from somnolens.simulate.brain import count_samples, draw_onsets, spread
from somnolens.simulate.course import Course, draw_wandering
from somnolens.simulate.waveforms import band, make_heart_beat, make_noise, make_sway, place


def make_electrode(course: Course, rate_hz: float, name: str) -> np.ndarray:
    """Drift, hum and amplifier noise of one derivation, in microvolts, shape (n_samples,)."""
    rng, subject = course.stream(f"electrode {name}"), course.subject
    n_samples, n_seconds = count_samples(course, rate_hz), len(course.stages)
    drift = spread(subject.drift_uv * draw_wandering(n_seconds, 12, rng), rate_hz)
    hum_uv = subject.mains_uv * np.exp(rng.normal(0, 0.5)) * (1 + 0.2 * draw_wandering(n_seconds, 60, rng))
    phase = 2 * np.pi * subject.mains_hz * np.arange(round(rate_hz)) / rate_hz + rng.uniform(0, 2 * np.pi)
    hum = spread(np.sqrt(2) * hum_uv, rate_hz) * np.tile(np.sin(phase).astype(np.float32), n_seconds)
    return drift + hum + subject.noise_uv * rng.standard_normal(n_samples, dtype=np.float32)


def draw_movements(course: Course) -> tuple[np.ndarray, np.ndarray]:
    """Onsets and durations, in seconds, of the body movements of a night."""
    rng = course.stream("movements")
    onsets_s = draw_onsets(course.level("movements_per_min") * course.subject.movement_rate, rng)
    return onsets_s, rng.uniform(2, 12, len(onsets_s))


def make_movement(course: Course, rate_hz: float, name: str, sway_uv: float, muscle_uv: float) -> np.ndarray:
    """Body movements in one derivation: swings of the electrode and a burst of muscle activity."""
    rng, n_samples = course.stream(f"movement {name}"), count_samples(course, rate_hz)
    onsets_s, durations_s = draw_movements(course)
    sways = [rng.gamma(2, sway_uv / 2) * make_sway(rate_hz, duration, rng) for duration in durations_s]
    bursts = [rng.gamma(3, muscle_uv / 3) * np.hanning(round(duration * rate_hz)) ** 0.5 for duration in durations_s]
    envelope = place(n_samples, rate_hz, onsets_s, bursts)
    busy = np.flatnonzero(envelope)
    envelope[busy] *= make_noise(rng, max(2, len(busy)), rate_hz, band(20, 70))[: len(busy)]
    return place(n_samples, rate_hz, onsets_s, sways) + envelope


def make_heart(course: Course, rate_hz: float) -> np.ndarray:
    """Heart beats, R wave 1, shape (n_samples,)."""
    rng, n_seconds = course.stream("heart"), len(course.stages)
    rate_per_s = rng.uniform(0.85, 1.2)
    onsets_s = np.cumsum(rng.normal(1 / rate_per_s, 0.03, int(n_seconds * rate_per_s * 1.1)))
    onsets_s = onsets_s[onsets_s < n_seconds]
    beat = make_heart_beat(rate_hz).astype(np.float32)
    return place(count_samples(course, rate_hz), rate_hz, onsets_s, [beat] * len(onsets_s))

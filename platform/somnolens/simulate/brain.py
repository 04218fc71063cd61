"""What the brain makes, as sources, each with the topography that a technologist expects."""

import numpy as np

from somnolens.simulate.chain import N1, N2, R, W
from somnolens.simulate.course import Course
from somnolens.simulate.waveforms import (
    band,
    bump,
    make_k_complex,
    make_noise,
    make_sawtooth,
    make_slow_wave,
    make_spindle,
    make_vertex_wave,
    place,
    power_law,
)

TOPOGRAPHY = {
    #            F4    C4    O2    E1    E2
    "diffuse":  (0.70, 0.70, 0.70, 0.35, 0.35),
    "fast":     (1.00, 0.90, 0.70, 0.55, 0.55),
    "alpha":    (0.16, 0.30, 1.00, 0.10, 0.10),
    "theta":    (0.90, 1.00, 0.75, 0.40, 0.40),
    "slow":     (1.00, 0.74, 0.40, 0.00, 0.00),
    "delta":    (0.80, 0.85, 0.75, 0.40, 0.40),
    "spindle":  (0.72, 1.00, 0.35, 0.18, 0.18),
    "vertex":   (0.65, 1.00, 0.30, 0.20, 0.20),
}  # fmt: skip
"""Share of each source at each electrode. Slow waves and K-complexes are largest frontally, spindles
and vertex waves centrally, alpha occipitally (AASM IV.A). The eyes see frontal activity in phase;
how much of the slow waves they see is a trait of the subject."""

BACKGROUND_UV, FAST_UV, THETA_UV, DELTA_UV = 7.5, 3.2, 5.5, 9.0
"""Root mean squares awake (background, fast), in N1 (theta), in N2 (delta), at the electrode where they are largest."""


def make_sources(course: Course, rate_hz: float) -> dict[str, np.ndarray]:
    """Make the sources of the EEG.

    Returns
    -------
    dict of name to ndarray of float32, shape (n_samples,)
        Microvolts at the electrode where the source is largest.
    """
    return {
        "diffuse": make_background(course, rate_hz, "diffuse"),
        "fast": _make_rhythm(course, rate_hz, "fast", band(14, 38), FAST_UV * course.subject.fast_gain),
        "alpha": _make_alpha(course, rate_hz),
        "theta": _make_rhythm(course, rate_hz, "theta", bump(5.4, 1.1), THETA_UV * course.subject.theta_gain),
        "slow": _make_slow(course, rate_hz),
        "delta": _make_rhythm(course, rate_hz, "delta", bump(1.6, 1.0), 0.55 * DELTA_UV, "posterior"),
        "spindle": _make_spindles(course, rate_hz),
        "vertex": _make_vertex_waves(course, rate_hz) + _make_sawtooths(course, rate_hz),
    }


def make_background(course: Course, rate_hz: float, place_name: str) -> np.ndarray:
    """1/f background of one place, in microvolts."""
    return _make_rhythm(course, rate_hz, "background", power_law(course.subject.tilt), BACKGROUND_UV, place_name)


def spread(values: np.ndarray, rate_hz: float) -> np.ndarray:
    """From one value a second to every sample, along straight lines."""
    steps = np.diff(values, append=values[-1]).astype(np.float32)
    ramp = np.arange(round(rate_hz), dtype=np.float32) / np.float32(rate_hz)
    return (values.astype(np.float32)[:, None] + steps[:, None] * ramp).ravel()


def draw_onsets(rate_per_min: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Onsets in seconds of a Poisson process whose rate is given second by second."""
    counts = rng.poisson(np.maximum(rate_per_min, 0) / 60)
    return np.repeat(np.arange(len(counts)), counts) + rng.random(counts.sum())


def count_samples(course: Course, rate_hz: float) -> int:
    """Samples of the night at a rate."""
    return len(course.stages) * round(rate_hz)


def _make_rhythm(course, rate_hz, name, spectrum, size_uv, purpose="rhythm"):
    noise = make_noise(course.stream(f"{purpose} {name}"), count_samples(course, rate_hz), rate_hz, spectrum)
    return noise * spread(size_uv * course.level(name), rate_hz)


def _make_alpha(course: Course, rate_hz: float) -> np.ndarray:
    """Strong with closed eyes; a hertz slower in R than awake."""
    subject, noise_of = (
        course.subject,
        lambda name, hz: make_noise(course.stream(name), count_samples(course, rate_hz), rate_hz, bump(hz, 0.55)),
    )
    closed = course.level("alpha") * (1 - 0.85 * course.eyes_open)
    slow_part = course.weights[:, R] * 0.8
    waking = noise_of("alpha", subject.alpha_hz) * spread(closed * (1 - slow_part), rate_hz)
    dreaming = noise_of("slow alpha", subject.alpha_hz - 1.2) * spread(closed * slow_part, rate_hz)
    return subject.alpha_uv * (waking + dreaming)


def _make_slow(course: Course, rate_hz: float) -> np.ndarray:
    """Delta activity below the criterion, slow waves above it, and K-complexes."""
    n_samples, subject = count_samples(course, rate_hz), course.subject
    delta = make_noise(course.stream("delta"), n_samples, rate_hz, bump(1.1, 0.75))
    slow = delta * spread(0.85 * DELTA_UV * course.level("delta"), rate_hz)
    rng = course.stream("slow waves")
    onsets_s, durations_s = _draw_slow_wave_times(course, rng)
    sizes_uv = 82 + rng.gamma(2.0, 22 * subject.slow_wave_gain, len(onsets_s))
    skews = rng.uniform(0.35, 0.55, len(onsets_s))
    waves = [
        size * make_slow_wave(rate_hz, duration, skew)
        for size, duration, skew in zip(sizes_uv, durations_s, skews, strict=True)
    ]
    return slow + place(n_samples, rate_hz, onsets_s, waves) + _make_k_complexes(course, rate_hz)


def _draw_slow_wave_times(course: Course, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Slots of 0.55 to 1.7 s fill the night; each holds a wave with the probability of its second."""
    n_seconds = len(course.stages)
    durations_s = rng.triangular(0.55, 0.9, 1.7, 2 * n_seconds)
    onsets_s = np.cumsum(durations_s) - durations_s
    inside = onsets_s < n_seconds
    onsets_s, durations_s = onsets_s[inside], durations_s[inside]
    taken = rng.random(len(onsets_s)) < course.slow_wave_share[onsets_s.astype(int)]
    return onsets_s[taken], durations_s[taken]


def _make_k_complexes(course: Course, rate_hz: float) -> np.ndarray:
    rng = course.stream("k-complexes")
    onsets_s = draw_onsets(course.level("k_per_min") * course.subject.k_rate, rng)
    sizes_uv = rng.uniform(85, 190, len(onsets_s)) * (0.6 + 0.4 * course.subject.slow_wave_gain)
    waves = [size * make_k_complex(rate_hz, rng.uniform(0.9, 1.5)) for size in sizes_uv]
    return place(count_samples(course, rate_hz), rate_hz, onsets_s, waves)


def _make_spindles(course: Course, rate_hz: float) -> np.ndarray:
    """Random spindles, and one at the start of nearly each N2: there the manual lets N2 begin (IV.A)."""
    rng, subject = course.stream("spindles"), course.subject
    drawn_s = draw_onsets(course.level("spindles_per_min") * subject.spindle_rate, rng)
    onsets_s = np.concatenate([drawn_s, _draw_first_spindles(course, rng)])
    waves = [
        size * make_spindle(rate_hz, duration, rng.normal(subject.spindle_hz, 0.3))
        for size, duration in zip(
            33 * subject.spindle_gain * np.exp(rng.normal(0, 0.35, len(onsets_s))),
            np.clip(rng.gamma(7, 0.13, len(onsets_s)), 0.5, 2.2),
            strict=True,
        )
    ]
    return place(count_samples(course, rate_hz), rate_hz, onsets_s, waves)


def _draw_first_spindles(course: Course, rng: np.random.Generator) -> np.ndarray:
    lighter = np.isin(course.stages[:-1], (W, N1, R))
    starts = np.flatnonzero(lighter & (course.stages[1:] == N2)) + 1
    starts = starts[rng.random(len(starts)) < 0.8]
    return starts + rng.uniform(0, 10, len(starts))


def _make_vertex_waves(course: Course, rate_hz: float) -> np.ndarray:
    rng = course.stream("vertex waves")
    onsets_s = draw_onsets(course.level("vertex_per_min"), rng)
    sizes_uv = rng.uniform(35, 90, len(onsets_s)) * course.subject.eeg_gain
    waves = [size * make_vertex_wave(rate_hz, rng.uniform(0.25, 0.45)) for size in sizes_uv]
    return place(count_samples(course, rate_hz), rate_hz, onsets_s, waves)


def _make_sawtooths(course: Course, rate_hz: float) -> np.ndarray:
    rng = course.stream("sawtooth waves")
    onsets_s = draw_onsets(course.level("sawtooth_per_min"), rng)
    sizes_uv = rng.uniform(18, 45, len(onsets_s)) * course.subject.eeg_gain
    waves = [size * make_sawtooth(rate_hz, rng.uniform(1.5, 5), rng.uniform(2, 5)) for size in sizes_uv]
    return place(count_samples(course, rate_hz), rate_hz, onsets_s, waves)

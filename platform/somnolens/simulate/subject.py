"""Who sleeps: the traits in which one simulated subject differs from another."""

from dataclasses import dataclass

import numpy as np

RECORDERS_HZ = ((256, 256, 256), (200, 200, 200), (256, 128, 256))
"""Sampling rates of EEG, EOG and EMG that recorders offer; the manual asks for 200 Hz at least (III.A)."""

RECORDER_SHARES = (0.55, 0.25, 0.2)


@dataclass(frozen=True)
class Subject:
    """Traits of one simulated subject and of the electrodes and recorder used.

    Gains multiply what `levels.py` gives for the average adult; 1 is average.

    Parameters
    ----------
    seed : int
        Seed the traits were drawn from.
    eeg_gain, fast_gain, theta_gain : float
        Size of the whole EEG, of its beta and of its theta activity.
    tilt : float
        Exponent of the 1/f background.
    alpha_hz, alpha_uv : float
        Posterior rhythm, root mean square at O2. One subject in eight has nearly none.
    spindle_hz, spindle_gain, spindle_rate : float
        Frequency 11.5 to 15 Hz, amplitude, density.
    k_rate, slow_wave_gain : float
        K-complexes; amplitude of slow waves above the 75 microvolts of the manual (falls with age).
    eye_gain, eye_balance, blink_rate, frontal_leak : float
        Eye movements; E2 against E1; blinks; how much frontal EEG the EOG picks up.
    chin_uv, atonia : float
        Tone awake, root mean square; share of it that is left in R.
    movement_rate, arousal_rate : float
        Body movements and arousals.
    mains_hz, mains_uv, drift_uv, noise_uv : float
        Hum, electrode drift and amplifier noise, root mean square.
    ecg_uv : float
        Heart beats picked up by the mastoids and the chin.
    recorder_hz : tuple of int
        Sampling rates of EEG, EOG and EMG.

    Examples
    --------
    >>> 11.5 <= draw_subject(3).spindle_hz <= 15
    True
    """

    seed: int
    eeg_gain: float
    fast_gain: float
    theta_gain: float
    tilt: float
    alpha_hz: float
    alpha_uv: float
    spindle_hz: float
    spindle_gain: float
    spindle_rate: float
    k_rate: float
    slow_wave_gain: float
    eye_gain: float
    eye_balance: float
    blink_rate: float
    frontal_leak: float
    chin_uv: float
    atonia: float
    movement_rate: float
    arousal_rate: float
    mains_hz: int
    mains_uv: float
    drift_uv: float
    noise_uv: float
    ecg_uv: float
    recorder_hz: tuple[int, int, int]


def draw_subject(seed: int) -> Subject:
    """Draw the traits of one subject; the same seed gives the same subject."""
    rng = np.random.default_rng([seed, 1])
    return Subject(seed=seed, **_draw_brain(rng), **_draw_face(rng), **_draw_technique(rng))


def _draw_brain(rng: np.random.Generator) -> dict[str, float]:
    return {
        "eeg_gain": _spread(rng, 0.16, 0.7, 1.45),
        "fast_gain": _spread(rng, 0.25, 0.5, 2.0),
        "theta_gain": _spread(rng, 0.18, 0.6, 1.5),
        "tilt": float(np.clip(rng.normal(1.7, 0.25), 1.2, 2.2)),
        "alpha_hz": float(np.clip(rng.normal(9.8, 0.8), 8.2, 11.6)),
        "alpha_uv": 3.0 if rng.random() < 0.125 else 15 * _spread(rng, 0.3, 0.5, 1.8),
        "spindle_hz": float(np.clip(rng.normal(13.2, 0.7), 11.5, 15.0)),
        "spindle_gain": _spread(rng, 0.2, 0.65, 1.5),
        "spindle_rate": _spread(rng, 0.3, 0.5, 1.8),
        "k_rate": _spread(rng, 0.3, 0.5, 1.8),
        "slow_wave_gain": _spread(rng, 0.3, 0.5, 1.8),
    }


def _draw_face(rng: np.random.Generator) -> dict[str, float]:
    return {
        "eye_gain": _spread(rng, 0.2, 0.65, 1.6),
        "eye_balance": _spread(rng, 0.15, 0.75, 1.35),
        "blink_rate": _spread(rng, 0.35, 0.4, 2.2),
        "frontal_leak": float(rng.uniform(0.35, 0.65)),
        "chin_uv": 9 * _spread(rng, 0.25, 0.6, 1.8),
        "atonia": float(rng.uniform(0.10, 0.26)),
        "movement_rate": _spread(rng, 0.4, 0.4, 2.5),
        "arousal_rate": _spread(rng, 0.3, 0.5, 2.0),
    }


def _draw_technique(rng: np.random.Generator) -> dict[str, float | int | tuple[int, int, int]]:
    return {
        "mains_hz": int(rng.choice([50, 60])),
        "mains_uv": 0.8 * _spread(rng, 0.8, 0.1, 5.0),
        "drift_uv": 12 * _spread(rng, 0.4, 0.4, 2.5),
        "noise_uv": 0.8 * _spread(rng, 0.25, 0.5, 2.0),
        "ecg_uv": 3 * _spread(rng, 0.7, 0.1, 4.0),
        "recorder_hz": RECORDERS_HZ[int(rng.choice(len(RECORDERS_HZ), p=RECORDER_SHARES))],
    }


def _spread(rng: np.random.Generator, sigma: float, low: float, high: float) -> float:
    """A log-normal factor around 1, clipped."""
    return float(np.clip(np.exp(rng.normal(0, sigma)), low, high))

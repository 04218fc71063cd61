"""How lifelike simulated nights are, asked of YASA, which learnt on thousands of real nights.

Higher agreement than between YASA and experts on real nights (kappa about 0.75 to 0.8, Vallat and
Walker 2021, eLife 10:e70092) would mean that the nights are easier than life; much lower, that they
are not sleep.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import mne
import numpy as np
import yasa
from scipy import signal
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, f1_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from somnolens.aasm import EPOCH_S, STAGES
from somnolens.config import SimulateSettings
from somnolens.recording import Recording, Signal
from somnolens.simulate.night import simulate_night, subject_seed
from somnolens.simulate.subject import draw_subject

SETTINGS = SimulateSettings(n_subjects=10, hours=3.0, seed=2024)
"""Other subjects than the demo's."""

COMMON_HZ = 100
YASA_SIGNALS = ("EEG C4-M1", "EOG E1-M2", "EMG chin")
YASA_STAGES = {"W": 0, "WAKE": 0, "N1": 1, "N2": 2, "N3": 3, "R": 4, "REM": 4}

BANDS_HZ = {
    "slow delta": (0.4, 1.0),
    "delta": (1.0, 4.0),
    "theta": (4.0, 8.0),
    "alpha": (8.0, 12.0),
    "sigma": (12.0, 16.0),
    "beta": (16.0, 30.0),
    "gamma": (30.0, 45.0),
}


@dataclass(frozen=True, eq=False)
class Night:
    """Right answer, YASA's answer, and spectral features, one row per epoch."""

    truth: np.ndarray
    yasa: np.ndarray
    features: dict[str, np.ndarray]


def measure(settings: SimulateSettings = SETTINGS) -> list[dict]:
    """Rows of the benchmark table."""
    nights = list(stage_nights(settings))
    truth, answer = (np.concatenate([getattr(night, name) for night in nights]) for name in ("truth", "yasa"))
    f1_n1 = f1_score(truth, answer, labels=[STAGES.index("N1")], average=None)[0]
    best, _ = find_best_feature(nights)
    return [
        _row("simulate.yasa_kappa", cohen_kappa_score(truth, answer), "kappa", None, "0.65..0.82"),
        _row("simulate.yasa_f1_n1", f1_n1, "F1", None, "0.25..0.60"),
        _row("simulate.best_single_feature", best, "balanced accuracy", False, "<=0.60"),
    ]


def stage_nights(settings: SimulateSettings) -> Iterator[Night]:
    for index in range(settings.n_subjects):
        seed = subject_seed(index, settings)
        recording, hypnogram = simulate_night(draw_subject(seed), settings.hours, seed)
        yield Night(hypnogram.codes(), stage_with_yasa(recording), measure_spectra(recording))


def stage_with_yasa(recording: Recording) -> np.ndarray:
    """Stage codes of YASA from one EEG, one EOG and the chin, shape (n_epochs,)."""
    kinds = ["eeg", "eog", "emg"]
    info = mne.create_info(list(YASA_SIGNALS), COMMON_HZ, kinds, verbose="ERROR")
    volts = np.stack([_at_common_rate(recording[name]) for name in YASA_SIGNALS]) * 1e-6
    raw = mne.io.RawArray(volts, info, verbose="ERROR")
    logging.getLogger("yasa").setLevel(logging.ERROR)
    staging = yasa.SleepStaging(raw, eeg_name=YASA_SIGNALS[0], eog_name=YASA_SIGNALS[1], emg_name=YASA_SIGNALS[2])
    predicted = staging.predict()
    names = predicted.hypno if hasattr(predicted, "hypno") else predicted
    return np.array([YASA_STAGES[str(name)] for name in names])


def measure_spectra(recording: Recording) -> dict[str, np.ndarray]:
    """Absolute and relative band powers, total power and spectral edge of every signal, per epoch."""
    features = {}
    for one in recording:
        epochs = _at_common_rate(one).reshape(-1, EPOCH_S * COMMON_HZ)
        hz, power = signal.welch(epochs, COMMON_HZ, nperseg=5 * COMMON_HZ)
        features |= {f"{one.name} {name}": values for name, values in _summarise_spectrum(hz, power).items()}
    return features


def find_best_feature(nights: list[Night]) -> tuple[float, str]:
    """Balanced accuracy of the best threshold rule on one feature, cross-validated by subject, and its name."""
    truth = np.concatenate([night.truth for night in nights])
    subjects = np.repeat(np.arange(len(nights)), [len(night.truth) for night in nights])
    return max((_score_feature(nights, name, truth, subjects), name) for name in nights[0].features)


def _score_feature(nights: list[Night], name: str, truth: np.ndarray, subjects: np.ndarray) -> float:
    tree = DecisionTreeClassifier(max_depth=4, min_samples_leaf=10, class_weight="balanced", random_state=0)
    column = np.concatenate([night.features[name] for night in nights])[:, None]
    return balanced_accuracy_score(truth, cross_val_predict(tree, column, truth, groups=subjects, cv=GroupKFold(5)))


def _summarise_spectrum(hz: np.ndarray, power: np.ndarray) -> dict[str, np.ndarray]:
    total = power[:, (hz >= 0.4) & (hz < 45)].sum(axis=1)
    bands = {name: power[:, (hz >= low) & (hz < high)].sum(axis=1) for name, (low, high) in BANDS_HZ.items()}
    share = np.cumsum(power[:, hz >= 0.4], axis=1) / power[:, hz >= 0.4].sum(axis=1, keepdims=True)
    return {
        "total": total,
        "spectral edge": hz[hz >= 0.4][(share < 0.9).sum(axis=1).clip(max=share.shape[1] - 1)],
        **bands,
        **{f"relative {name}": values / total for name, values in bands.items()},
    }


def _at_common_rate(one: Signal) -> np.ndarray:
    """float64 at 100 Hz; a high-pass, as every staging does first."""
    rate_hz = round(one.sampling_rate_hz)
    resampled = signal.resample_poly(one.samples_uv.astype(np.float64), COMMON_HZ, rate_hz)
    return signal.sosfiltfilt(signal.butter(2, 0.3, "highpass", fs=COMMON_HZ, output="sos"), resampled)


def _row(name: str, value: float, unit: str, higher_is_better: bool | None, bar: str) -> dict:
    return {
        "name": name,
        "value": round(float(value), 4),
        "unit": unit,
        "higher_is_better": higher_is_better,
        "bar": bar,
    }

"""YASA, which learnt on thousands of real nights and is asked as it is."""

import hashlib
import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

import numpy as np

from somnolens.aasm import RECOMMENDED_DERIVATIONS, STAGES
from somnolens.errors import MissingDerivationError
from somnolens.evaluate.systems import LabelledNight, Shown
from somnolens.hypnogram import Hypnogram
from somnolens.prepare.resample import filter_and_resample
from somnolens.read.edf import read_recording
from somnolens.read.montage import find_montage

_COLUMNS = {"W": ("W", "WAKE"), "N1": ("N1",), "N2": ("N2",), "N3": ("N3",), "R": ("R", "REM")}
_WANTED = {"eeg": "C4-M1", "eog": "E1-M2", "emg": "chin EMG"}
_RATE_HZ = 100.0

_ONE_AT_A_TIME = Lock()
"""Warnings are caught for the whole process: of two that do so at once, the later ends with what the earlier wanted."""


class Yasa:
    """YASA's stager on a central EEG, an EOG and the chin EMG, as its authors advise.

    Source: R. Vallat and M. P. Walker, eLife 10:e70092, 2021. Signals go in as recorded: YASA filters by itself. It
    has a context of its own: each epoch's features are smoothed over 7.5 minutes, and relative to the night.
    """

    name = "YASA"
    shares = None
    n_parameters = None

    def __init__(self) -> None:
        self._said: dict[bytes, np.ndarray] = {}

    def fit(self, training: Sequence[LabelledNight], validation: Sequence[LabelledNight]) -> None:
        """Nothing: it comes trained."""

    def stage(self, shown: Shown) -> np.ndarray:
        """Probabilities, shape (n_epochs, 5). It needs five minutes of signal.

        Raises
        ------
        MissingDerivationError
            Where there is no EEG.
        """
        volts = _bring_to_one_rate(shown)
        key = hashlib.blake2b(b"".join(samples.tobytes() for samples in volts.values()), digest_size=16).digest()
        if key not in self._said:  # of six channels that are lost in turn, it looks at three
            self._said[key] = _stage(volts)
        return _fit_length(self._said[key], shown.n_epochs)


def _stage(volts: dict[str, np.ndarray]) -> np.ndarray:
    """What YASA says, shape (n_epochs, 5)."""
    import mne
    import yasa

    logging.getLogger("yasa").setLevel(logging.ERROR)
    info = mne.create_info(list(volts), _RATE_HZ, list(volts), verbose="ERROR")
    raw = mne.io.RawArray(np.stack(list(volts.values())), info, verbose="ERROR")
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = yasa.SleepStaging(raw, **{f"{kind}_name": kind for kind in volts}).predict().proba
    columns = [next(name for name in names if name in table) for names in _COLUMNS.values()]
    return table[columns].to_numpy(dtype=float)


def score_with_yasa(path: Path) -> Hypnogram:
    """Stage a recording file with YASA.

    Raises
    ------
    MissingDerivationError
        Where there is no EEG.
    """
    recording = read_recording(path)
    probabilities = Yasa().stage(Shown(recording, find_montage(recording)))
    named = Hypnogram.from_codes(probabilities.argmax(1), scorer="YASA")
    return Hypnogram(named.stages, scorer="YASA", probabilities=probabilities)


def _bring_to_one_rate(shown: Shown) -> dict[str, np.ndarray]:
    """Volts of each kind at one rate and of one length, from the first epoch on."""
    found = {}
    by_name = {derivation.name: derivation for derivation in shown.montage.derivations}
    for kind, name in _WANTED.items():
        if parts := by_name[name].parts:
            signals = [(shown.recording[label], sign) for label, sign in parts]
            from_hz = signals[0][0].sampling_rate_hz
            samples_uv = np.nan_to_num(sum(sign * one.samples_uv for one, sign in signals))
            found[kind] = 1e-6 * filter_and_resample(samples_uv, from_hz, _RATE_HZ, np.ones_like)
    if "eeg" not in found:
        raise MissingDerivationError(
            f"{shown.recording.name} has no central EEG for YASA. Looked for C4-M1 and its alternatives among "
            f"{', '.join(RECOMMENDED_DERIVATIONS)}; the file has {', '.join(shown.recording.names)}."
        )
    begin = round(shown.begin_s * _RATE_HZ)
    shortest = min(len(samples) for samples in found.values())
    return {kind: samples[begin:shortest] for kind, samples in found.items()}


def _fit_length(probabilities: np.ndarray, n_epochs: int) -> np.ndarray:
    """YASA drops or keeps a last epoch by its own count of samples; the last row stands in for one that is missing."""
    missing = max(0, n_epochs - len(probabilities))
    padded = np.concatenate([probabilities, np.repeat(probabilities[-1:], missing, axis=0)])
    return padded[:, : len(STAGES)][:n_epochs]

"""Other stagers, on the same nights and judged by the same figures."""

import logging
import warnings
from pathlib import Path

import numpy as np

from somnolens.aasm import RECOMMENDED_DERIVATIONS
from somnolens.errors import MissingDerivationError
from somnolens.hypnogram import Hypnogram
from somnolens.prepare.resample import filter_and_resample
from somnolens.read.edf import read_recording
from somnolens.read.montage import find_montage

_YASA_NAMES = {"W": "W", "WAKE": "W", "N1": "N1", "N2": "N2", "N3": "N3", "R": "R", "REM": "R"}


def score_with_yasa(path: Path) -> Hypnogram:
    """Stage a recording with YASA from a central EEG, an EOG and the chin EMG, as its authors advise.

    Source: R. Vallat and M. P. Walker, eLife 10:e70092, 2021. Signals go in as recorded: YASA filters
    by itself. It needs five minutes of signal.

    Raises
    ------
    MissingDerivationError
        Where there is no EEG.
    """
    import mne
    import yasa

    logging.getLogger("yasa").setLevel(logging.ERROR)
    chosen = _choose_signals(path)
    rate_hz = 100.0
    info = mne.create_info([kind for kind, _, _ in chosen], rate_hz, [kind for kind, _, _ in chosen], verbose="ERROR")
    volts = [
        1e-6 * filter_and_resample(samples_uv, from_hz, rate_hz, np.ones_like) for _, samples_uv, from_hz in chosen
    ]
    shortest = min(len(samples) for samples in volts)
    raw = mne.io.RawArray(np.stack([samples[:shortest] for samples in volts]), info, verbose="ERROR")
    kinds = {f"{kind}_name": kind for kind, _, _ in chosen}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        staged = yasa.SleepStaging(raw, **kinds).predict()
    names = getattr(staged, "hypno", staged)
    return Hypnogram(tuple(_YASA_NAMES[str(name)] for name in names), scorer="YASA")


def _choose_signals(path: Path) -> list[tuple[str, np.ndarray, float]]:
    """Kind, samples in microvolts and rate of the signals YASA takes."""
    recording = read_recording(path)
    montage = find_montage(recording)
    wanted = [("eeg", "C4-M1"), ("eog", "E1-M2"), ("emg", "chin EMG")]
    by_name = {derivation.name: derivation for derivation in montage.derivations}
    chosen = []
    for kind, name in wanted:
        parts = by_name[name].parts
        if parts:
            signals = [(recording[label], sign) for label, sign in parts]
            chosen.append((kind, sum(sign * s.samples_uv for s, sign in signals), signals[0][0].sampling_rate_hz))
    if not any(kind == "eeg" for kind, _, _ in chosen):
        raise MissingDerivationError(
            f"{path.name} has no central EEG for YASA. Looked for C4-M1 and its alternatives among "
            f"{', '.join(RECOMMENDED_DERIVATIONS)}; the file has {', '.join(recording.names)}."
        )
    return chosen

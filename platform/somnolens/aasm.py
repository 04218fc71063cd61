"""What the AASM scoring manual fixes: stages, the epoch, derivations and filter bands.

Source: AASM Manual for the Scoring of Sleep and Associated Events, version 3 (2023),
chapters III (technical specifications) and IV (sleep staging rules for adults).
"""

from typing import Final, Literal

Stage = Literal["W", "N1", "N2", "N3", "R", "UNSCORED"]
Kind = Literal["EEG", "EOG", "EMG"]

STAGES: Final[tuple[str, ...]] = ("W", "N1", "N2", "N3", "R")
"""The five stages in the order of every probability vector and confusion matrix."""

UNSCORED: Final = "UNSCORED"

EPOCH_S: Final = 30
"""An epoch is 30 s, sequential, from the start of the study (manual, IV.A)."""

SLOW_WAVE_UV: Final = 75.0
"""Least peak-to-peak amplitude of slow-wave activity, frontal, 0.5-2 Hz (IV.A, N3)."""

SLOW_WAVE_SHARE: Final = 0.20
"""Least share of an epoch that slow waves fill in N3 (IV.A)."""

RECOMMENDED_DERIVATIONS: Final[dict[str, Kind]] = {
    "F4-M1": "EEG",
    "C4-M1": "EEG",
    "O2-M1": "EEG",
    "E1-M2": "EOG",
    "E2-M2": "EOG",
    "chin EMG": "EMG",
}
"""The recommended staging montage, top to bottom as a technologist sees it (III.A)."""

FILTER_BAND_HZ: Final[dict[Kind, tuple[float, float]]] = {
    "EEG": (0.3, 35.0),
    "EOG": (0.3, 35.0),
    "EMG": (10.0, 100.0),
}
"""Low and high cut-off of the routine display filters (III.B)."""

"""Write recordings and hypnograms as EDF+, whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyedflib

from somnolens.aasm import EPOCH_S, UNSCORED
from somnolens.hypnogram import Hypnogram
from somnolens.recording import Recording, Signal
from somnolens.storage import is_here, put_file

DIGITAL_MIN, DIGITAL_MAX = -32767, 32767
EQUIPMENT = "somnolens"
NO_TIME = datetime(2001, 1, 1)


def write_recording(recording: Recording, path: Path) -> None:
    """Write EDF+ with 1-s data records and an anonymous header.

    Needs whole sampling rates and whole seconds; digital steps are 1/65,534 of the physical range.
    """
    with _temporary(path) as temporary, _open(temporary, len(recording.signals), recording.start) as writer:
        writer.setSignalHeaders([_describe(signal) for signal in recording])
        writer.writeSamples([np.asarray(signal.samples_uv, dtype=np.float64) for signal in recording])


def write_hypnogram(
    hypnogram: Hypnogram, path: Path, recording_start: datetime | None = None, each_epoch: bool = False
) -> None:
    """Write EDF+ annotations in the Sleep-EDF manner, with the texts of the AASM and an anonymous header.

    'Sleep stage W', 'N1', 'N2', 'N3', 'R' or '?'. Onsets count from the start of the recording, whose date and time
    the file takes over: so a viewer lays the annotations over the signals where they belong.

    Parameters
    ----------
    hypnogram : Hypnogram
    path : Path
    recording_start : datetime, optional
    each_epoch : bool
        An annotation for each epoch, so that one can be corrected in a viewer; else one for each run of equal stages.
    """
    with _temporary(path) as temporary, _open(temporary, 0, recording_start) as writer:
        for onset_s, duration_s, text in cut_runs(hypnogram, each_epoch):
            writer.writeAnnotation(onset_s, duration_s, text)


def cut_runs(hypnogram: Hypnogram, each_epoch: bool = False) -> Iterator[tuple[float, float, str]]:
    """Yield onset, duration (seconds) and text of each run of equal stages, or of each epoch.

    Examples
    --------
    >>> list(cut_runs(Hypnogram(("W", "W", "N1"))))
    [(0.0, 60.0, 'Sleep stage W'), (60.0, 30.0, 'Sleep stage N1')]
    """
    first = 0
    for epoch in range(1, len(hypnogram) + 1):
        if each_epoch or epoch == len(hypnogram) or hypnogram.stages[epoch] != hypnogram.stages[first]:
            stage = hypnogram.stages[first]
            text = f"Sleep stage {'?' if stage == UNSCORED else stage}"
            yield hypnogram.start_s + first * float(EPOCH_S), (epoch - first) * float(EPOCH_S), text
            first = epoch


def _open(path: Path, n_signals: int, start: datetime | None) -> pyedflib.EdfWriter:
    writer = pyedflib.EdfWriter(str(path), n_signals, pyedflib.FILETYPE_EDFPLUS)
    writer.setEquipment(EQUIPMENT)
    writer.setStartdatetime(start or NO_TIME)
    return writer


def _describe(signal: Signal) -> dict[str, str | float | int]:
    low_uv, high_uv = signal.physical_range_uv
    return {
        "label": signal.name,
        "dimension": "uV",
        "sample_frequency": signal.sampling_rate_hz,
        "physical_min": low_uv,
        "physical_max": high_uv,
        "digital_min": DIGITAL_MIN,
        "digital_max": DIGITAL_MAX,
        "transducer": "simulated",
        "prefilter": "",
    }


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """A neighbour that takes the name once it is whole; of a file in a store, one here that is put there."""
    if not is_here(path):
        with TemporaryDirectory(prefix="somnolens-") as folder:
            yield Path(folder) / path.name
            put_file(Path(folder) / path.name, path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)

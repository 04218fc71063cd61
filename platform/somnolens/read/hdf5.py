"""HDF5 recordings of the Dreem Open Datasets to `Recording`, in microvolts.

Layout, as the data owner's own code reads it (Dreem-Organization/dreem-learning-open, `h5_to_memmap.py` and
`convert_data_to_edf.py`): one-dimensional arrays `signals/eeg/C3_M2`, `signals/eog/EOG1`, `signals/emg/EMG`
in microvolts; the attribute `description`, a JSON list, gives the rate `fs` of each `path`; `start_time` is
in seconds since 1970; `hypnogram` holds the consensus, one integer per 30 s.

Unconfirmed on a real file: that `start_time` counts local time. A rate that is not given is taken for
250 Hz, which that code assumes, and the recording says so.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import h5py
import numpy as np

from somnolens.errors import UnreadableHypnogramError, UnreadableRecordingError
from somnolens.read.code_lists import refuse_codes
from somnolens.recording import Recording, Signal

GROUPS: Final = ("signals/eeg", "signals/eog", "signals/emg")
USUAL_RATE_HZ: Final = 250.0
MOST_RATE_HZ: Final = 100_000.0


def read_recording(path: Path, only: Collection[str] | None = None) -> Recording:
    """Read a recording; `only` names the signals to read, all if None.

    Raises
    ------
    UnreadableRecordingError
    """
    with open_hdf5(path) as file:
        recording, places = _describe(path, file)
        wanted = (signal for signal in recording if only is None or signal.name in only)
        signals = tuple(replace(one, samples_uv=np.asarray(file[places[one.name]], np.float32)) for one in wanted)
    return replace(recording, signals=signals)


def read_facts(path: Path) -> Recording:
    """Read what the file says about its signals, without samples.

    Raises
    ------
    UnreadableRecordingError
    """
    with open_hdf5(path) as file:
        return _describe(path, file)[0]


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open for reading; whatever HDF5 finds damaged is said in one sentence.

    Raises
    ------
    UnreadableRecordingError
    """
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, RuntimeError) as error:
        reason = type(error).__name__
        raise UnreadableRecordingError(
            f"{path.name} is an HDF5 file that cannot be read to its end ({reason}). Copy it again."
        ) from None


def _describe(path: Path, file: h5py.File) -> tuple[Recording, dict[str, str]]:
    """The recording without samples, and the place of each signal in the file."""
    places = {name: f"{group}/{name}" for group in GROUPS for name in _list_arrays(file, group)}
    if not places:
        raise UnreadableRecordingError(
            f"{path.name} is an HDF5 file without signals. Looked for arrays in {', '.join(GROUPS)}. "
            "Export the recording as EDF."
        )
    given = _read_rates(file)
    rates_hz = {name: given.get(place, USUAL_RATE_HZ) for name, place in places.items()}
    signals = tuple(Signal(name, np.empty(0, np.float32), rate_hz) for name, rate_hz in rates_hz.items())
    duration_s = min(len(file[place]) / rates_hz[name] for name, place in places.items())
    silent = [name for name, place in places.items() if place not in given]
    notes = (f"No rate is given for {', '.join(silent)}; {USUAL_RATE_HZ:g} Hz was taken.",) if silent else ()
    return Recording(path.stem, signals, duration_s, _read_start(file), notes=notes), places


def _list_arrays(file: h5py.File, group: str) -> list[str]:
    found = file.get(group)
    if not isinstance(found, h5py.Group):
        return []
    return [name for name, one in found.items() if isinstance(one, h5py.Dataset) and one.ndim == 1]


def _read_rates(file: h5py.File) -> dict[str, float]:
    try:
        listed = json.loads(file.attrs.get("description", "[]"))
        rates_hz = {str(one["path"]).strip("/"): float(one["fs"]) for one in listed}
    except (ValueError, TypeError, KeyError):
        return {}
    return {place: rate_hz for place, rate_hz in rates_hz.items() if 0 < rate_hz < MOST_RATE_HZ}


def _read_start(file: h5py.File) -> datetime | None:
    try:
        return datetime(1970, 1, 1) + timedelta(seconds=float(file.attrs["start_time"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def read_hypnogram_codes(path: Path, stages: Mapping[int, str]) -> list[int] | None:
    """Read the codes of the array `hypnogram`, one per 30 s; None if there is none.

    Raises
    ------
    UnreadableRecordingError
    UnreadableHypnogramError
        Naming the codes that have no stage.
    """
    with open_hdf5(path) as file:
        if "hypnogram" not in file:
            return None
        codes = np.ravel(file["hypnogram"][()])
    if codes.dtype.kind not in "iuf":
        raise UnreadableHypnogramError(f"{path.name} has a 'hypnogram' that holds no numbers. Name the scorers' files.")
    refuse_codes(codes.tolist(), stages, path.name)
    return [int(code) for code in codes]

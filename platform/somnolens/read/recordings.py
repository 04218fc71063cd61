"""Recordings of any format, told apart by their first bytes: EDF, EDF+, BDF, and the HDF5 files of DOD."""

from collections.abc import Collection
from pathlib import Path
from types import ModuleType
from typing import Final

from somnolens.read import edf
from somnolens.recording import Recording

_HDF5: Final = b"\x89HDF\r\n\x1a\n"


def read_recording(path: Path, only: Collection[str] | None = None) -> Recording:
    """Read a recording in microvolts.

    Parameters
    ----------
    path : Path
    only : collection of str, optional
        Labels to read; all voltages if None.

    Raises
    ------
    UnreadableRecordingError
    """
    return _find_reader(path).read_recording(path, only)


def read_facts(path: Path) -> Recording:
    """Read what the header says: the same as `read_recording`, with no samples in the signals."""
    return _find_reader(path).read_facts(path)


def _find_reader(path: Path) -> ModuleType:
    if path.is_file():
        with path.open("rb") as stream:
            if stream.read(len(_HDF5)) == _HDF5:
                from somnolens.read import hdf5  # h5py takes longer to import than a header to read

                return hdf5
    return edf

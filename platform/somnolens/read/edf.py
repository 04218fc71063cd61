"""EDF, EDF+, BDF and BDF+ files to `Recording`, in microvolts.

Samples come from pyedflib as digital values; the calibration is applied here, once. A file that
pyedflib refuses for its header alone is read through a private temporary copy with a plain header
that names nobody, and the recording says so in its notes.
"""

import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyedflib

from somnolens.errors import UnreadableRecordingError
from somnolens.read.edf_annotations import read_record_onsets
from somnolens.read.edf_header import (
    EdfHeader,
    SignalHeader,
    describe_unclean,
    read_edf_header,
    read_header_bytes,
    write_plain_header,
)
from somnolens.read.units import microvolts_per_unit
from somnolens.recording import OtherSignal, Recording, Signal

_EDFLIB: Final = threading.Lock()
"""edflib keeps one global table of open files and refuses a path that is open already."""

MAX_JITTER_S: Final = 1e-3
"""Records whose onsets are off by less are taken as contiguous: far below one sample drawn."""


@dataclass(frozen=True)
class _File:
    """A file whose header has been checked against its size."""

    path: Path
    header: EdfHeader
    n_records: int
    notes: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        return self.n_records * self.header.record_duration_s

    @property
    def by_name(self) -> dict[str, SignalHeader]:
        """Signals under their labels; a label that came before gets a number."""
        names = _name_apart([signal.label for signal in self.header.signals])
        return dict(zip(names, self.header.signals, strict=True))


def read_recording(path: Path, only: Collection[str] | None = None) -> Recording:
    """Read a recording in microvolts, whatever the unit in the header.

    Identifying header fields are never parsed. Signals that are no voltage are named in `others`.

    Parameters
    ----------
    path : Path
        EDF, EDF+C, EDF+D without a gap, BDF or BDF+; the ending does not matter.
    only : collection of str, optional
        Labels to read; all voltages if None. The others are left out, which saves their time.

    Returns
    -------
    Recording
        `samples_uv` are float32: 24 bits of mantissa hold the 16 of EDF and the 24 of BDF.

    Raises
    ------
    UnreadableRecordingError
        Naming the file by its name and everything that is wrong with it.
    """
    file = _open(path)
    recording = _describe(file)
    wanted = tuple(signal for signal in recording if only is None or signal.name in only)
    signals, notes = _read_signals(file, wanted)
    return replace(recording, signals=signals, notes=recording.notes + notes)


def read_facts(path: Path) -> Recording:
    """Read what the header says: the same as `read_recording`, with no samples in the signals."""
    return _describe(_open(path))


def _open(path: Path) -> _File:
    header = read_edf_header(path)
    if all(signal.is_annotations for signal in header.signals):
        raise UnreadableRecordingError(
            f"{path.name} holds annotations and no signal: it is a scoring file. Name the recording it belongs to."
        )
    file = _check_size(path, header)
    if header.plus:
        file = _check_continuity(file)
    return file


def _check_size(path: Path, header: EdfHeader) -> _File:
    n_bytes = path.stat().st_size - header.n_header_bytes
    n_whole = n_bytes // header.n_record_bytes
    if header.n_records == -1:
        return _count_records(path, header, n_whole)
    if n_whole < header.n_records:
        raise UnreadableRecordingError(
            f"{path.name} is cut short: it holds {n_whole} of {header.n_records} records "
            f"({_clock(n_whole * header.record_duration_s)} of {_clock(header.n_records * header.record_duration_s)}). "
            "Copy it again."
        )
    n_extra = n_bytes - header.n_records * header.n_record_bytes
    note = (f"{n_extra} bytes after the last record of the header were left unread.",) if n_extra else ()
    return _File(path, header, header.n_records, note)


def _count_records(path: Path, header: EdfHeader, n_whole: int) -> _File:
    if not n_whole:
        raise UnreadableRecordingError(f"{path.name} ends after its header: it holds no record. Copy it again.")
    note = f"The header does not say how many records there are (-1); {n_whole} were counted from the size of the file."
    return _File(path, header, n_whole, (note,))


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02d}:{int(seconds) % 60:02d} h"


def _check_continuity(file: _File) -> _File:
    """EDF+ may start within a second, and EDF+D may have gaps: the records say when they start."""
    is_gapped = file.header.plus == "D"
    onsets = read_record_onsets(file.path, file.header, file.n_records if is_gapped else 1)
    if is_gapped:
        _refuse_gaps(file, onsets)
    if file.header.start is None or not len(onsets) or np.isnan(onsets[0]):
        return file
    start = file.header.start + timedelta(seconds=float(onsets[0]))
    return replace(file, header=replace(file.header, start=start))


def _refuse_gaps(file: _File, onsets: np.ndarray) -> None:
    if n_silent := file.n_records - np.isfinite(onsets).sum():
        raise UnreadableRecordingError(
            f"{file.path.name} is discontinuous (EDF+D) and does not say when {n_silent} of its records start, so gaps "
            "cannot be seen. Export it as continuous EDF+."
        )
    expected = onsets[0] + np.arange(len(onsets)) * file.header.record_duration_s
    missing_s = np.diff(onsets - expected, prepend=0.0)
    gaps = np.flatnonzero(np.abs(missing_s) > MAX_JITTER_S)
    if len(gaps):
        first = gaps[0]
        raise UnreadableRecordingError(
            f"{file.path.name} is discontinuous (EDF+D) with {len(gaps)} gap(s), the first of {missing_s[first]:g} s "
            f"after {_clock(first * file.header.record_duration_s)} of signal. Epochs need a signal without gaps: "
            "export it as continuous EDF+, or each part as a file."
        )


def _describe(file: _File) -> Recording:
    """The recording without samples."""
    header = file.header
    voltages, others, notes = [], [], list(file.notes)
    for name, signal in file.by_name.items():
        rate_hz = header.sampling_rate_hz(signal)
        if signal.is_voltage:
            factor, guess = microvolts_per_unit(signal.unit, signal.physical_min, signal.physical_max)
            ends = sorted((factor * signal.physical_min, factor * signal.physical_max))
            voltages.append(Signal(name, np.empty(0, np.float32), rate_hz, (ends[0], ends[1])))
            notes += [f"'{name}' {guess}."] if guess else []
        elif not signal.is_annotations:
            others.append(OtherSignal(name, signal.unit, rate_hz))
            notes += [f"'{name}' was left out: {signal.fault}."] if signal.fault else []
    notes += [f"The label '{label}' stands {n} times; the later ones got a number." for label, n in _twice(header)]
    if header.start is None:
        notes.append("The start date or time in the header is not one; clock times are unknown.")
    return Recording(file.path.stem, tuple(voltages), file.duration_s, header.start, tuple(others), tuple(notes))


def _name_apart(labels: list[str]) -> list[str]:
    seen: Counter[str] = Counter()
    names = []
    for label in labels:
        seen[label] += 1
        names.append(label if seen[label] == 1 else f"{label} ({seen[label]})")
    return names


def _twice(header: EdfHeader) -> list[tuple[str, int]]:
    counts = Counter(signal.label for signal in header.signals if not signal.is_annotations)
    return [(label, n) for label, n in counts.items() if n > 1]


def _read_signals(file: _File, signals: tuple[Signal, ...]) -> tuple[tuple[Signal, ...], tuple[str, ...]]:
    """The signals with their samples, and a note if it took a cleaned copy."""
    if file.header.plus == "D" or file.header.n_records == -1:  # edflib refuses both
        return _read_through_copy(file, signals, "")
    try:
        with _open_edflib(file.path) as reader:
            return _read_with(reader, file, signals, skip_annotations=bool(file.header.plus)), ()
    except OSError as error:
        return _read_through_copy(file, signals, _strip_path(str(error)))


@contextmanager
def _open_edflib(path: Path) -> Iterator[pyedflib.EdfReader]:
    with _EDFLIB:
        reader = pyedflib.EdfReader(str(path), pyedflib.DO_NOT_READ_ANNOTATIONS, pyedflib.DO_NOT_CHECK_FILE_SIZE)
        try:
            yield reader
        finally:
            reader.close()


def _read_with(
    reader: pyedflib.EdfReader, file: _File, signals: tuple[Signal, ...], skip_annotations: bool
) -> tuple[Signal, ...]:
    """edflib numbers the signals of an EDF+ file without its annotation signals."""
    headers = file.by_name
    numbered = [name for name, header in headers.items() if not (skip_annotations and header.is_annotations)]
    return tuple(
        _calibrate(signal, headers[signal.name], reader.readSignal(numbered.index(signal.name), digital=True))
        for signal in signals
    )


def _calibrate(signal: Signal, header: SignalHeader, digital: np.ndarray) -> Signal:
    factor, _ = microvolts_per_unit(header.unit, header.physical_min, header.physical_max)
    samples_uv = digital.astype(np.float32)
    samples_uv *= np.float32(factor * header.gain)
    samples_uv += np.float32(factor * header.offset)
    return replace(signal, samples_uv=samples_uv)


def _read_through_copy(
    file: _File, signals: tuple[Signal, ...], reason: str
) -> tuple[tuple[Signal, ...], tuple[str, ...]]:
    unclean = describe_unclean(read_header_bytes(file.path))
    with tempfile.TemporaryDirectory(prefix="somnolens-") as folder:
        copy = Path(folder) / "clean.edf"
        _write_clean_copy(file, copy)
        try:
            with _open_edflib(copy) as reader:
                read = _read_with(reader, file, signals, skip_annotations=False)
        except OSError as error:
            raise UnreadableRecordingError(
                f"{file.path.name} cannot be read as EDF even with a cleaned header: {_strip_path(str(error))}. "
                "Export the recording again."
            ) from None
    return read, _tell_cleaning(unclean, reason)


def _write_clean_copy(file: _File, copy: Path) -> None:
    with file.path.open("rb") as source, copy.open("wb") as target:
        source.seek(file.header.n_header_bytes)
        target.write(write_plain_header(file.header, file.n_records))
        shutil.copyfileobj(source, target, 1 << 20)


def _tell_cleaning(unclean: list[str], reason: str) -> tuple[str, ...]:
    if unclean:
        return (f"The header is not plain ASCII ({', '.join(unclean)}); it was read through a cleaned copy.",)
    if reason:
        return (f"The header does not keep to the standard ({reason}); it was read through a cleaned copy.",)
    return ()


def _strip_path(reason: str) -> str:
    """What edflib says, without the path it puts in front."""
    return reason.rpartition(": ")[2].removeprefix("the file is not EDF(+) or BDF(+) compliant").strip(" ,()")

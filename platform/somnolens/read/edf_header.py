"""The header of an EDF or BDF file: parsed and checked as a whole.

Layout: 256 bytes about the file, then 256 bytes per signal, field by field, in ASCII.
Sources: B. Kemp et al., "A simple format for exchange of digitized polygraphic recordings",
Electroencephalogr. Clin. Neurophysiol. 82 (1992) 391-393; B. Kemp and J. Olivan, "European data
format 'plus' (EDF+)", Clin. Neurophysiol. 114 (2003) 1755-1761; https://www.edfplus.info/specs/.
BDF (BioSemi) is the same with 24-bit samples and another first field.

The two identifying fields (bytes 8 to 168: patient and recording) are never decoded here.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Final

from somnolens.errors import UnreadableRecordingError
from somnolens.read.units import is_voltage

FILE_FIELDS_BYTES: Final = 256
ANNOTATION_LABELS: Final = ("EDF Annotations", "BDF Annotations")
IDENTIFYING: Final = slice(8, 168)
"""Patient (80 bytes) and recording (80 bytes): name, code, birth date, technician, equipment."""

SIGNAL_FIELD_BYTES: Final = {
    "label": 16,
    "transducer": 80,
    "unit": 8,
    "physical_min": 8,
    "physical_max": 8,
    "digital_min": 8,
    "digital_max": 8,
    "prefilter": 80,
    "n_samples": 8,
    "reserved": 32,
}
"""Width of each field; all signals' labels come first, then all transducers, and so on."""


LARGEST_PHYSICAL: Final = 1e12
"""In any unit: a voltage beyond it is a broken field."""


@dataclass(frozen=True)
class SignalHeader:
    """What the header says about one signal. Ranges are in `unit` and in digital steps.

    `fault` says why its samples cannot be turned into microvolts, or is empty.
    """

    label: str
    unit: str
    physical_min: float
    physical_max: float
    digital_min: int
    digital_max: int
    n_samples_per_record: int
    fault: str = ""

    @property
    def is_annotations(self) -> bool:
        return self.label in ANNOTATION_LABELS

    @property
    def is_voltage(self) -> bool:
        """Whether it becomes a `Signal` in microvolts."""
        return not (self.is_annotations or self.fault) and is_voltage(self.label, self.unit)

    @property
    def gain(self) -> float:
        """Physical units per digital step; negative where the amplifier inverts."""
        return (self.physical_max - self.physical_min) / (self.digital_max - self.digital_min)

    @property
    def offset(self) -> float:
        """Physical value of digital 0."""
        return self.physical_min - self.gain * self.digital_min


@dataclass(frozen=True)
class EdfHeader:
    """What the header says about the file, without a word about the person.

    Parameters
    ----------
    n_bytes_per_sample : int
        2 in EDF, 3 in BDF.
    plus : str
        '' for plain EDF, 'C' for continuous EDF+, 'D' for discontinuous EDF+.
    start : datetime or None
        None where the date or time field is not one.
    n_records : int
        As written: -1 means the writer did not know.
    record_duration_s : float
    signals : tuple of SignalHeader
        Annotation signals included, in the order of the file.
    unclean : tuple of str
        Names of the fields that are not printable ASCII.
    """

    n_bytes_per_sample: int
    plus: str
    start: datetime | None
    n_records: int
    record_duration_s: float
    signals: tuple[SignalHeader, ...]
    unclean: tuple[str, ...] = ()

    @property
    def n_header_bytes(self) -> int:
        return FILE_FIELDS_BYTES * (1 + len(self.signals))

    @property
    def n_record_bytes(self) -> int:
        return self.n_bytes_per_sample * sum(signal.n_samples_per_record for signal in self.signals)

    def places(self) -> list[slice]:
        """Bytes of each signal in a record."""
        ends = [self.n_bytes_per_sample * n for n in accumulate(one.n_samples_per_record for one in self.signals)]
        return [slice(begin, end) for begin, end in pairwise([0, *ends])]

    def sampling_rate_hz(self, signal: SignalHeader) -> float:
        return signal.n_samples_per_record / self.record_duration_s


class Faults(list[str]):
    """Everything that is wrong with one file, so that it is said at once."""

    def number(self, text: str, what: str, whole: bool = False) -> float:
        try:
            value = float(text.replace(",", "."))  # some writers obey the locale
            if not math.isfinite(value) or (whole and value != int(value)):
                raise ValueError
        except ValueError:
            self.append(f"{what} is {text!r}, not a {'whole ' if whole else ''}number")
            return math.nan
        return value

    def stop(self, name: str) -> None:
        """Raise one error that holds all faults, if there is any."""
        if self:
            raise UnreadableRecordingError(
                f"{name} cannot be read as EDF: {'; '.join(self)}. Export or copy the recording again."
            )


def read_edf_header(path: Path) -> EdfHeader:
    """Parse and check the header.

    Raises
    ------
    UnreadableRecordingError
        Naming the file by its name and everything that is wrong with it.
    """
    raw = _read_header_bytes(path)
    faults = Faults()
    header = _parse(raw, faults)
    faults.stop(path.name)
    return header


def _read_header_bytes(path: Path) -> bytes:
    """Read the bytes of the header: 256 and 256 for each signal."""
    if not path.is_file():
        raise UnreadableRecordingError(f"There is no file {path.name}. Check the path.")
    with path.open("rb") as stream:
        first = stream.read(FILE_FIELDS_BYTES)
        _refuse_foreign(first, path.name)
        n_signals = _count_signals(first, path.name)
        raw = first + stream.read(FILE_FIELDS_BYTES * n_signals)
    if len(raw) < FILE_FIELDS_BYTES * (1 + n_signals):
        raise UnreadableRecordingError(
            f"{path.name} ends inside its header: {len(raw)} of {FILE_FIELDS_BYTES * (1 + n_signals)} bytes are there. "
            "Copy it again."
        )
    return raw


def is_edf(first: bytes) -> bool:
    """Whether the first bytes of a file are those of an EDF or BDF file.

    Examples
    --------
    >>> is_edf(b"0       X X X X"), is_edf(b"onset,duration,stage")
    (True, False)
    """
    return first[:8].rstrip(b" \0") == b"0" or first[:8] == b"\xffBIOSEMI"


def _refuse_foreign(first: bytes, name: str) -> None:
    if not first:
        raise UnreadableRecordingError(f"{name} is empty (0 bytes). Copy or upload it again.")
    if not is_edf(first):
        raise UnreadableRecordingError(
            f"{name} is not an EDF or BDF file: it does not begin with version '0'. Export the recording as EDF."
        )
    if len(first) < FILE_FIELDS_BYTES:
        raise UnreadableRecordingError(
            f"{name} ends inside its header: {len(first)} of at least {FILE_FIELDS_BYTES} bytes are there. "
            "Copy it again."
        )


def _count_signals(first: bytes, name: str) -> int:
    text = _decode(first[252:256])
    if not text.isdecimal() or int(text) == 0:
        raise UnreadableRecordingError(
            f"{name} cannot be read as EDF: its number of signals is {text!r}. Export or copy the recording again."
        )
    return int(text)


def _parse(raw: bytes, faults: Faults) -> EdfHeader:
    n_records = faults.number(_decode(raw[236:244]), "the number of records", whole=True)
    record_duration_s = faults.number(_decode(raw[244:252]), "the duration of a record")
    if n_records == 0 or n_records < -1:
        faults.append(f"it holds {n_records:.0f} records, so no signal")
    parsed = [_parse_signal(fields, number, faults) for number, fields in enumerate(_iter_signals(raw), 1)]
    signals = tuple(signal for signal in parsed if signal)
    if not any(signal.is_voltage for signal in signals):  # one that can be read is enough
        faults += [signal.fault for signal in signals if signal.fault]
    if record_duration_s <= 0 and not all(signal.is_annotations for signal in signals):
        faults.append(f"a record lasts {record_duration_s:g} s")
    return EdfHeader(
        n_bytes_per_sample=3 if raw[:1] == b"\xff" else 2,
        plus=_parse_plus(_decode(raw[192:236])),
        start=_parse_start(raw[168:184]),
        n_records=0 if math.isnan(n_records) else int(n_records),
        record_duration_s=record_duration_s,
        signals=signals,
        unclean=tuple(_find_unclean(raw)),
    )


def _iter_signals(raw: bytes) -> Iterator[dict[str, str]]:
    n_signals = len(raw) // FILE_FIELDS_BYTES - 1
    for index in range(n_signals):
        fields, offset = {}, FILE_FIELDS_BYTES
        for field, width in SIGNAL_FIELD_BYTES.items():
            begin = offset + index * width
            fields[field] = _decode(raw[begin : begin + width])
            offset += n_signals * width
        yield fields


def _parse_signal(fields: dict[str, str], number: int, faults: Faults) -> SignalHeader | None:
    where = f"of signal {number} ({fields['label'] or 'no label'})"
    own = Faults()
    physical = [own.number(fields[f"physical_{end}"], f"the physical {end}imum {where}") for end in ("min", "max")]
    digital = [own.number(fields[f"digital_{end}"], f"the digital {end}imum {where}", True) for end in ("min", "max")]
    n_samples = own.number(fields["n_samples"], f"the number of samples {where}", True)
    if n_samples <= 0:
        own.append(f"the number of samples {where} is {n_samples:.0f}")
    faults += own
    if own:
        return None
    signal = SignalHeader(fields["label"], fields["unit"], *physical, *map(int, digital), int(n_samples))
    return replace(signal, fault="; ".join(_check_ranges(signal, where)))


def _check_ranges(signal: SignalHeader, where: str) -> Iterator[str]:
    if not signal.is_voltage:  # text, or a signal that is named but not read
        return
    if signal.physical_min == signal.physical_max:
        yield f"the physical range {where} is {signal.physical_min:g} to {signal.physical_max:g}: it has no height"
    if max(abs(signal.physical_min), abs(signal.physical_max)) > LARGEST_PHYSICAL:
        yield f"the physical range {where} is {signal.physical_min:g} to {signal.physical_max:g}: no amplifier has it"
    if signal.digital_min >= signal.digital_max:
        yield f"the digital range {where} is {signal.digital_min} to {signal.digital_max}: it does not rise"


def _parse_plus(reserved: str) -> str:
    match = re.match(r"[EB]DF\+([CD])", reserved)
    return match[1] if match else ""


def _parse_start(raw: bytes) -> datetime | None:
    """dd.mm.yy and hh.mm.ss; two-digit years run from 1985 to 2084 (EDF+ 2.1.3.1)."""
    numbers = re.findall(rb"\d+", raw[:8]) + re.findall(rb"\d+", raw[8:])
    if len(numbers) != 6:
        return None
    day, month, year, hour, minute, second = map(int, numbers)
    try:
        return datetime(year + (1900 if year >= 85 else 2000), month, day, hour, minute, second)
    except ValueError:
        return None


def _decode(raw: bytes) -> str:
    """Text of a field; the standard allows ASCII only, files also hold UTF-8 and Latin-1."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return "".join(letter for letter in text if letter.isprintable()).strip()


def _find_unclean(raw: bytes) -> Iterator[str]:
    """Name the fields that are not printable ASCII, never their content."""
    yield from (name for name, field in _FILE_FIELDS.items() if not _is_clean(raw[field]))
    offset, n_signals = FILE_FIELDS_BYTES, len(raw) // FILE_FIELDS_BYTES - 1
    for name, width in SIGNAL_FIELD_BYTES.items():
        cells = (raw[offset + index * width : offset + (index + 1) * width] for index in range(n_signals))
        yield from (
            f"{name.replace('_', ' ')} of signal {number}"
            for number, cell in enumerate(cells, 1)
            if not _is_clean(cell)
        )
        offset += n_signals * width


_FILE_FIELDS: Final = {
    "patient field": slice(8, 88),
    "recording field": slice(88, 168),
    "reserved field": slice(192, 236),
}


def _is_clean(cell: bytes) -> bool:
    return all(32 <= byte <= 126 for byte in cell)

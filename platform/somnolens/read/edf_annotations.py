"""Time-stamped annotation lists (TAL) of EDF+ and BDF+ files.

A TAL is `onset [0x15 duration] 0x14 text 0x14 ... 0x00`, onset with its sign, in seconds since the
start in the header; the first one of each record has an empty text and tells when the record starts.
Source: EDF+ specification, 2.2.2 to 2.2.4. Read here and not by pyedflib, which refuses EDF+D and
files whose patient field is not well formed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from somnolens.read.edf_header import EdfHeader

_TAL: Final = re.compile(rb"(?:^|(?<=\x00))([+-]\d+(?:\.\d*)?)(?:\x15(\d+(?:\.\d*)?))?\x14((?:[^\x14\x00]*\x14)*)\x00")


@dataclass(frozen=True)
class Annotation:
    """One text at one time.

    Parameters
    ----------
    onset_s : float
        Seconds since the start in the header.
    duration_s : float or None
        None where the file gives none.
    text : str
    """

    onset_s: float
    duration_s: float | None
    text: str


def read_annotations(path: Path, header: EdfHeader) -> list[Annotation]:
    """Read all annotations of a file, in the order of their onsets; texts only, no time-keeping.

    Examples
    --------
    >>> list(parse_tals(b"+30\\x1560\\x14Sleep stage 2\\x14\\x00"))
    [Annotation(onset_s=30.0, duration_s=60.0, text='Sleep stage 2')]
    """
    found = [
        annotation
        for signal_bytes in _read_annotation_bytes(path, header)
        for annotation in parse_tals(signal_bytes.tobytes())
        if annotation.text
    ]
    return sorted(found, key=lambda annotation: annotation.onset_s)


def parse_tals(raw: bytes) -> Iterator[Annotation]:
    """Parse consecutive TALs; several texts may share one onset."""
    for onset, duration, texts in _TAL.findall(raw):
        for text in texts.split(b"\x14")[:-1]:
            yield Annotation(float(onset), float(duration) if duration else None, _decode(text))


def read_record_onsets(path: Path, header: EdfHeader, n_records: int) -> np.ndarray:
    """Onsets of the first `n_records` records, each by its own time-keeping TAL.

    Returns
    -------
    ndarray, shape (n_records,)
        Seconds since the start in the header; NaN where a record does not say.
    """
    blocks = _read_annotation_bytes(path, header, n_records)
    return np.array([_parse_onset(row.tobytes()) for row in blocks[0]] if blocks else [])


def _parse_onset(raw: bytes) -> float:
    match = _TAL.match(raw)
    return float(match[1]) if match else np.nan


def _read_annotation_bytes(path: Path, header: EdfHeader, n_most: int | None = None) -> list[np.ndarray]:
    """Bytes of each annotation signal, uint8, shape (n_records, n_bytes)."""
    n_records = (path.stat().st_size - header.n_header_bytes) // header.n_record_bytes
    n_records = n_records if n_most is None else min(n_records, n_most)
    if n_records <= 0:
        return []
    records = np.memmap(path, np.uint8, "r", header.n_header_bytes, (n_records, header.n_record_bytes))
    return [
        np.array(records[:, place])
        for signal, place in zip(header.signals, header.places(), strict=True)
        if signal.is_annotations
    ]


def _decode(text: bytes) -> str:
    """UTF-8 by the standard; Latin-1 in the files of some exporters."""
    try:
        return text.decode("utf-8").strip()
    except UnicodeDecodeError:
        return text.decode("latin-1").strip()

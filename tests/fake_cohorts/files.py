"""Files of fake cohorts, by pyedflib; header fields that it would not write are put in afterwards."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pyedflib

from tests.fake_cohorts.signals import RANGE_UV, Channel

START = datetime(2001, 3, 2, 22, 30, 15)
MICROVOLTS = {"uV": 1.0, "mV": 1e3, "V": 1e6}

Annotations = Sequence[tuple[float, float, str]]
"""Onset and duration in seconds (-1 for none), and the text."""


def write_edf(path: Path, channels: Sequence[Channel], annotations: Annotations = (), plus: bool = False) -> Path:
    """Write a plain EDF, or EDF+ where there are annotations."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = pyedflib.FILETYPE_EDFPLUS if annotations or plus else pyedflib.FILETYPE_EDF
    with pyedflib.EdfWriter(str(path), len(channels), kind) as writer:
        writer.setStartdatetime(START)
        writer.setSignalHeaders([_describe(channel) for channel in channels])
        scales = [MICROVOLTS.get(channel.unit, 1.0) for channel in channels]
        writer.writeSamples([channel.draw() / scale for channel, scale in zip(channels, scales, strict=True)])
        _annotate(writer, annotations)
    return path


def write_annotations(path: Path, annotations: Annotations) -> Path:
    """Write EDF+ with annotations and no signal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with pyedflib.EdfWriter(str(path), 0, pyedflib.FILETYPE_EDFPLUS) as writer:
        writer.setStartdatetime(START)
        _annotate(writer, annotations)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a text file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def put_in_header(path: Path, field: str, number: int, text: str) -> None:
    """Replace one field of one signal, whatever the standard says: 'label', 'unit', 'low' or 'high'."""
    widths = {"label": (0, 16), "unit": (96, 8), "low": (104, 8), "high": (112, 8)}
    raw = bytearray(path.read_bytes())
    n_signals, (offset, width) = int(raw[252:256]), widths[field]
    begin = 256 + n_signals * offset + number * width
    raw[begin : begin + width] = text.encode("ascii").ljust(width)
    path.write_bytes(raw)


def spread(stages: Sequence[str], texts: dict[str, str], epoch_s: float = 30, start_s: float = 0) -> Annotations:
    """One annotation for each epoch."""
    return [(start_s + epoch_s * epoch, epoch_s, texts[stage]) for epoch, stage in enumerate(stages)]


def _annotate(writer: pyedflib.EdfWriter, annotations: Annotations) -> None:
    for onset_s, duration_s, text in annotations:
        writer.writeAnnotation(onset_s, duration_s, text)


def _describe(channel: Channel) -> dict[str, object]:
    limit = RANGE_UV / MICROVOLTS.get(channel.unit, 1.0)
    return {
        "label": channel.label,
        "dimension": channel.unit,
        "sample_frequency": channel.rate_hz,
        "physical_min": -limit,
        "physical_max": limit,
        "digital_min": -32768,
        "digital_max": 32767,
        "transducer": "",
        "prefilter": "",
    }

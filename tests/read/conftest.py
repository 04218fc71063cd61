"""EDF files made byte by byte, right or wrong in one known place, by none of the libraries under test."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)


def signal(label: str, digital: np.ndarray, n_samples: int = 100, unit: str = "uV", **changes: object) -> dict:
    """A signal with a range of +-3276.8 microvolts on 16 bits: 0.1 per step, but for half a step of offset."""
    fields = {"physical_min": "-3276.8", "physical_max": "3276.7", "digital_min": "-32768", "digital_max": "32767"}
    return {"label": label, "unit": unit, "digital": digital, "n_samples": n_samples, **fields, **changes}


def tal_signal(tals: list[bytes], n_samples: int = 40, label: str = "EDF Annotations") -> dict:
    """An annotation signal: one block of bytes per record."""
    blocks = b"".join(tal.ljust(2 * n_samples, b"\0") for tal in tals)
    return signal(label, np.frombuffer(blocks, "<i2"), n_samples, unit="")


def build_edf(signals: list[dict], record_s: str = "1", **changes: object) -> bytes:
    """Bytes of an EDF file; any field of the header can be given another text."""
    n_records = len(signals[0]["digital"]) // signals[0]["n_samples"]
    columns = [
        [part[name] for part in signals]
        for name in ("label", "unit", "physical_min", "physical_max", "digital_min", "digital_max", "n_samples")
    ]
    label, unit, *ranges, n_samples = columns
    empty = [""] * len(signals)
    rows = (label, empty, unit, *ranges, empty, n_samples, empty)
    head = {
        "version": ("0", 8),
        "patient": ("X X X X", 80),
        "recording": ("Startdate 02-MAR-2021 X X X", 80),
        "date": ("02.03.21", 8),
        "time": ("22.30.15", 8),
        "n_bytes": (str(256 * (1 + len(signals))), 8),
        "reserved": ("", 44),
        "n_records": (str(n_records), 8),
        "record_s": (record_s, 8),
        "n_signals": (str(len(signals)), 4),
    }
    header = b"".join(_pad(changes.get(name, text), width) for name, (text, width) in head.items())
    header += b"".join(_pad(cell, width) for row, width in zip(rows, WIDTHS, strict=True) for cell in row)
    return header + _interleave(signals, n_records, changes.get("n_bytes_per_sample", 2))


def _interleave(signals: list[dict], n_records: int, n_bytes: int) -> bytes:
    records = [part["digital"].reshape(n_records, part["n_samples"]) for part in signals]
    joined = np.concatenate(records, axis=1).astype("<i4")
    return joined[..., None].view(np.uint8)[..., :n_bytes].tobytes()


def _pad(text: object, width: int) -> bytes:
    raw = text if isinstance(text, bytes) else str(text).encode("utf-8")
    return raw.ljust(width)[:width]


@pytest.fixture
def ramp() -> np.ndarray:
    """Ten records of 100 samples that go through the digital range."""
    return np.linspace(-32768, 32767, 1000).round().astype(int)


@pytest.fixture
def write_edf(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of the given signals and return its path."""

    def write(signals: list[dict], name: str = "night.edf", **changes: object) -> Path:
        path = tmp_path / name
        path.write_bytes(build_edf(signals, **changes))
        return path

    return write


@pytest.fixture
def make_signal() -> Callable[..., dict]:
    return signal


@pytest.fixture
def make_tals() -> Callable[..., dict]:
    return tal_signal

"""A recording: the signals of one night, in microvolts, each at its own rate."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np


@dataclass(frozen=True, eq=False)
class Signal:
    """One voltage signal as the file names it.

    Parameters
    ----------
    name : str
        Label as the file gives it, stripped.
    samples_uv : ndarray, shape (n_samples,)
        In microvolts, whatever unit the header states.
    sampling_rate_hz : float
    physical_range_uv : tuple of float
        Lowest and highest value the header allows: samples at these are clipped.
    """

    name: str
    samples_uv: np.ndarray
    sampling_rate_hz: float
    physical_range_uv: tuple[float, float] = (-np.inf, np.inf)


@dataclass(frozen=True)
class OtherSignal:
    """A signal that is not a voltage (respiration, temperature, marker): named, not read."""

    name: str
    unit: str
    sampling_rate_hz: float


@dataclass(frozen=True, eq=False)
class Recording:
    """The signals of one file.

    Assumes that all signals start together, at `start`, and run without a gap.
    Identifying header fields are not part of it: they never leave the reader.

    Parameters
    ----------
    name : str
        File name without its ending.
    signals : tuple of Signal
    duration_s : float
    start : datetime or None
        Local clock time of the first sample.
    others : tuple of OtherSignal
    notes : tuple of str
        What the reader had to mend, one sentence each.

    Examples
    --------
    >>> recording = Recording("night", (Signal("C4-M1", np.zeros(3000), 100.0),), 30.0)
    >>> recording.names, recording["C4-M1"].sampling_rate_hz
    (('C4-M1',), 100.0)
    """

    name: str
    signals: tuple[Signal, ...]
    duration_s: float
    start: datetime | None = None
    others: tuple[OtherSignal, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(signal.name for signal in self.signals)

    def __iter__(self) -> Iterator[Signal]:
        return iter(self.signals)

    def __getitem__(self, name: str) -> Signal:
        return next(signal for signal in self.signals if signal.name == name)

"""What a person wants to know of a recording before scoring it, as plain facts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from somnolens.aasm import EPOCH_S
from somnolens.errors import MissingDerivationError
from somnolens.read.montage import Derivation, Part, find_montage
from somnolens.read.recordings import read_facts
from somnolens.recording import Recording


@dataclass(frozen=True)
class SignalFacts:
    """One row of the table of signals."""

    name: str
    unit: str
    sampling_rate_hz: float
    drawn_as: str | None


@dataclass(frozen=True)
class Inspection:
    """Facts about one recording; nothing identifying.

    Parameters
    ----------
    name : str
        File name.
    duration_s : float
    n_epochs : int
        Whole 30-s epochs.
    start : datetime or None
    signals : tuple of SignalFacts
    derivations : tuple of Derivation
        Each recommended derivation with its source and reason; empty if none can be drawn.
    problem : str
        Why nothing can be drawn, or ''.
    notes : tuple of str
        What the reader had to mend.
    """

    name: str
    duration_s: float
    n_epochs: int
    start: datetime | None
    signals: tuple[SignalFacts, ...]
    derivations: tuple[Derivation, ...]
    problem: str
    notes: tuple[str, ...]

    @property
    def drawn(self) -> tuple[Derivation, ...]:
        return tuple(derivation for derivation in self.derivations if derivation.parts)

    @property
    def missing(self) -> tuple[Derivation, ...]:
        return tuple(derivation for derivation in self.derivations if not derivation.parts)


def inspect_recording(path: Path, names: Mapping[str, Part] | None = None) -> Inspection:
    """Gather the facts from the header alone, so it takes no time for a file of any size.

    Raises
    ------
    UnreadableRecordingError
        A recording that can be read but not drawn is no error here: see `Inspection.problem`.
    """
    recording = read_facts(path)
    try:
        derivations, problem = find_montage(recording, names).derivations, ""
    except MissingDerivationError as error:
        derivations, problem = (), str(error)
    return Inspection(
        name=path.name,
        duration_s=recording.duration_s,
        n_epochs=int((recording.duration_s + 1e-6) // EPOCH_S),
        start=recording.start,
        signals=_list_signals(recording, derivations),
        derivations=derivations,
        problem=problem,
        notes=recording.notes,
    )


def _list_signals(recording: Recording, derivations: tuple[Derivation, ...]) -> tuple[SignalFacts, ...]:
    uses: dict[str, list[str]] = {}
    for derivation in derivations:
        for name, _ in derivation.parts:
            uses.setdefault(name, []).append(derivation.name)
    voltages = (
        SignalFacts(signal.name, "uV", signal.sampling_rate_hz, ", ".join(uses.get(signal.name, [])) or None)
        for signal in recording
    )
    others = (SignalFacts(other.name, other.unit, other.sampling_rate_hz, None) for other in recording.others)
    return (*voltages, *others)

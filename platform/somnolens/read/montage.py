"""Which signals of a recording are drawn as which derivation.

For each recommended derivation (`aasm.RECOMMENDED_DERIVATIONS`) a list of ways to get it, best first:
the derivation itself, the mirrored back-up and the acceptable alternatives of the manual (III.A), and
then whatever lies nearest. Each way may be one signal, one signal upside down, or the difference of
two electrodes recorded apart. Every choice carries its reason.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from somnolens.aasm import RECOMMENDED_DERIVATIONS, Kind
from somnolens.errors import MissingDerivationError, SettingsError
from somnolens.read.labels import Lead, parse_label
from somnolens.recording import Recording, Signal

LEAST_RATE_HZ: Final = 10.0
"""A slower signal is an envelope or a trend, not a waveform."""

ANY: Final = "any"


@dataclass(frozen=True)
class Derivation:
    """One derivation of the montage and where it comes from.

    Parameters
    ----------
    name : str
        Canonical name, as in `aasm.RECOMMENDED_DERIVATIONS`.
    kind : str
        'EEG', 'EOG' or 'EMG'.
    parts : tuple of (str, int)
        Signals to add up, each with its sign: (("F4", 1), ("M1", -1)). Empty if missing.
    reason : str
        Why this one, or why there is none.
    """

    name: str
    kind: Kind
    parts: tuple[tuple[str, int], ...]
    reason: str

    @property
    def source(self) -> str | None:
        """How it is made, as text: 'F4 - M1'; None if missing."""
        if not self.parts:
            return None
        text = "".join(f" {'-' if sign < 0 else '+'} {name}" for name, sign in self.parts)
        return text.removeprefix(" + ").strip()


@dataclass(frozen=True)
class Montage:
    """The derivations of a recording, top to bottom as drawn.

    Examples
    --------
    >>> Montage((Derivation("F4-M1", "EEG", (("F4", 1), ("M1", -1)), "re-referenced"),)).sources
    ('F4 - M1',)
    """

    derivations: tuple[Derivation, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(derivation.name for derivation in self.derivations)

    @property
    def sources(self) -> tuple[str | None, ...]:
        return tuple(derivation.source for derivation in self.derivations)

    @property
    def missing(self) -> tuple[Derivation, ...]:
        return tuple(derivation for derivation in self.derivations if not derivation.parts)

    @property
    def signal_names(self) -> tuple[str, ...]:
        """Labels of all signals that have to be read, each once."""
        return tuple(dict.fromkeys(name for derivation in self.derivations for name, _ in derivation.parts))


@dataclass(frozen=True)
class _Way:
    """One way to get a derivation. `reference` ANY takes what the file has, None only a label without one."""

    active: str
    reference: str | None
    reason: str


_MIRRORED = "the mirrored derivation, which the manual allows as back-up"
_OTHER_REFERENCE = "the right place against another reference"
_ALTERNATIVE = "the manual's acceptable alternative"

_WAYS: Final[dict[str, tuple[_Way, ...]]] = {
    "F4-M1": (
        _Way("F4", "M1", "as recommended"),
        _Way("F3", "M2", _MIRRORED),
        _Way("FZ", "CZ", _ALTERNATIVE),
        _Way("F4", ANY, _OTHER_REFERENCE),
        _Way("F3", ANY, "the mirrored place against another reference"),
        _Way("FZ", ANY, "frontal, on the midline"),
        _Way("FPZ", ANY, "the nearest frontal place the file has"),
        _Way("FP2", ANY, "the nearest frontal place the file has"),
        _Way("FP1", ANY, "the nearest frontal place the file has"),
    ),
    "C4-M1": (
        _Way("C4", "M1", "as recommended"),
        _Way("C3", "M2", _MIRRORED),
        _Way("C4", ANY, _OTHER_REFERENCE),
        _Way("C3", ANY, "the mirrored place against another reference"),
        _Way("CZ", ANY, "central, on the midline"),
        _Way("EEG", ANY, "the label says EEG and no place; most such files hold a central one"),
    ),
    "O2-M1": (
        _Way("O2", "M1", "as recommended"),
        _Way("O1", "M2", _MIRRORED),
        _Way("CZ", "OZ", _ALTERNATIVE),
        _Way("O2", ANY, _OTHER_REFERENCE),
        _Way("O1", ANY, "the mirrored place against another reference"),
        _Way("OZ", ANY, "occipital, on the midline"),
        _Way("PZ", "OZ", "the nearest occipital derivation the file has"),
    ),
    "E1-M2": (
        _Way("E1", "M2", "as recommended"),
        _Way("E1", "FPZ", _ALTERNATIVE),
        _Way("E1", "M1", "the left eye against the other mastoid"),
        _Way("E1", ANY, "the left eye against another reference"),
        _Way("EOGH", ANY, "one horizontal EOG: left against right eye"),
        _Way("EOG", ANY, "the label says EOG and no side"),
    ),
    "E2-M2": (
        _Way("E2", "M2", "as recommended"),
        _Way("E2", "FPZ", _ALTERNATIVE),
        _Way("E2", "M1", "the right eye against the other mastoid"),
        _Way("E2", ANY, "the right eye against another reference"),
    ),
    "chin EMG": (
        _Way("CHIN", None, "chin EMG by its label"),
        _Way("CHIN1", "CHINZ", "as recommended"),
        _Way("CHIN2", "CHINZ", "as recommended"),
        _Way("CHIN1", "CHIN2", "between two chin electrodes"),
        _Way("CHINL", "CHINR", "between two chin electrodes"),
        _Way("CHINL", "CHINC", "between two chin electrodes"),
        _Way("CHINR", "CHINC", "between two chin electrodes"),
        _Way("CHIN1", ANY, "one chin electrode"),
        _Way("CHIN2", ANY, "one chin electrode"),
        _Way("CHINL", ANY, "one chin electrode"),
        _Way("CHINR", ANY, "one chin electrode"),
        _Way("CHINC", ANY, "one chin electrode"),
        _Way("EMG", None, "the label says EMG and no muscle"),
        _Way("EMG1", "EMG2", "between the first two EMG electrodes; the labels name no muscle"),
        _Way("EMG1", ANY, "the first EMG; the label names no muscle"),
    ),
}

_EXPECTED: Final = {
    "F4-M1": "'F4-M1', 'F3-M2', 'Fz-Cz', 'Fpz-Cz'",
    "C4-M1": "'C4-M1', 'C3-M2', 'Cz', 'EEG'",
    "O2-M1": "'O2-M1', 'O1-M2', 'Cz-Oz', 'Pz-Oz'",
    "E1-M2": "'E1-M2', 'LOC', 'EOG(L)', 'EOG horizontal'",
    "E2-M2": "'E2-M2', 'ROC', 'EOG(R)'",
    "chin EMG": "'EMG chin', 'Chin1-Chin2', 'EMG submental', 'EMG'",
}
"""Labels that a message offers: the ways above in the words of a file."""

Part = str | tuple[str, str] | None
"""What a person may name for a derivation: a label, two labels to subtract, or None to leave it out."""


def find_montage(recording: Recording, names: Mapping[str, Part] | None = None) -> Montage:
    """Find what to draw as each recommended derivation.

    Ways are tried best first over all derivations, and no signal is drawn as two of them.

    Parameters
    ----------
    recording : Recording
        Samples are not looked at: the facts of `read_facts` are enough.
    names : mapping, optional
        Labels named by hand: {"C4-M1": "EEG", "chin EMG": ("Chin1", "Chin2"), "E2-M2": None}.

    Raises
    ------
    MissingDerivationError
        When nothing can be drawn, or a label named by hand is not in the file: what was looked for,
        what the file has, with near misses.

    Examples
    --------
    >>> import numpy as np
    >>> night = Recording("night", (Signal("EEG C3-A2", np.zeros(0), 100.0),), 0.0)
    >>> find_montage(night).derivations[1].source
    'EEG C3-A2'
    """
    chosen = _choose_by_hand(recording, names or {})
    taken = {name for derivation in chosen.values() for name, _ in derivation.parts}
    for canonical, way, parts in _iter_choices(recording):
        if canonical in chosen or (len(parts) == 1 and parts[0][0] in taken):
            continue
        chosen[canonical] = Derivation(canonical, RECOMMENDED_DERIVATIONS[canonical], parts, _tell(way, parts))
        taken |= {parts[0][0]}
    montage = Montage(tuple(chosen.get(name) or _describe_missing(recording, name) for name in RECOMMENDED_DERIVATIONS))
    if not montage.signal_names:
        raise MissingDerivationError(_explain_nothing(recording, montage))
    return montage


def _iter_choices(recording: Recording) -> Iterator[tuple[str, _Way, tuple[tuple[str, int], ...]]]:
    """All ways of all derivations that the recording allows, best first."""
    leads = {signal.name: lead for signal in _iter_waveforms(recording) if (lead := parse_label(signal.name))}
    rates_hz = {signal.name: signal.sampling_rate_hz for signal in recording}
    for rank in range(max(map(len, _WAYS.values()))):
        for canonical, ways in _WAYS.items():
            if rank < len(ways):
                for parts in _iter_parts(ways[rank], leads, rates_hz):
                    yield canonical, ways[rank], parts


def _iter_waveforms(recording: Recording) -> Iterator[Signal]:
    return (signal for signal in recording if signal.sampling_rate_hz >= LEAST_RATE_HZ)


def _iter_parts(
    way: _Way, leads: Mapping[str, Lead], rates_hz: Mapping[str, float]
) -> Iterator[tuple[tuple[str, int], ...]]:
    for name, lead in leads.items():
        if lead.active == way.active and way.reference in (ANY, lead.reference):
            yield ((name, 1),)
    for name, lead in leads.items():
        if way.reference is not None and (lead.active, lead.reference) == (way.reference, way.active):
            yield ((name, -1),)
    if way.reference not in (ANY, None):
        yield from _iter_differences(way, leads, rates_hz)


def _iter_differences(
    way: _Way, leads: Mapping[str, Lead], rates_hz: Mapping[str, float]
) -> Iterator[tuple[tuple[str, int], ...]]:
    """Two electrodes recorded against one common reference, at one rate."""
    for first, active in leads.items():
        for second, reference in leads.items():
            is_pair = (active.active, reference.active) == (way.active, way.reference)
            if is_pair and active.reference == reference.reference and rates_hz[first] == rates_hz[second]:
                yield ((first, 1), (second, -1))


def _tell(way: _Way, parts: tuple[tuple[str, int], ...]) -> str:
    if len(parts) == 2:
        return f"{way.reason}; re-referenced here from two electrodes"
    return f"{way.reason}; turned upside down" if parts[0][1] < 0 else way.reason


def _choose_by_hand(recording: Recording, names: Mapping[str, Part]) -> dict[str, Derivation]:
    if unknown := [name for name in names if name not in RECOMMENDED_DERIVATIONS]:
        raise SettingsError(
            f"{_quote(unknown)} is no derivation that is drawn; there are {_quote(RECOMMENDED_DERIVATIONS)}."
        )
    return {name: _take_named(recording, name, part) for name, part in names.items()}


def _take_named(recording: Recording, canonical: str, part: Part) -> Derivation:
    labels = () if part is None else (part,) if isinstance(part, str) else tuple(part)
    signals = [next((signal for signal in recording if signal.name == label), None) for label in labels]
    if absent := [label for label, signal in zip(labels, signals, strict=True) if signal is None]:
        raise MissingDerivationError(
            f"{recording.name} has no signal {_quote(absent)}, named for {canonical}. "
            f"{_tell_content(recording)} Name one of these."
        )
    if reasons := [reason for signal in signals if (reason := _refuse(signal)) is not None]:
        raise MissingDerivationError(f"{recording.name}, {canonical}: {'; '.join(reasons)}. Name another signal.")
    if len({signal.sampling_rate_hz for signal in signals}) > 1:
        raise MissingDerivationError(f"{recording.name}, {canonical}: {_quote(labels)} have different rates.")
    reason = "named by hand" if labels else "left out by hand"
    return Derivation(canonical, RECOMMENDED_DERIVATIONS[canonical], tuple(zip(labels, (1, -1), strict=False)), reason)


def _refuse(signal: Signal) -> str | None:
    if signal.sampling_rate_hz >= LEAST_RATE_HZ:
        return None
    return f"'{signal.name}' is sampled at {signal.sampling_rate_hz:g} Hz: an envelope, not a waveform"


def _describe_missing(recording: Recording, canonical: str) -> Derivation:
    near = [*_iter_near_misses(recording, canonical)]
    reason = f"looked for {_EXPECTED[canonical]}" + (f"; {'; '.join(near)}" if near else "")
    return Derivation(canonical, RECOMMENDED_DERIVATIONS[canonical], (), reason)


def _iter_near_misses(recording: Recording, canonical: str) -> Iterator[str]:
    places = {way.active for way in _WAYS[canonical]}
    for signal in recording:
        if _place(signal.name) in places and (reason := _refuse(signal)):
            yield reason
    for other in recording.others:
        if _place(other.name) in places:
            yield f"'{other.name}' is in '{other.unit}', not a voltage"


def _place(label: str) -> str | None:
    lead = parse_label(label)
    return lead.active if lead else None


def _explain_nothing(recording: Recording, montage: Montage) -> str:
    looked_for = "; ".join(f"{name}: {_EXPECTED[name]}" for name in montage.names)
    near = [miss for name in montage.names for miss in _iter_near_misses(recording, name)]
    return (
        f"{recording.name} has no derivation that can be drawn. Looked for {looked_for}. {_tell_content(recording)} "
        + (f"Near misses: {'; '.join(near)}. " if near else "")
        + "Name its signals by hand, for example C4-M1=EEG."
    )


def _tell_content(recording: Recording) -> str:
    labels = [*recording.names, *(other.name for other in recording.others)]
    return f"The file has {_quote(labels)}." if labels else "The file has no signal."


def _quote(names: object) -> str:
    return ", ".join(f"'{name}'" for name in names)  # type: ignore[attr-defined]

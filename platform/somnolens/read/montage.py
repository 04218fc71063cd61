"""Which signals of a recording are drawn as which derivation.

For each recommended derivation (`aasm.RECOMMENDED_DERIVATIONS`) the ways of `read.ways` are tried, best
first. Each may be one signal, one signal upside down, or two signals that share an electrode: F4 and M1
recorded apart make F4-M1, and F4-M1 with F4-O2 makes O2-M1. Every choice carries its reason.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from somnolens.aasm import RECOMMENDED_DERIVATIONS, Kind
from somnolens.errors import MissingDerivationError, SettingsError
from somnolens.read.labels import Lead, normalise_label, parse_label
from somnolens.read.ways import ANY, EXPECTED, WAYS, Way
from somnolens.recording import Recording, Signal

LEAST_RATE_HZ: Final = 10.0
"""A slower signal is an envelope or a trend, not a waveform."""


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
    is_recommended : bool
        Whether it is what the manual recommends, not something that stands in for it.
    """

    name: str
    kind: Kind
    parts: tuple[tuple[str, int], ...]
    reason: str
    is_recommended: bool = False

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

    def stand_in(self, other: "Montage") -> "Montage":
        """This montage, with the derivations of another wherever that has one."""
        pairs = zip(self.derivations, other.derivations, strict=True)
        return Montage(tuple(theirs if theirs.parts else own for own, theirs in pairs))

    @property
    def signal_names(self) -> tuple[str, ...]:
        """Labels of all signals that have to be read, each once."""
        return tuple(dict.fromkeys(name for derivation in self.derivations for name, _ in derivation.parts))


Part = str | tuple[str, str] | None
"""What a person may name for a derivation: a label, two labels to subtract, or None to leave it out."""


Parts = tuple[tuple[str, int], ...]
"""Signals to add up, each with its sign."""


def find_montage(
    recording: Recording,
    names: Mapping[str, Part] | None = None,
    leads: Mapping[str, Lead] | None = None,
    avoid: Collection[str] = (),
) -> Montage:
    """Find what to draw as each recommended derivation.

    Ways are tried best first over all derivations, and no signal is drawn as two of them. Of several
    signals that serve alike the one with the highest rate is taken, and of these the first.

    Parameters
    ----------
    recording : Recording
        Samples are not looked at: the facts of `read_facts` are enough.
    names : mapping, optional
        Labels named by hand: {"C4-M1": "EEG", "chin EMG": ("Chin1", "Chin2"), "E2-M2": None}.
    leads : mapping, optional
        What labels of the cohort say, where the label alone does not tell: {"EEG": Lead("C4", "M1")}.
        Spelling is ignored, as in `normalise_label`.
    avoid : collection of str
        Labels not to draw unless named by hand.

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
    candidates = _Candidates.gather(recording, leads or {}, avoid)
    for canonical, way, parts in candidates.iterate_choices():
        if canonical not in chosen and parts[0][0] not in taken:
            kind, reason = RECOMMENDED_DERIVATIONS[canonical], candidates.tell(way, parts)
            chosen[canonical] = Derivation(canonical, kind, parts, reason, way.is_recommended)
            taken |= {parts[0][0]}
    montage = Montage(tuple(chosen.get(name) or _describe_missing(recording, name) for name in RECOMMENDED_DERIVATIONS))
    if not montage.signal_names:
        raise MissingDerivationError(_explain_nothing(recording, montage))
    return montage


@dataclass(frozen=True)
class _Candidates:
    """Signals that may be drawn: what each label says, and at what rate; the fastest first."""

    leads: Mapping[str, Lead]
    rates_hz: Mapping[str, float]

    @classmethod
    def gather(cls, recording: Recording, known: Mapping[str, Lead], avoid: Collection[str]) -> "_Candidates":
        by_spelling = {normalise_label(label): lead for label, lead in known.items()}
        waveforms = [
            signal for signal in recording if signal.sampling_rate_hz >= LEAST_RATE_HZ and signal.name not in avoid
        ]
        waveforms.sort(key=lambda signal: -signal.sampling_rate_hz)
        read = {s.name: by_spelling.get(normalise_label(s.name)) or parse_label(s.name) for s in waveforms}
        return cls({name: lead for name, lead in read.items() if lead}, {s.name: s.sampling_rate_hz for s in waveforms})

    def iterate_choices(self) -> Iterator[tuple[str, Way, Parts]]:
        """All ways of all derivations that the recording allows, best first."""
        for rank in range(max(map(len, WAYS.values()))):
            for canonical, ways in WAYS.items():
                if rank < len(ways):
                    yield from ((canonical, ways[rank], parts) for parts in self._iterate_parts(ways[rank]))

    def _iterate_parts(self, way: Way) -> Iterator[Parts]:
        for name, sign, end in self._iterate_steps(way.active):
            is_upright, fits = sign > 0, end == way.reference
            if (is_upright and (fits or way.reference == ANY)) or (fits and end is not None):
                yield ((name, sign),)
        if way.reference not in (ANY, None):
            yield from self._iterate_pairs(way)

    def _iterate_pairs(self, way: Way) -> Iterator[Parts]:
        """Two signals of one rate that share an electrode, or a reference that no label names."""
        for first, sign, between in self._iterate_steps(way.active):
            for second, other_sign, end in self._iterate_steps(between):
                if end == way.reference and first != second and self.rates_hz[first] == self.rates_hz[second]:
                    yield ((first, sign), (second, other_sign))

    def _iterate_steps(self, place: str | None) -> Iterator[tuple[str, int, str | None]]:
        """Signals measured at a place, with their sign and the place at the other end; upright ones first."""
        yield from ((name, 1, lead.reference) for name, lead in self.leads.items() if lead.active == place)
        yield from ((name, -1, lead.active) for name, lead in self.leads.items() if lead.reference == place)

    def tell(self, way: Way, parts: Parts) -> str:
        """Why these parts, and what is done to them."""
        if len(parts) == 2:
            return f"{way.reason}; re-referenced here from two signals"
        name, sign = parts[0]
        n_alike = sum(lead == self.leads[name] for lead in self.leads.values())
        several = f"; of {n_alike} alike, the first with the highest rate" if n_alike > 1 else ""
        return f"{way.reason}{'; turned upside down' if sign < 0 else ''}{several}"


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
    reason = f"looked for {EXPECTED[canonical]}" + (f"; {'; '.join(near)}" if near else "")
    return Derivation(canonical, RECOMMENDED_DERIVATIONS[canonical], (), reason)


def _iter_near_misses(recording: Recording, canonical: str) -> Iterator[str]:
    places = {way.active for way in WAYS[canonical]}
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
    looked_for = "; ".join(f"{name}: {EXPECTED[name]}" for name in montage.names)
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

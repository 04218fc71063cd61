"""What the nights of a cohort hold and what is wrong with them, as plain facts, without reading samples."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from somnolens.aasm import EPOCH_S
from somnolens.errors import SomnolensError, StorageError
from somnolens.hypnogram import Hypnogram
from somnolens.read.montage import Derivation, find_montage
from somnolens.read.night import Night, bring_night, read_stages
from somnolens.read.recordings import read_facts
from somnolens.recording import Recording

Found = TypeVar("Found")


@dataclass(frozen=True)
class NightFacts:
    """Facts about one night; nothing identifying.

    Parameters
    ----------
    night, subject : str
    duration_s : float
        0 where the recording cannot be read.
    derivations : tuple of Derivation
        Each recommended derivation with its source and reason; empty if none can be drawn.
    rates_hz : tuple of float
        Rates of the signals that are drawn, each once, rising.
    scorers : tuple of str
        Whose scoring could be read.
    stages : Hypnogram or None
        Of the scorer, or the consensus of several, inside the signal; None if nobody scored the night.
    problems : tuple of str
        Why the night cannot be used, or not with its scoring.
    notes : tuple of str
        What readers found and did.
    """

    night: str
    subject: str
    duration_s: float = 0.0
    derivations: tuple[Derivation, ...] = ()
    rates_hz: tuple[float, ...] = ()
    scorers: tuple[str, ...] = ()
    stages: Hypnogram | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def survey_night(night: Night) -> NightFacts:
    """Gather the facts of a night; whatever is wrong with it becomes its `problems`."""
    try:
        with bring_night(night) as here:
            return _survey(here)
    except StorageError as error:
        return NightFacts(night.night, night.subject, problems=(str(error),))


def _survey(night: Night) -> NightFacts:
    problems: list[str] = []
    recording = _try(lambda: read_facts(night.recording_path), night, problems)
    if recording is None:
        return NightFacts(night.night, night.subject, problems=tuple(problems))
    montage = _try(lambda: find_montage(recording, night.channels, night.leads), night, problems)
    scorers, stages = _try(lambda: _read_stages(night, recording), night, problems) or ((), None)
    derivations = montage.derivations if montage else ()
    return NightFacts(
        night=night.night,
        subject=night.subject,
        duration_s=recording.duration_s,
        derivations=derivations,
        rates_hz=_list_rates(recording, derivations),
        scorers=scorers,
        stages=stages,
        problems=(*problems, *_compare(recording, stages)),
        notes=(*recording.notes, *(stages.notes if stages else ())),
    )


def _try(read: Callable[[], Found], night: Night, problems: list[str]) -> Found | None:
    """What is read, or None and one problem more."""
    try:
        return read()
    except SomnolensError as error:
        problems.append(str(error))
    except OSError as error:
        problems.append(f"A file of {night.night} cannot be opened ({error.strerror}). Check that it may be read.")
    return None


def _compare(recording: Recording, stages: Hypnogram | None) -> Iterator[str]:
    if stages is not None and not len(stages):
        yield f"Not one scored epoch lies inside the {recording.duration_s:g} s of signal."
    if recording.duration_s < EPOCH_S:
        yield f"The recording lasts {recording.duration_s:g} s: not one epoch of {EPOCH_S} s."


def _read_stages(night: Night, recording: Recording) -> tuple[tuple[str, ...], Hypnogram | None]:
    stages, scorers = read_stages(night, recording)
    return tuple(one.scorer for one in scorers), stages and stages.cut(recording.duration_s)


def _list_rates(recording: Recording, derivations: tuple[Derivation, ...]) -> tuple[float, ...]:
    drawn = {name for derivation in derivations for name, _ in derivation.parts}
    return tuple(sorted({recording[name].sampling_rate_hz for name in drawn}))

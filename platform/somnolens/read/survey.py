"""What the nights of a cohort hold and what is wrong with them, as plain facts, without reading samples."""

from dataclasses import dataclass

from somnolens.aasm import EPOCH_S
from somnolens.errors import SomnolensError
from somnolens.hypnogram import Hypnogram
from somnolens.read.montage import Derivation, find_montage
from somnolens.read.night import Night, read_scorings
from somnolens.read.recordings import read_facts
from somnolens.read.scorers import merge_scorers
from somnolens.recording import Recording


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
        recording = read_facts(night.recording_path)
    except (SomnolensError, OSError) as error:
        return NightFacts(night.night, night.subject, problems=(_explain(error, night),))
    problems = []
    try:
        derivations = find_montage(recording, night.channels, night.leads).derivations
    except SomnolensError as error:
        derivations = ()
        problems.append(_explain(error, night))
    scorers, stages = (), None
    try:
        scorers, stages = _read_stages(night, recording)
    except (SomnolensError, OSError) as error:
        problems.append(_explain(error, night))
    if stages is not None and not len(stages):
        problems.append(f"Not one scored epoch lies inside the {recording.duration_s:g} s of signal.")
    if recording.duration_s < EPOCH_S:
        problems.append(f"The recording lasts {recording.duration_s:g} s: not one epoch of {EPOCH_S} s.")
    return NightFacts(
        night.night,
        night.subject,
        recording.duration_s,
        derivations,
        _list_rates(recording, derivations),
        scorers,
        stages,
        tuple(problems),
        (*recording.notes, *(stages.notes if stages else ())),
    )


def _read_stages(night: Night, recording: Recording) -> tuple[tuple[str, ...], Hypnogram | None]:
    hypnograms = read_scorings(night, recording)
    if not hypnograms:
        return (), None
    return tuple(one.scorer for one in hypnograms), merge_scorers(hypnograms).cut(recording.duration_s)


def _list_rates(recording: Recording, derivations: tuple[Derivation, ...]) -> tuple[float, ...]:
    drawn = {name for derivation in derivations for name, _ in derivation.parts}
    return tuple(sorted({recording[name].sampling_rate_hz for name in drawn}))


def _explain(error: SomnolensError | OSError, night: Night) -> str:
    if isinstance(error, SomnolensError):
        return str(error)
    return f"A file of {night.night} cannot be opened ({error.strerror}). Check that it may be read."

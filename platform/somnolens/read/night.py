"""One night of a cohort: its files, who scored it, and what its labels mean."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from somnolens.hypnogram import Hypnogram
from somnolens.read.dead_signals import find_dead
from somnolens.read.labels import Lead
from somnolens.read.montage import Montage, Part, find_montage
from somnolens.read.recordings import read_facts, read_recording
from somnolens.read.scorers import merge_scorers, put_on_one_grid
from somnolens.read.scoring import read_hypnogram
from somnolens.recording import Recording
from somnolens.storage import bring_here

ScoringReader = Callable[[Path, Recording], Hypnogram | None]
"""From a scoring file and the facts of the recording (samples not needed) to stages; None if it holds none.

A function of a module, so that a night can be sent to another process.
"""


def read_by_content(path: Path, recording: Recording) -> Hypnogram:
    """Read any scoring that `read_hypnogram` can tell by its content."""
    return read_hypnogram(path, recording.start)


@dataclass(frozen=True)
class Scoring:
    """One scorer's file.

    Parameters
    ----------
    path : Path
    scorer : str
        Empty where the file itself says it, or nobody does.
    read : callable
        How the cohort's file is understood.
    """

    path: Path
    scorer: str = ""
    read: ScoringReader = read_by_content


@dataclass(frozen=True)
class Night:
    """Files of one night.

    Parameters
    ----------
    cohort, subject, night : str
        `night` is unique in the cohort; splits are by `subject`.
    recording_path : Path
    scorings : tuple of Scoring
        One for each scorer; empty for a night nobody has scored.
    leads : mapping of str to Lead
        What labels of this cohort say, where the label alone does not tell.
    channels : mapping of str to Part
        Derivations named by hand, as in `find_montage`.
    """

    cohort: str
    subject: str
    night: str
    recording_path: Path
    scorings: tuple[Scoring, ...] = ()
    leads: Mapping[str, Lead] = field(default_factory=dict)
    channels: Mapping[str, Part] = field(default_factory=dict)


@contextmanager
def bring_night(night: Night) -> Iterator[Night]:
    """The night with its files on this machine: copies of those of an object store, while the block runs.

    Raises
    ------
    StorageError
    """
    with bring_here((night.recording_path, *(scoring.path for scoring in night.scorings))) as here:
        scorings = tuple(replace(scoring, path=here[scoring.path]) for scoring in night.scorings)
        yield replace(night, recording_path=here[night.recording_path], scorings=scorings)


def read_drawn(
    path: Path, names: Mapping[str, Part] | None = None, leads: Mapping[str, Lead] | None = None
) -> tuple[Recording, Montage]:
    """Read only the signals that are drawn, and the montage that says which.

    The montage is found from the header first: a clinical file of 60 signals then costs six. A signal
    that turns out to be dead gives way to another that can stand in for it, if there is one.

    Parameters
    ----------
    path : Path
    names, leads : mapping, optional
        As in `find_montage`; of a night, `night.channels` and `night.leads`.

    Raises
    ------
    UnreadableRecordingError
    MissingDerivationError
    """
    facts = read_facts(path)
    montage = find_montage(facts, names, leads)
    recording = read_recording(path, only=montage.signal_names)
    dead = find_dead(recording)
    if not dead:
        return recording, montage
    replaced = montage.stand_in(find_montage(facts, names, leads, avoid=dead))
    if replaced == montage:
        return recording, montage
    recording = read_recording(path, only=replaced.signal_names)
    given_up = (name for name in dead if name not in replaced.signal_names)
    notes = tuple(f"'{name}' {dead[name]}; another signal stands in for it." for name in given_up)
    return replace(recording, notes=recording.notes + notes), replaced


def read_scorings(night: Night, recording: Recording) -> tuple[Hypnogram, ...]:
    """Read the hypnogram of each scorer, in the order of the cohort.

    Parameters
    ----------
    night : Night
    recording : Recording
        Its duration and start are looked at, not its samples.

    Raises
    ------
    UnreadableHypnogramError
    """
    found = []
    for scoring in night.scorings:
        hypnogram = scoring.read(scoring.path, recording)
        if hypnogram is not None:
            found.append(replace(hypnogram, scorer=scoring.scorer or hypnogram.scorer))
    return tuple(found)


def read_stages(night: Night, recording: Recording) -> tuple[Hypnogram | None, tuple[Hypnogram, ...]]:
    """Read the stages of a night: of its scorer, or the consensus of several; None if nobody scored it.

    Returns
    -------
    hypnogram, scorers
        The second with the hypnogram of each scorer, on the epochs of the first.

    Raises
    ------
    UnreadableHypnogramError
    MismatchedHypnogramError
    """
    hypnograms = read_scorings(night, recording)
    if not hypnograms:
        return None, ()
    hypnograms = put_on_one_grid(hypnograms)
    return merge_scorers(hypnograms), hypnograms

"""One night of a cohort: where its files are, and the part of its recording that is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from somnolens.read.edf import read_facts, read_recording
from somnolens.read.montage import Montage, Part, find_montage
from somnolens.recording import Recording


@dataclass(frozen=True)
class Night:
    """Files of one night.

    Parameters
    ----------
    cohort, subject, night : str
        `night` is unique in the cohort; splits are by `subject`.
    recording_path : Path
    scoring_path : Path or None
        None for a night nobody has scored.
    """

    cohort: str
    subject: str
    night: str
    recording_path: Path
    scoring_path: Path | None = None


def read_drawn(path: Path, names: Mapping[str, Part] | None = None) -> tuple[Recording, Montage]:
    """Read only the signals that are drawn, and the montage that says which.

    The montage is found from the header first: a clinical file of 60 signals then costs six.

    Raises
    ------
    UnreadableRecordingError
    MissingDerivationError
    """
    montage = find_montage(read_facts(path), names)
    return read_recording(path, only=montage.signal_names), montage

"""Everything a person can cause, as one family.

Each message says what is wrong, with the value; what was looked for; what to do.
`assert` is for our own bugs.
"""

import traceback
from pathlib import Path


class SomnolensError(Exception):
    """Base of every error a person can cause. `kind` names it in failures tables."""

    @property
    def kind(self) -> str:
        return type(self).__name__.removesuffix("Error")


class UnreadableRecordingError(SomnolensError):
    """The file is not a recording that can be read, or only a part of one."""


class MissingDerivationError(SomnolensError):
    """The recording has none of the derivations that were looked for."""


class UnreadableHypnogramError(SomnolensError):
    """The scoring file cannot be understood."""


class MismatchedHypnogramError(SomnolensError):
    """Signal and scoring do not belong to the same stretch of time."""


class TimeLimitError(SomnolensError):
    """A night took longer than it may."""


class EmptyCohortError(SomnolensError):
    """The folder holds no night."""


class DoubleNightError(SomnolensError):
    """The folder holds a night twice."""


class SettingsError(SomnolensError):
    """A setting is unknown or out of its limits."""


class RunFolderError(SomnolensError):
    """The run folder exists, or is not one."""


class DatasetError(SomnolensError):
    """The dataset folder is missing, incomplete, or leaks between splits."""


class LeakError(DatasetError):
    """What a system is judged on was there when it learnt."""


class EvaluationError(SomnolensError):
    """Results cannot be compared, or not be measured."""


class StorageError(SomnolensError):
    """A file or folder, here or in an object store, cannot be reached."""


class PushError(SomnolensError):
    """A dataset cannot be put where it should go."""


class AdapterError(SomnolensError):
    """The adapter is missing, foreign, or was trained on pictures drawn differently."""


class RegistryError(AdapterError):
    """The registry is missing, holds no such adapter, or holds it changed."""


class BaseModelError(SomnolensError):
    """The base model cannot be loaded or does not fit the task."""


class ServiceError(SomnolensError):
    """The service did not start or did not answer."""


class ClusterError(SomnolensError):
    """A Ray cluster does not answer, refuses the token, or has lost the job."""


def describe_error(error: Exception) -> tuple[str, str]:
    """Kind and text of an error for a failures table.

    An error that is not of our family is a bug: its place is told, its text is not, since it may quote
    what identifies a person.
    """
    if isinstance(error, SomnolensError):
        return error.kind, str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return "Bug", f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}. Please report it."

"""Cohorts: how the files of one kind of folder belong together. One small file each.

A module here with a function `find_nights(folder) -> list[Night]` is a cohort under the module's name.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from somnolens.errors import DoubleNightError, SettingsError
from somnolens.read.montage import Part
from somnolens.read.night import Night


def list_cohorts() -> dict[str, Callable[[Path], list[Night]]]:
    """Name to `find_nights` of every cohort.

    Examples
    --------
    >>> "edf_folder" in list_cohorts()
    True
    """
    names = sorted(module.name for module in iter_modules(__path__))
    return {name: import_module(f"{__name__}.{name}").find_nights for name in names}


def find_nights(folder: Path, cohort: str = "edf_folder", channels: Mapping[str, Part] | None = None) -> list[Night]:
    """Find the nights of a cohort's folder.

    Parameters
    ----------
    folder : Path
    cohort : str
        One of `list_cohorts`.
    channels : mapping, optional
        Derivations named by hand for every night, as in `find_montage`.

    Raises
    ------
    EmptyCohortError
    DoubleNightError
        When two recordings are the same night.
    SettingsError
        When there is no such cohort.
    """
    cohorts = list_cohorts()
    if cohort not in cohorts:
        raise SettingsError(f"No cohort is called {cohort!r}; there are {', '.join(cohorts)}.")
    nights = cohorts[cohort](folder)
    _refuse_twice(nights, folder)
    return [replace(night, channels=dict(channels)) for night in nights] if channels else nights


def join_cohorts(cohorts: Mapping[str, list[Night]]) -> list[Night]:
    """The nights of several cohorts as those of one dataset.

    Names of subjects and nights get the cohort before them: every archive has an S001 of its own, and a dataset
    splits by subject and keeps a file a night.

    Parameters
    ----------
    cohorts : mapping of str to list of Night
        By the cohort's name. Of a single one the names stay as they are.
    """
    if len(cohorts) < 2:
        return [night for nights in cohorts.values() for night in nights]
    return [
        replace(night, subject=f"{cohort}-{night.subject}", night=f"{cohort}-{night.night}")
        for cohort, nights in cohorts.items()
        for night in nights
    ]


def _refuse_twice(nights: list[Night], folder: Path) -> None:
    """A night that lies in two places would be counted twice, and stand in two splits."""
    counts = Counter(night.night for night in nights)
    if twice := [night for night in nights if counts[night.night] > 1]:
        places = ", ".join(str(night.recording_path.relative_to(folder)) for night in twice[:4])
        raise DoubleNightError(
            f"{folder} holds {len(twice)} recordings of nights that are there twice: {places}. "
            "Name the folder with one copy, or take the other away."
        )

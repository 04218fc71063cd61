"""Cohorts: how the files of one kind of folder belong together. One small file each.

A module here with a function `find_nights(folder) -> list[Night]` is a cohort under the module's name.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from somnolens.errors import SettingsError
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


def find_nights(folder: Path, cohort: str = "edf_folder") -> list[Night]:
    """Find the nights of a cohort's folder.

    Raises
    ------
    EmptyCohortError
    SettingsError
        When there is no such cohort.
    """
    cohorts = list_cohorts()
    if cohort not in cohorts:
        raise SettingsError(f"No cohort is called {cohort!r}; there are {', '.join(cohorts)}.")
    return cohorts[cohort](folder)

"""Nights of `somnolens simulate`: `SIM001-PSG.edf` with `SIM001-Hypnogram.edf`."""

from dataclasses import replace
from pathlib import Path

from somnolens.errors import EmptyCohortError
from somnolens.read.cohorts import edf_folder
from somnolens.read.night import Night


def find_nights(folder: Path) -> list[Night]:
    """Find the simulated nights below a folder.

    Raises
    ------
    EmptyCohortError
        When there is none.
    """
    nights = [night for night in edf_folder.find_nights(folder) if night.recording_path.name.startswith("SIM")]
    if not nights:
        raise EmptyCohortError(f"{folder} holds no simulated night. Looked for SIM*-PSG.edf. Run somnolens simulate.")
    return [replace(night, cohort="simulated") for night in nights]

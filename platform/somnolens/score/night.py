"""One recording to one hypnogram, by an adapter."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from somnolens.epochs import QUALITY, Epochs
from somnolens.hypnogram import Hypnogram
from somnolens.prepare.night import prepare_epochs
from somnolens.provenance import describe_code
from somnolens.read.labels import Lead
from somnolens.read.montage import Part
from somnolens.read.night import read_drawn
from somnolens.render.style import Style
from somnolens.score.reader import NightReader

if TYPE_CHECKING:
    from somnolens.score.engine import Engine  # brings torch, and finishing a night does without

SIMULATION_NOTE = "The adapter was trained on simulated nights only: read its stages as a demonstration."


@dataclass(frozen=True, eq=False)
class ScoredNight:
    """A hypnogram with what a person needs to judge it.

    Parameters
    ----------
    hypnogram : Hypnogram
        With probabilities; its notes hold everything worth saying about the night.
    start : datetime or None
        Clock time of the start of the recording.
    derivations : dict
        Canonical name to label in the file, None where missing.
    quality : ndarray of uint8, shape (n_epochs, n_derivations)
        Codes of `epochs.QUALITY`.
    made_by : dict
        Adapter, base model, render hash and code.
    """

    hypnogram: Hypnogram
    start: datetime | None
    derivations: dict[str, str | None]
    quality: np.ndarray
    made_by: dict[str, Any]

    @property
    def flags(self) -> list[str]:
        """Per epoch, what is wrong with its signals in words; empty where all present ones are good."""
        names = list(self.derivations)
        return [
            "; ".join(
                f"{name} {QUALITY[code]}" for name, code in zip(names, row, strict=True) if QUALITY[code] not in _QUIET
            )
            for row in self.quality
        ]


_QUIET = ("good", "missing")


def score_recording(
    path: Path,
    engine: "Engine",
    batch_size: int = 32,
    report: Callable[[int, int], None] = lambda done, total: None,
    channels: Mapping[str, Part] | None = None,
    leads: Mapping[str, Lead] | None = None,
) -> ScoredNight:
    """Read, prepare, draw and score a recording with whatever derivations it has.

    Parameters
    ----------
    path : Path
        EDF, EDF+ or BDF.
    engine : Engine
    batch_size : int
        Pictures in one forward pass.
    report : callable
        Gets epochs done and epochs in all.
    channels, leads : mapping, optional
        As in `read_drawn`: derivations named by hand, and what the labels of a cohort say.

    Raises
    ------
    UnreadableRecordingError
    MissingDerivationError
    """
    epochs, start = read_epochs(path, engine.style, channels, leads)
    return score_epochs(epochs, engine, batch_size, report, start)


def read_epochs(
    path: Path, style: Style, channels: Mapping[str, Part] | None = None, leads: Mapping[str, Lead] | None = None
) -> tuple[Epochs, datetime | None]:
    """Epochs of a recording, prepared for a style, and the clock time of its start."""
    recording, montage = read_drawn(path, channels, leads)
    settings = style.prepare
    return prepare_epochs(recording, montage, settings.sampling_rate_hz, settings.mains_hz), recording.start


def score_epochs(
    epochs: Epochs,
    engine: "Engine",
    batch_size: int = 32,
    report: Callable[[int, int], None] = lambda done, total: None,
    start: datetime | None = None,
) -> ScoredNight:
    """Draw and score prepared epochs; consecutive ones are read together."""
    pictures = engine.draw(epochs)
    readings = engine.look(pictures, batch_size, lambda done: report(done, len(pictures)))
    return finish_night(epochs, engine, readings, start)


def finish_night(
    epochs: Epochs, reader: NightReader, readings: np.ndarray, start: datetime | None = None
) -> ScoredNight:
    """From what `Engine.look` gives of each picture, shape (n_epochs, 5 + n_hidden), to the scored night.

    Needs no model, so that a service can look in one process and finish in another.
    """
    probabilities = reader.read_night(readings)
    notes = (*epochs.notes, SIMULATION_NOTE) if reader.card.trained_on_simulation_only else epochs.notes
    named = Hypnogram.from_codes(probabilities.argmax(1), scorer="somnolens", start_s=epochs.start_s)
    hypnogram = Hypnogram(named.stages, named.scorer, named.start_s, probabilities, notes)
    return ScoredNight(
        hypnogram=hypnogram,
        start=start,
        derivations=dict(zip(epochs.derivations, epochs.sources, strict=True)),
        quality=epochs.quality,
        made_by=describe_reader(reader),
    )


def describe_reader(reader: NightReader) -> dict[str, Any]:
    """What every result remembers of the model that made it."""
    card = reader.card
    return {
        "base_model": card.base_model,
        "render_hash": card.render_hash,
        "trained_on": card.dataset.get("cohorts", []),
        "dataset_fingerprint": card.dataset.get("fingerprint"),
        "sequence_step": reader.sequence is not None,
        "code": describe_code(),
    }

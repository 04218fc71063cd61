"""Systems that stage a night, and what each of them is shown of it: the same raw signal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np

from somnolens.aasm import EPOCH_S, STAGES
from somnolens.config import PrepareSettings
from somnolens.dataset.manifest import Dataset
from somnolens.epochs import Epochs
from somnolens.errors import DatasetError
from somnolens.evaluate.evaluation import KnownNight, read_known_nights
from somnolens.prepare.cut import count_epochs
from somnolens.prepare.night import prepare_epochs
from somnolens.read.montage import Montage
from somnolens.read.night import Night, bring_night, read_drawn
from somnolens.recording import Recording

_USUAL = PrepareSettings()


@dataclass(frozen=True, eq=False)
class Shown:
    """What a system is shown of a night: everything but its stages.

    Parameters
    ----------
    recording : Recording
        As recorded, or corrupted.
    montage : Montage
        Which signal is which derivation; found on the recording as it was before any corruption, since nobody
        tells a technologist that two leads were swapped.
    start_s : float
        Where the scoring starts.
    """

    recording: Recording
    montage: Montage
    start_s: float = 0.0
    _kept: dict[Any, Any] = field(default_factory=dict, repr=False)

    @property
    def begin_s(self) -> float:
        """Time of the first epoch."""
        return self.start_s if self.start_s >= 0 else self.start_s % EPOCH_S

    @property
    def n_epochs(self) -> int:
        return count_epochs(self.recording.duration_s, self.begin_s)

    def prepare(self, settings: PrepareSettings = _USUAL) -> Epochs:
        """Filtered, resampled and cut, once for all systems that ask with the same settings."""
        return self.keep(
            ("epochs", settings),
            lambda: prepare_epochs(
                self.recording, self.montage, settings.sampling_rate_hz, settings.mains_hz, self.start_s
            ),
        )

    def keep(self, key: Any, make: Callable[[], Any]) -> Any:
        """What was made under a key, made now if it was not."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def corrupt(self, recording: Recording) -> "Shown":
        """The same night with another recording."""
        return replace(self, recording=recording, _kept={})


@dataclass(frozen=True, eq=False)
class LabelledNight:
    """A night of a dataset with its right answer, and a way to its signals, read when they are needed.

    Parameters
    ----------
    known : KnownNight
    read : callable
        Reads the recording.
    """

    known: KnownNight
    read: Callable[[], Shown]

    @property
    def night(self) -> str:
        return self.known.night

    @cached_property
    def codes(self) -> np.ndarray:
        """Stages, shape (n_epochs,): index into `aasm.STAGES`, -1 where unscored."""
        return self.known.truth.codes()


class System(Protocol):
    """Anything that stages a night.

    It is fitted on the training nights alone; validation nights choose between its settings. `shares` says how
    common each stage was in what it learnt from, as its loss weighted it: the night-level step divides by it. None
    where nobody knows.
    """

    name: str
    shares: np.ndarray | None
    n_parameters: int | None

    def fit(self, training: Sequence[LabelledNight], validation: Sequence[LabelledNight]) -> None:
        """Learn, where there is something to learn."""

    def stage(self, shown: Shown) -> np.ndarray:
        """Probabilities, shape (n_epochs, 5), in the order of `aasm.STAGES`."""


def read_labelled(nights: Sequence[Night], dataset: Dataset, split: str) -> list[LabelledNight]:
    """The nights of a split with their recordings.

    Parameters
    ----------
    nights : sequence of Night
        What the cohort's folder holds.
    dataset : Dataset
        Says which of them are in the split, and what their scorers wrote.

    Raises
    ------
    DatasetError
        Where a recording is not among the nights, or is scored in other epochs than of 30 s.
    """
    by_name = {night.night: night for night in nights}
    missing = [name for name in dataset.nights(split) if name not in by_name]
    if missing:
        raise DatasetError(
            f"{dataset.folder} has the nights {', '.join(missing)} for {split}, whose recordings are not there. "
            f"There are {', '.join(sorted(by_name))}. Name the folder that the dataset was built from."
        )
    return [_label(by_name[known.night], known) for known in read_known_nights(dataset, split)]


def _label(night: Night, known: KnownNight) -> LabelledNight:
    if known.truth.step_s != EPOCH_S:
        raise DatasetError(
            f"{known.night} is scored every {known.truth.step_s:g} s. Systems are compared on epochs of {EPOCH_S} s; "
            "leave the night out."
        )
    return LabelledNight(known, partial(_read, night, known.truth.start_s))


def _read(night: Night, start_s: float) -> Shown:
    with bring_night(night) as here:
        return Shown(*read_drawn(here.recording_path, here.channels, here.leads), start_s)


def count_stages(nights: Sequence[LabelledNight]) -> np.ndarray:
    """Scored epochs of each stage, shape (5,)."""
    codes = np.concatenate([night.codes for night in nights])
    return np.bincount(codes[codes >= 0], minlength=len(STAGES))

"""What each choice is worth: one thing changed at a time, everything else as it was.

A variant is what it changes of the settings, and nothing more; the dataset is drawn and the adapter trained anew for
each by the ordinary functions, with equal seeds and equal splits.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from somnolens.config import Settings, resolve_settings
from somnolens.evaluate.evaluation import Evaluation, NightResult, evaluate_adapter, name_stages
from somnolens.evaluate.in_process import Report, build_here, train_here
from somnolens.model.architecture import build_model, write_model
from somnolens.read.cohorts import find_nights
from somnolens.score.engine import load_engine

BASELINE: Final = "as it is"

RANDOM_BASE: Final = "random"
"""Stands for a base model of the embedded shape that nobody has trained."""


@dataclass(frozen=True)
class Variant:
    """One choice made otherwise.

    Parameters
    ----------
    group : str
        What the choice is about.
    name : str
    changes : mapping
        Sections of the settings with what differs.
    """

    group: str
    name: str
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


NO_MUSCLE: Final = {"chin EMG": None}
NO_EYES: Final = {"E1-M2": None, "E2-M2": None}

VARIANTS: Final = (
    Variant("modalities", "EEG", {"read": {"channels": NO_MUSCLE | NO_EYES}}),
    Variant("modalities", "EEG + EOG", {"read": {"channels": NO_MUSCLE}}),
    Variant("modalities", "EEG + EMG", {"read": {"channels": NO_EYES}}),
    Variant("amplitude", "min-max", {"render": {"amplitude": "min-max"}}),
    Variant("width", "896 px", {"render": {"preset": "wide-896"}}),
    Variant("width", "1344 px", {"render": {"preset": "strip-1344"}}),
    Variant("context", "three epochs in one picture", {"render": {"preset": "three-1344"}}),
    Variant("context", "three pictures", {"model": {"n_pictures": 3}}),
    Variant("phase one", "random weights", {"model": {"base": RANDOM_BASE}}),
)
"""All that need a training of their own. The baseline has EEG, EOG and EMG, fixed microvolts, 448 px, one epoch and the
pre-trained base model. The night-level step is told apart in every row, since it needs no training of its own."""


@dataclass(frozen=True, eq=False)
class Ablated:
    """What came of a variant.

    Parameters
    ----------
    variant : Variant
    night : Evaluation
        With the night-level step.
    alone : Evaluation
        Without it.
    seconds : float
        Of training, looking at the pictures included.
    """

    variant: Variant
    night: Evaluation
    alone: Evaluation
    seconds: float


def change_settings(settings: Settings, variant: Variant) -> Settings:
    """Settings of a variant.

    A preset replaces the whole picture style; other changes are made within their section.

    Examples
    --------
    >>> change_settings(Settings(), VARIANTS[3]).render.amplitude
    'min-max'
    """
    values = settings.model_dump(mode="json")
    for section, changes in variant.changes.items():
        kept = {} if "preset" in changes else values[section]
        values[section] = kept | dict(changes)
    return resolve_settings(values, f"the variant {variant.name}")


def list_variants(groups: Sequence[str] = ()) -> list[Variant]:
    """The baseline and the variants, of all groups or of some."""
    return [Variant("", BASELINE), *(one for one in VARIANTS if not groups or one.group in groups)]


def ablate(
    nights: Path, run: Path, settings: Settings, variants: Sequence[Variant], report: Report = lambda note: None
) -> list[Ablated]:
    """Draw, train and evaluate every variant.

    Parameters
    ----------
    nights : Path
        Folder of recordings and scorings.
    run : Path
        New folder; a folder for each variant below it.
    settings : Settings
        Of the baseline.
    variants : sequence of Variant
    report : callable
        Hears how it goes.

    Raises
    ------
    DatasetError
    EmptyCohortError
    """
    return [_try(nights, run / f"{number:02d}", settings, variant, report) for number, variant in enumerate(variants)]


def _try(nights: Path, folder: Path, settings: Settings, variant: Variant, report: Report) -> Ablated:
    changed = _provide_base(change_settings(settings, variant), folder / "base")

    def tell(note: str) -> None:
        report(f"{variant.name}: {note}")

    found = find_nights(nights, changed.dataset.cohort, changed.read.channels)
    dataset = build_here(found, folder / "dataset", changed, tell)
    started = time.perf_counter()
    train_here(dataset.folder, folder, changed, tell)
    seconds = time.perf_counter() - started
    engine = load_engine(folder / "adapter")
    night = evaluate_adapter(engine, dataset, "test", system=variant.name)
    alone = Evaluation(
        [NightResult(one.known, name_stages(one.known, one.alone, variant.name)) for one in night.nights], variant.name
    )
    return Ablated(variant, night, alone, seconds)


def _provide_base(settings: Settings, folder: Path) -> Settings:
    """The settings with a folder of random weights in place of `RANDOM_BASE`."""
    if settings.model.base != RANDOM_BASE:
        return settings
    write_model(*build_model(settings.train.seed), folder, {"weights": "random"})
    return settings.model_copy(update={"model": settings.model.model_copy(update={"base": str(folder)})})

"""What an adapter needs after its training: night-level step, calibration, and its figures on validation nights."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from somnolens.dataset.manifest import Dataset
from somnolens.model.adapter_card import AdapterCard, check_render_hash, read_card, write_card
from somnolens.score.calibration import Calibration, fit_calibration, scale
from somnolens.score.engine import Engine, load_engine, look_at
from somnolens.score.probe import record_answers
from somnolens.score.profile import describe_profile, measure_night
from somnolens.score.reader import N_STAGES
from somnolens.score.recurrent import Nights, RecurrentStep, fit_recurrent
from somnolens.score.sequence import SequenceStep, fit_sequence
from somnolens.train.loop import measure_stages
from somnolens.train.rows import weigh_stages


def finish_adapter(adapter: Path, dataset: Dataset) -> AdapterCard:
    """Fit the night-level step and the calibration of a trained adapter; write them, with figures, into its card.

    Parameters
    ----------
    adapter : Path
        Adapter folder, changed in place.
    dataset : Dataset
        The one it was trained on: transitions from its training nights, the rest from its validation nights.
    """
    settings = read_card(adapter).resolved
    engine = load_engine(adapter, sequence_step=False)
    n_hidden = engine.looker.n_hidden if settings.train.night_step == "recurrent" else 0
    pictures = _look_at_nights("validation", dataset, engine, n_hidden)
    step = _fit_step(pictures, dataset, engine, n_hidden)
    nights = _apply(step, pictures)
    calibration = fit_calibration(_tell(pictures), nights, len(dataset.subjects("validation")))
    figures = _measure(_tell(pictures), "picture") | _measure(nights, "night")
    card = replace(
        engine.card,
        sequence=step.to_dict() if step else {},
        calibration=calibration.to_dict(),
        metrics=engine.card.metrics | figures,
        probe=record_answers(engine),
        profile=_profile(nights, calibration, dataset, "validation"),
    )
    if isinstance(step, RecurrentStep):
        step.write(adapter)
    write_card(adapter, card)
    return card


def _fit_step(pictures: Nights, dataset: Dataset, engine: Engine, n_hidden: int) -> SequenceStep | RecurrentStep | None:
    """The night-level step that the settings ask for, from training nights and readings of validation nights."""
    train = engine.card.resolved.train
    if train.night_step == "none":
        return None
    if n_hidden:
        return fit_recurrent(_look_at_nights("train", dataset, engine, n_hidden), pictures, train.seed)
    stages = [dataset.read_stages(night) for night in dataset.nights("train")]
    codes = np.concatenate([codes[codes >= 0] for codes in stages])
    _, shares = weigh_stages(codes, train.class_weighting, train.sampling)
    return fit_sequence(stages, shares, pictures)


def calibrate_adapter(
    adapter: Path, dataset: Dataset, split: str = "validation", report: Callable[[str], None] = lambda night: None
) -> AdapterCard:
    """Fit the calibration and the profile of an adapter anew, on any dataset, and leave the rest of it as it is.

    For an adapter that moves to another cohort, or was trained before there was calibration.

    Parameters
    ----------
    adapter : Path
        Adapter folder, changed in place.
    dataset : Dataset
        Its subjects must be others than those the adapter will be measured on.
    split : str
    report : callable
        Gets the name of each night that is done.

    Raises
    ------
    AdapterError
        Where the pictures are drawn otherwise than the adapter learnt.
    """
    engine = load_engine(adapter)
    check_render_hash(engine.card, dataset.style.hash, f"The dataset {dataset.folder}")
    n_hidden = engine.sequence.n_hidden if engine.sequence else 0
    pictures = _look_at_nights(split, dataset, engine, n_hidden, report)
    nights = _apply(engine.sequence, pictures)
    calibration = fit_calibration(_tell(pictures), nights, len(dataset.subjects(split)))
    card = replace(
        engine.card,
        calibration=calibration.to_dict(),
        probe=record_answers(engine),
        profile=_profile(nights, calibration, dataset, split),
    )
    write_card(adapter, card)
    return card


def _profile(
    nights: list[tuple[np.ndarray, np.ndarray]], calibration: Calibration, dataset: Dataset, split: str
) -> dict[str, Any]:
    """What the adapter tells of the nights of a split, for the drift alarm of the service."""
    told = [scale(probabilities, calibration.night) for _, probabilities in nights]
    qualities = [dataset.read_quality(night) for night in dataset.nights(split)]
    return describe_profile([measure_night(*night) for night in zip(told, qualities, strict=True)])


def _look_at_nights(
    split: str,
    dataset: Dataset,
    engine: Engine,
    n_hidden: int,
    report: Callable[[str], None] = lambda night: None,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Stage codes and readings of every night of a split."""
    nights = []
    for night in dataset.nights(split):
        pictures, batch_size = engine.lay(dataset.read_pictures(night)), engine.card.resolved.score.batch_size
        nights.append((dataset.read_stages(night), look_at(engine.looker, pictures, batch_size, n_hidden)))
        report(night)
    return nights


def _tell(pictures: Nights) -> list[tuple[np.ndarray, np.ndarray]]:
    """Readings without their hidden states."""
    return [(codes, readings[:, :N_STAGES]) for codes, readings in pictures]


def _apply(step: SequenceStep | RecurrentStep | None, pictures: Nights) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(codes, step.apply(readings)) for codes, readings in pictures] if step else _tell(pictures)


def _measure(nights: list[tuple[np.ndarray, np.ndarray]], name: str) -> dict[str, Any]:
    codes = np.concatenate([codes for codes, _ in nights])
    named = np.concatenate([probabilities.argmax(1) for _, probabilities in nights])
    scored = codes >= 0
    figures = measure_stages(codes[scored], named[scored], 5)
    return {f"validation.{name}.{key}": value for key, value in figures.items()}

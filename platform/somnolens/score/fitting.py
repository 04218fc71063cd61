"""What an adapter needs after its training: night-level step, calibration, and its figures on validation nights."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from somnolens.config import Settings
from somnolens.dataset.manifest import Dataset
from somnolens.model.adapter_card import AdapterCard, check_render_hash, read_card, write_card
from somnolens.score.calibration import fit_calibration
from somnolens.score.engine import Engine, load_engine
from somnolens.score.sequence import fit_sequence
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
    card = read_card(adapter)
    settings = card.resolved
    engine = load_engine(adapter, sequence_step=False)
    training = [dataset.read_stages(night) for night in dataset.nights("train")]
    _, shares = weigh_stages(np.concatenate([c[c >= 0] for c in training]), settings.train.class_weighting)
    pictures = [_score(night, dataset, engine, settings) for night in dataset.nights("validation")]
    sequence = fit_sequence(training, shares, pictures)
    nights = [(codes, sequence.apply(probabilities)) for codes, probabilities in pictures]
    calibration = fit_calibration(pictures, nights, len(dataset.subjects("validation")))
    figures = _measure(pictures, "picture") | _measure(nights, "night")
    card = replace(card, sequence=sequence.to_dict(), calibration=calibration.to_dict(), metrics=card.metrics | figures)
    write_card(adapter, card)
    return card


def calibrate_adapter(
    adapter: Path, dataset: Dataset, split: str = "validation", report: Callable[[str], None] = lambda night: None
) -> AdapterCard:
    """Fit the calibration of an adapter anew, on any dataset, and leave the rest of it as it is.

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
    pictures = []
    for night in dataset.nights(split):
        pictures.append(_score(night, dataset, engine, engine.card.resolved))
        report(night)
    apply = engine.sequence.apply if engine.sequence else np.asarray
    nights = [(codes, apply(probabilities)) for codes, probabilities in pictures]
    calibration = fit_calibration(pictures, nights, len(dataset.subjects(split)))
    card = replace(engine.card, calibration=calibration.to_dict())
    write_card(adapter, card)
    return card


def _score(night: str, dataset: Dataset, engine: Engine, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    pictures = dataset.read_pictures(night)
    return dataset.read_stages(night), engine.score_pictures(pictures, settings.score.batch_size)


def _measure(nights: list[tuple[np.ndarray, np.ndarray]], name: str) -> dict[str, Any]:
    codes = np.concatenate([codes for codes, _ in nights])
    named = np.concatenate([probabilities.argmax(1) for _, probabilities in nights])
    scored = codes >= 0
    figures = measure_stages(codes[scored], named[scored], 5)
    return {f"validation.{name}.{key}": value for key, value in figures.items()}

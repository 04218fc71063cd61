"""What an adapter needs after its training: the night-level step, and its figures on validation nights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from somnolens.config import Settings
from somnolens.dataset.manifest import Dataset
from somnolens.model.adapters import AdapterCard, read_card, write_card
from somnolens.score.engine import Engine, load_engine
from somnolens.score.sequence import fit_sequence
from somnolens.train.loop import measure_stages
from somnolens.train.rows import weigh_stages


def finish_adapter(adapter: Path, dataset: Dataset) -> AdapterCard:
    """Fit the night-level step of a trained adapter and write it, with validation figures, into its card.

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
    codes, train = np.concatenate([c[c >= 0] for c in training]), settings.train
    _, shares = weigh_stages(codes, train.class_weighting, train.sampling)
    nights = [_score(night, dataset, engine, settings) for night in dataset.nights("validation")]
    sequence = fit_sequence(training, shares, nights)
    figures = _measure(nights, "picture") | _measure(
        [(codes, sequence.apply(probabilities)) for codes, probabilities in nights], "night"
    )
    card = replace(card, sequence=sequence.to_dict(), metrics=card.metrics | figures)
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

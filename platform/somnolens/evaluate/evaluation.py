"""An adapter against the scorers of a dataset's split."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from somnolens.dataset.manifest import Dataset
from somnolens.evaluate.agreement import Agreement, measure_agreement, pool
from somnolens.hypnogram import Hypnogram
from somnolens.model.adapter_card import check_render_hash
from somnolens.score.engine import Engine


@dataclass(frozen=True, eq=False)
class NightResult:
    """One night of an evaluation.

    Parameters
    ----------
    night : str
    truth, scored : Hypnogram
    agreement : Agreement
    """

    night: str
    truth: Hypnogram
    scored: Hypnogram
    agreement: Agreement


@dataclass(frozen=True)
class Evaluation:
    """All nights of a split."""

    nights: list[NightResult]

    @property
    def pooled(self) -> Agreement:
        """Agreement over the epochs of all nights together."""
        return pool([night.agreement for night in self.nights])


def evaluate_adapter(
    engine: Engine, dataset: Dataset, split: str, report: Callable[[str], None] = lambda night: None
) -> Evaluation:
    """Score every night of a split from its pictures and measure the agreement with its scorer.

    Raises
    ------
    AdapterError
        Where the pictures are drawn otherwise than the adapter learnt.
    """
    check_render_hash(engine.card, dataset.style.hash, f"The dataset {dataset.folder}")
    batch_size = engine.card.resolved.score.batch_size
    results = []
    for night in dataset.nights(split):
        truth = Hypnogram.from_codes(dataset.read_stages(night), scorer="expert")
        probabilities = engine.read_night(engine.score_pictures(dataset.read_pictures(night), batch_size))
        named = Hypnogram.from_codes(probabilities.argmax(1), scorer="somnolens")
        scored = Hypnogram(named.stages, named.scorer, probabilities=np.asarray(probabilities))
        results.append(NightResult(night, truth, scored, measure_agreement(truth, scored)))
        report(night)
    return Evaluation(results)

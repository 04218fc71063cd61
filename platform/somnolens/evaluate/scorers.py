"""A system among several scorers of the same nights: is it one more human, or worse than each of them?

After A. Guillot et al., "Dreem Open Datasets", IEEE TNSRE 28(9), 1955-1965, 2020, and J. B. Stephansen et al.,
Nature Communications 9:5229, 2018: each human is held to the consensus of the *other* humans, never to one that
holds the own vote, and the system to the very same consensuses. So human and system have the same yardstick, made
of as many scorers; the system's rank is one more than the number of humans who come closer to theirs than the
system comes to it.

Departure: there the system is held to one consensus, of all scorers but the least reliable; here to each of the
consensuses that a human is held to, so that no choice is left. The agreement with the consensus of all is told too.

Hypnodensity: the shares of the scorers for each stage, against the system's probabilities. Told as the mean
Jensen-Shannon distance (J. Lin, IEEE Trans. Inf. Theory 37(1), 145-151, 1991; base 2: 0 alike, 1 nothing in
common) and as the averaged cosine similarity (L. Fiorillo et al., npj Digital Medicine 6:33, 2023; 1 alike). A
human's hypnodensity is 1 for the stage given, against the shares of the others: that is what a system that only
names stages can reach.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.spatial.distance import jensenshannon

from somnolens.aasm import STAGES
from somnolens.evaluate.agreement import Agreement, measure_agreement, pool
from somnolens.evaluate.evaluation import Evaluation, NightResult
from somnolens.read.scorers import count_votes, find_consensus, share_votes


@dataclass(frozen=True, eq=False)
class HumanAgreement:
    """One human and the system, by the consensus of the other humans.

    Parameters
    ----------
    scorer : str
    human : Agreement
        Of the human with the consensus of the others.
    system : Agreement
        Of the system with that same consensus.
    direct : Agreement
        Of the system with this human.
    """

    scorer: str
    human: Agreement
    system: Agreement
    direct: Agreement

    @property
    def beats_system(self) -> bool:
        """Whether the human comes closer to the others than the system does, by Cohen's kappa."""
        return self.human.kappa > self.system.kappa


@dataclass(frozen=True, eq=False)
class ScorerComparison:
    """A system among the scorers of some nights.

    Parameters
    ----------
    humans : tuple of HumanAgreement
    consensus : Agreement
        Of the system with the consensus of all.
    distance, similarity : float
        Jensen-Shannon distance and cosine similarity of hypnodensities, system against all scorers; not a number
        where the system gives no probabilities.
    human_distance, human_similarity : float
        The same of each human against the others, averaged over humans.
    n_nights : int
    """

    humans: tuple[HumanAgreement, ...]
    consensus: Agreement
    distance: float
    similarity: float
    human_distance: float
    human_similarity: float
    n_nights: int

    @property
    def rank(self) -> int:
        """Of the system among itself and the humans; 1 is the best."""
        return 1 + sum(human.beats_system for human in self.humans)

    @property
    def n_ranked(self) -> int:
        """The humans and the system."""
        return len(self.humans) + 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values for metrics.json."""
        distances = {
            "hypnodensity_distance": self.distance,
            "hypnodensity_similarity": self.similarity,
            "human_hypnodensity_distance": self.human_distance,
            "human_hypnodensity_similarity": self.human_similarity,
        }
        return {
            "nights": self.n_nights,
            "rank": self.rank,
            "ranked": self.n_ranked,
            "consensus": self.consensus.to_dict(),
            **{name: None if np.isnan(value) else value for name, value in distances.items()},
            "scorers": list_humans(self),
        }


def list_humans(comparison: ScorerComparison) -> list[dict[str, Any]]:
    """A line for each human: their kappa and accuracy by the others' consensus, the system's, and between the two."""
    lines = []
    for one in comparison.humans:
        line: dict[str, Any] = {"scorer": one.scorer, "epochs": one.human.n_epochs}
        pairs = (("human", one.human), ("system", one.system), ("between", one.direct))
        for who, agreement in pairs:
            line |= {f"{who}_kappa": round(agreement.kappa, 4), f"{who}_accuracy": round(agreement.accuracy, 4)}
        lines.append(line)
    return lines


def compare_scorers(evaluation: Evaluation) -> ScorerComparison | None:
    """Hold a system to the scorers of the nights that have several; None where no night has.

    Scorers are pooled over nights by name. With two of them the others' consensus is the other's scoring.
    """
    nights = [night for night in evaluation.nights if len(night.known.scorers) > 1]
    if not nights:
        return None
    names = sorted({scorer.scorer for night in nights for scorer in night.known.scorers})
    humans = tuple(_compare_human(name, nights) for name in names)
    distance, similarity = _mean(_measure_night(night) for night in nights)
    human_distance, human_similarity = _mean(pair for night in nights for pair in _measure_humans(night))
    return ScorerComparison(
        humans=humans,
        consensus=pool(measure_agreement(find_consensus(stack_codes(night)), night.codes[1]) for night in nights),
        distance=distance,
        similarity=similarity,
        human_distance=human_distance,
        human_similarity=human_similarity,
        n_nights=len(nights),
    )


def stack_codes(night: NightResult) -> np.ndarray:
    """Stage codes of each scorer, shape (n_scorers, n_epochs)."""
    return np.stack([scorer.codes() for scorer in night.known.scorers])


def _compare_human(name: str, nights: Sequence[NightResult]) -> HumanAgreement:
    human, system, direct = [], [], []
    for night in nights:
        places = [place for place, scorer in enumerate(night.known.scorers) if scorer.scorer == name]
        for place in places:
            codes, named = stack_codes(night), night.codes[1]
            others = find_consensus(np.delete(codes, place, axis=0))
            others[codes[place] < 0] = -1  # an epoch that this human left out judges neither of the two
            human.append(measure_agreement(others, codes[place]))
            system.append(measure_agreement(others, named))
            direct.append(measure_agreement(codes[place], named))
    return HumanAgreement(name, pool(human), pool(system), pool(direct))


def measure_densities(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Jensen-Shannon distance, base 2, and cosine similarity of two hypnodensities, averaged over epochs.

    Parameters
    ----------
    one, other : ndarray, shape (n_epochs, 5)
        A row of zeros, an epoch without a stage, is as far as can be.

    Examples
    --------
    >>> measure_densities(np.eye(5)[:2], np.eye(5)[:2])
    (0.0, 1.0)
    >>> measure_densities(np.eye(5)[:2], np.eye(5)[2:4])
    (1.0, 0.0)
    """
    there = one.any(axis=1) & other.any(axis=1)
    distances, similarities = np.ones(len(one)), np.zeros(len(one))
    if there.any():
        a, b = one[there], other[there]
        distances[there] = jensenshannon(a, b, base=2, axis=1)
        similarities[there] = (a * b).sum(axis=1) / (np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1))
    return float(distances.mean()), float(similarities.mean())


def _measure_night(night: NightResult) -> tuple[float, float, int]:
    """Distance, similarity and epochs of the system against all scorers."""
    codes = stack_codes(night)
    voted = (codes >= 0).any(axis=0)
    if night.probabilities is None:
        return np.nan, np.nan, int(voted.sum())
    return *measure_densities(night.probabilities[voted], share_votes(codes)[voted]), int(voted.sum())


def _measure_humans(night: NightResult) -> Iterable[tuple[float, float, int]]:
    """The same of each human against the others."""
    codes = stack_codes(night)
    for place, own in enumerate(codes):
        others = np.delete(codes, place, axis=0)
        both = (own >= 0) & count_votes(others).any(axis=1)
        yield *measure_densities(np.eye(len(STAGES))[own[both]], share_votes(others)[both]), int(both.sum())


def _mean(measured: Iterable[tuple[float, float, int]]) -> tuple[float, float]:
    """Averages over epochs."""
    table = np.array(list(measured), dtype=float)
    weights = table[:, 2] / table[:, 2].sum()
    return float(weights @ table[:, 0]), float(weights @ table[:, 1])

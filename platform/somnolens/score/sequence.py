"""The night-level step: an epoch is read with its neighbours, as a technologist pages through.

A hidden Markov chain over the stages. What the model says of one epoch, divided by how common the
stage is, is the evidence; how stages follow each other in the training nights is the rest. The
forward-backward recursion (L. R. Rabiner, Proc. IEEE 77(2), 1989) gives the probability of each
stage given the whole night.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final

import numpy as np

RECURRENT: Final = "recurrent"
"""What the card of an adapter calls the other kind of step, which is learnt."""

N_STAGES = 5
_WEIGHTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0)


@dataclass(frozen=True)
class SequenceStep:
    """How stages follow each other, and how much a single picture counts.

    Parameters
    ----------
    transitions : list of list of float, 5 x 5
        Probability of the next epoch's stage (column) given this one's (row).
    shares : list of float
        Share of each stage among the rows the model was trained on, as its loss weighted them.
    weight : float
        Power put on the evidence of one picture; less than 1 because neighbours share their errors.
    """

    transitions: list[list[float]]
    shares: list[float]
    weight: float = 1.0
    n_hidden: ClassVar[int] = 0

    def apply(self, readings: np.ndarray) -> np.ndarray:
        """Probabilities given the whole night, shape (n_epochs, 5), from those of each picture alone.

        What readings hold beyond the five probabilities is not looked at.
        """
        evidence = (np.maximum(readings[:, :N_STAGES], 1e-6) / np.array(self.shares)) ** self.weight
        transitions = np.array(self.transitions)
        forward, backward = np.empty_like(evidence), np.ones_like(evidence)
        belief = np.full(N_STAGES, 1 / N_STAGES)
        for epoch, seen in enumerate(evidence):
            belief = (belief @ transitions if epoch else belief) * seen
            belief = forward[epoch] = belief / belief.sum()
        for epoch in range(len(evidence) - 2, -1, -1):
            later = transitions @ (evidence[epoch + 1] * backward[epoch + 1])
            backward[epoch] = later / later.sum()
        smoothed = forward * backward
        return smoothed / smoothed.sum(axis=1, keepdims=True)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def count_transitions(nights: Sequence[np.ndarray]) -> np.ndarray:
    """Transition probabilities, 5 x 5, of nights of stage codes; -1 breaks the chain. One is added to each count."""
    counts = np.ones((N_STAGES, N_STAGES))
    for codes in nights:
        now, then = codes[:-1], codes[1:]
        known = (now >= 0) & (then >= 0)
        np.add.at(counts, (now[known], then[known]), 1)
    return counts / counts.sum(axis=1, keepdims=True)


def fit_sequence(
    training_nights: Sequence[np.ndarray],
    shares: np.ndarray,
    validation: Sequence[tuple[np.ndarray, np.ndarray]],
) -> SequenceStep:
    """Count transitions on training nights, choose the weight on validation nights.

    Parameters
    ----------
    training_nights : sequence of ndarray of int
        Stage codes per night.
    shares : ndarray, shape (5,)
        See `SequenceStep`.
    validation : sequence of (codes, probabilities)
        Nights in order; the weight with the best pooled Cohen's kappa is taken.
    """
    transitions = count_transitions(training_nights).tolist()
    candidates = [SequenceStep(transitions, shares.tolist(), weight) for weight in _WEIGHTS]
    return max(candidates, key=lambda sequence: _pooled_kappa(sequence, validation))


def _pooled_kappa(sequence: SequenceStep, nights: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    truth = np.concatenate([codes for codes, _ in nights])
    named = np.concatenate([sequence.apply(probabilities).argmax(1) for _, probabilities in nights])
    known = truth >= 0
    from sklearn.metrics import cohen_kappa_score  # takes a second to import, and scoring does without

    return float(cohen_kappa_score(truth[known], named[known], labels=range(N_STAGES)))

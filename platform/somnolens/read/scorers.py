"""Several scorers of one night: their consensus and their soft labels.

After A. Guillot, F. Sauvet, E. H. During and V. Thorey, "Dreem Open Datasets: multi-scored sleep datasets to
compare human and automated sleep staging", IEEE Trans. Neural Syst. Rehabil. Eng. 28(9), 1955-1965, 2020.

- **Soft label** of an epoch: the share of the scorers who gave each stage.
- **Soft agreement** of a scorer: the number of the others who gave the scorer's stage, over the number who
  gave the others' most frequent stage; the mean over the epochs.
- **Consensus**: the most frequent stage. A tie goes to the scorer with the highest soft agreement.

Two departures from the published code: there, a scorer who gave no stage votes for "unscored" like for a
stage, here such a scorer does not vote, and an epoch is UNSCORED where fewer than half of the scorers gave a
stage; there, a tie goes to the best scorer whatever he said, here to the best of those who gave one of the
tied stages.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from somnolens.aasm import STAGES, UNSCORED
from somnolens.errors import MismatchedHypnogramError
from somnolens.hypnogram import Hypnogram

ON_GRID_S = 0.5
"""Scorings that begin within this of a whole number of epochs from each other are on one grid."""


def merge_scorers(hypnograms: Sequence[Hypnogram]) -> Hypnogram:
    """Make the consensus of several scorers; the only one's hypnogram if there is but one.

    Parameters
    ----------
    hypnograms : sequence of Hypnogram
        At least one; they need not begin or end together.

    Returns
    -------
    Hypnogram
        `probabilities` are the soft labels; rows of epochs that nobody scored are uniform.

    Raises
    ------
    MismatchedHypnogramError
        When they are not on one grid of epochs.

    Examples
    --------
    >>> merged = merge_scorers([Hypnogram(("W", "N1")), Hypnogram(("W", "N2")), Hypnogram(("W", "N2"))])
    >>> merged.stages, merged.probabilities[1].round(2).tolist()
    (('W', 'N2'), [0.0, 0.33, 0.67, 0.0, 0.0])
    """
    if len(hypnograms) == 1:
        return hypnograms[0]
    hypnograms = put_on_one_grid(hypnograms)
    codes = np.stack([hypnogram.codes() for hypnogram in hypnograms])
    consensus = Hypnogram.from_codes(find_consensus(codes), f"consensus of {len(codes)}", hypnograms[0].start_s)
    return replace(
        consensus,
        probabilities=share_votes(codes),
        step_s=hypnograms[0].step_s,
        notes=(*_tell_consensus(codes, hypnograms), *_collect_notes(hypnograms)),
    )


def put_on_one_grid(hypnograms: Sequence[Hypnogram]) -> tuple[Hypnogram, ...]:
    """Pad with UNSCORED so that all begin and end together.

    Raises
    ------
    MismatchedHypnogramError
    """
    start_s, step_s = min(one.start_s for one in hypnograms), hypnograms[0].step_s
    shifts = [(one.start_s - start_s) / step_s for one in hypnograms]
    if any(one.step_s != step_s for one in hypnograms) or any(
        abs(shift - round(shift)) * step_s > ON_GRID_S for shift in shifts
    ):
        begins = ", ".join(f"{one.scorer} at {one.start_s:g} s every {one.step_s:g} s" for one in hypnograms)
        raise MismatchedHypnogramError(
            f"The scorers' epochs are not on one grid: {begins}. Export all scorings on the same epochs."
        )
    n_epochs = max(round(shift) + len(one) for shift, one in zip(shifts, hypnograms, strict=True))
    return tuple(_pad(one, round(shift), n_epochs, start_s) for shift, one in zip(shifts, hypnograms, strict=True))


def _pad(hypnogram: Hypnogram, n_before: int, n_epochs: int, start_s: float) -> Hypnogram:
    n_after = n_epochs - n_before - len(hypnogram)
    stages = (UNSCORED,) * n_before + hypnogram.stages + (UNSCORED,) * n_after
    return replace(hypnogram, stages=stages, start_s=start_s)


def count_votes(codes: np.ndarray) -> np.ndarray:
    """Scorers who gave each stage.

    Parameters
    ----------
    codes : ndarray of int, shape (n_scorers, n_epochs)
        Index into `aasm.STAGES`, -1 where the scorer gave none.

    Returns
    -------
    ndarray of int, shape (n_epochs, 5)
    """
    return (codes[:, :, None] == np.arange(len(STAGES))).sum(axis=0)


def share_votes(codes: np.ndarray) -> np.ndarray:
    """Soft labels, shape (n_epochs, 5); rows sum to 1, and are uniform where nobody voted."""
    votes = count_votes(codes)
    n_voters = votes.sum(axis=1, keepdims=True)
    return np.where(n_voters > 0, votes / np.maximum(n_voters, 1), 1 / len(STAGES))


def measure_soft_agreement(codes: np.ndarray) -> np.ndarray:
    """Soft agreement of each scorer with the others, shape (n_scorers,); 0 to 1.

    Over the epochs that the scorer and at least one other have scored; 0 if there is none.

    Examples
    --------
    >>> measure_soft_agreement(np.array([[0, 1, 2], [0, 1, 2], [0, 1, 4]])).round(2).tolist()
    [1.0, 1.0, 0.67]
    """
    return np.array([_agree(codes[scorer], np.delete(codes, scorer, axis=0)) for scorer in range(len(codes))])


def _agree(own: np.ndarray, others: np.ndarray) -> float:
    votes = count_votes(others)
    shared = np.flatnonzero((own >= 0) & votes.any(axis=1))
    return float(np.mean(votes[shared, own[shared]] / votes[shared].max(axis=1))) if len(shared) else 0.0


def find_consensus(codes: np.ndarray) -> np.ndarray:
    """Consensus of several scorers, shape (n_epochs,); -1 where fewer than half gave a stage.

    Examples
    --------
    >>> find_consensus(np.array([[0, 1, -1], [0, 2, -1], [0, 2, 4]])).tolist()
    [0, 2, -1]
    """
    votes = count_votes(codes)
    is_top = votes == votes.max(axis=1, keepdims=True)
    consensus = np.full(codes.shape[1], -1)
    for scorer in np.argsort(-measure_soft_agreement(codes), kind="stable")[::-1]:  # the best has the last word
        own = codes[scorer]
        gave_top = (own >= 0) & is_top[np.arange(len(own)), own]
        consensus[gave_top] = own[gave_top]
    consensus[2 * votes.sum(axis=1) < len(codes)] = -1
    return consensus


def _tell_consensus(codes: np.ndarray, hypnograms: Sequence[Hypnogram]) -> tuple[str, ...]:
    votes, agreements = count_votes(codes), measure_soft_agreement(codes)
    n_tops = ((votes == votes.max(axis=1, keepdims=True)) & (votes > 0)).sum(axis=1)
    n_ties = int((n_tops > 1).sum())
    listed = ", ".join(f"{one.scorer} {value:.2f}" for one, value in zip(hypnograms, agreements, strict=True))
    return (f"Consensus of {len(codes)} scorers with {n_ties} tie(s); soft agreement with the others: {listed}.",)


def _collect_notes(hypnograms: Sequence[Hypnogram]) -> tuple[str, ...]:
    return tuple(f"{one.scorer}: {note}" for one in hypnograms for note in one.notes)

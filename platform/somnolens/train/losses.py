"""What a row should be named, and what it costs to name it otherwise."""

from typing import Final

import numpy as np
import torch

from somnolens.aasm import STAGES
from somnolens.config import TrainSettings

NEIGHBOURS: Final = {"W": ("N1",), "N1": ("W", "N2", "R"), "N2": ("N1", "N3"), "N3": ("N2",), "R": ("N1",)}
"""Stages that scorers take for each other: between human scorers, nearly all disagreement lies here.

R. S. Rosenberg and S. Van Hout, "The AASM inter-scorer reliability program: sleep stage scoring",
J. Clin. Sleep Med. 9(1), 81-87, 2013.
"""


def smooth_labels(labels: np.ndarray, share: float) -> np.ndarray:
    """Give a share of every label to the neighbours of its stage, evenly.

    Parameters
    ----------
    labels : ndarray, shape (n_rows, 5)
        Rows sum to 1, and still do afterwards.
    share : float
        0 to 1.

    Examples
    --------
    >>> smooth_labels(np.eye(5)[[1, 3]], 0.3).round(2).tolist()
    [[0.1, 0.7, 0.1, 0.0, 0.1], [0.0, 0.0, 0.3, 0.7, 0.0]]
    """
    to_neighbours = np.array([[(to in NEIGHBOURS[of]) / len(NEIGHBOURS[of]) for to in STAGES] for of in STAGES])
    return (1 - share) * labels + share * labels @ to_neighbours


def measure_loss(
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, settings: TrainSettings
) -> torch.Tensor:
    """Cross-entropy over the five stage tokens, or focal loss, of each row.

    Focal loss (T.-Y. Lin et al., ICCV 2017) lowers the cost of what is named right already by (1 - p) ** gamma;
    with soft labels, stage by stage.

    Parameters
    ----------
    logits, labels : Tensor, shape (n_rows, 5)
    weights : Tensor, shape (5,)
        Of the stages.

    Returns
    -------
    Tensor, shape (n_rows,)
    """
    costs = -logits.log_softmax(-1)
    if settings.loss == "focal":
        costs = costs * (1 - (-costs).exp()) ** settings.focal_gamma
    return (labels * weights * costs).sum(-1)

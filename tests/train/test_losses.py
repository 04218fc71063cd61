"""The cost of a name, by hand."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from somnolens.aasm import STAGES
from somnolens.config import TrainSettings
from somnolens.train.losses import NEIGHBOURS, measure_loss, smooth_labels

LOGITS = torch.randn(7, 5, generator=torch.Generator().manual_seed(0))
CODES = torch.tensor([0, 1, 2, 3, 4, 2, 0])
WEIGHTS = torch.tensor([0.5, 2.0, 1.0, 1.0, 1.5])
HARD = functional.one_hot(CODES, 5).float()


def test_with_one_stage_a_row_it_is_torchs_cross_entropy():
    loss = measure_loss(LOGITS, HARD, WEIGHTS, TrainSettings())
    torch.testing.assert_close(loss, functional.cross_entropy(LOGITS, CODES, reduction="none") * WEIGHTS[CODES])


def test_with_soft_labels_it_is_torchs_cross_entropy_of_shares():
    labels = torch.rand(7, 5, generator=torch.Generator().manual_seed(1)).softmax(-1)
    loss = measure_loss(LOGITS, labels, torch.ones(5), TrainSettings())
    torch.testing.assert_close(loss, functional.cross_entropy(LOGITS, labels, reduction="none"))


def test_focal_loss_of_an_even_guess_by_hand():
    settings = TrainSettings(loss="focal", focal_gamma=2)
    loss = measure_loss(torch.zeros(1, 5), HARD[:1], torch.ones(5), settings)
    assert loss.item() == pytest.approx(0.8**2 * math.log(5), rel=1e-6)


def test_focal_loss_counts_easy_rows_less_and_is_cross_entropy_at_zero():
    plain = measure_loss(LOGITS, HARD, WEIGHTS, TrainSettings())
    focal = measure_loss(LOGITS, HARD, WEIGHTS, TrainSettings(loss="focal"))
    assert (focal < plain).all()
    assert focal.argmax() == (1 - functional.softmax(LOGITS, -1)[range(7), CODES]).pow(2).mul(plain).argmax()
    torch.testing.assert_close(measure_loss(LOGITS, HARD, WEIGHTS, TrainSettings(loss="focal", focal_gamma=0)), plain)


def test_smoothed_labels_still_sum_to_one_and_favour_their_stage():
    smooth = smooth_labels(np.eye(5), 0.4)
    assert smooth.sum(axis=1) == pytest.approx(1)
    assert (smooth.argmax(axis=1) == np.arange(5)).all()
    assert smooth[STAGES.index("N3"), STAGES.index("W")] == 0


def test_neighbours_are_mutual():
    assert all(of in NEIGHBOURS[to] for of, all_to in NEIGHBOURS.items() for to in all_to)

"""Epochs of 20 s become epochs of 30 s that overlap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from somnolens.hypnogram import Hypnogram
from somnolens.prepare.cut import count_epochs, cut_epochs
from somnolens.prepare.quality import share_per_epoch
from somnolens.read.runs import widen_epochs


@pytest.mark.parametrize(
    ("start_s", "duration_s", "n_before", "n_after"),
    [(0, 200, 1, 1), (5, 210, 0, 0), (4.9, 210, 1, 0), (5, 209.9, 0, 1), (0, 100, 1, 6), (-40, 200, 3, 0)],
)
def test_epochs_that_would_reach_out_of_the_signal_are_left_out(start_s, duration_s, n_before, n_after):
    """Ten epochs: the first needs 5 s before it, the last 5 s after it."""
    stages = tuple("N2" if epoch % 2 else "W" for epoch in range(10))
    wide = widen_epochs(Hypnogram(stages, start_s=start_s, step_s=20.0), duration_s)
    assert wide.stages == stages[n_before : 10 - n_after]
    assert wide.start_s == pytest.approx(start_s - 5 + 20 * n_before)
    assert f"{n_before} at the beginning and {n_after} at the end" in wide.notes[-1]


@given(start_s=st.floats(0, 100), duration_s=st.floats(0, 600))
def test_every_widened_epoch_lies_in_the_signal(start_s, duration_s):
    wide = widen_epochs(Hypnogram(("W",) * 20, start_s=start_s, step_s=20.0), duration_s)
    assert wide.start_s > -1e-5
    assert len(wide) == 0 or wide.start_s + wide.duration_s <= duration_s + 1e-5


def test_overlapping_epochs_are_cut_from_the_right_places():
    signal = np.arange(1000.0)[None]
    epochs = cut_epochs(signal, 10.0, start_s=15.0, step_s=20.0)
    assert epochs[:, 0, 0].tolist() == [150, 350, 550]
    assert epochs[:, 0, -1].tolist() == [449, 649, 849]
    assert count_epochs(100.0, 15.0, 20.0) == 3


def test_a_marked_sample_counts_in_every_epoch_that_shows_it():
    shares = share_per_epoch(np.array([25, 45, 46]), 1.0, start_s=0.0, n_epochs=3, step_s=20.0)
    np.testing.assert_allclose(shares * 30, [1, 3, 2])


def test_a_hypnogram_of_overlapping_epochs_knows_how_long_it_is():
    hypnogram = Hypnogram(("W",) * 4, start_s=15.0, step_s=20.0)
    assert hypnogram.duration_s == 90
    assert [len(hypnogram.cut(duration_s)) for duration_s in (44, 45, 64, 65, 105, 500)] == [0, 1, 1, 2, 4, 4]

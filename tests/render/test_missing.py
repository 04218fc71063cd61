"""Hiding a derivation on a picture against never having drawn it."""

import numpy as np
import pytest

from somnolens.config import PrepareSettings, RenderSettings
from somnolens.render.missing import hide_derivations, mark_missing
from somnolens.render.pictures import render_signals
from somnolens.render.style import EMPTY, FIRST_INK, Style

STYLE = Style(RenderSettings(), PrepareSettings())


def draw(present: np.ndarray, height_uv: float) -> np.ndarray:
    waves = np.random.default_rng(3).normal(0, height_uv, (1, 6, 3000)).astype(np.float32)
    return render_signals(waves, present, STYLE)[0]


@pytest.mark.parametrize("missing", [[0], [1, 5], [0, 2, 3, 4, 5]])
def test_a_derivation_hidden_on_the_picture_looks_as_if_it_had_never_been_recorded(missing):
    present = np.ones(6, bool)
    present[missing] = False
    hidden = hide_derivations(draw(np.ones(6, bool), height_uv=2), ~present, STYLE)
    np.testing.assert_array_equal(hidden, draw(present, height_uv=2))


def test_where_traces_cross_hiding_only_leaves_gaps():
    present = np.array([True, False, True, True, True, True])
    hidden = hide_derivations(draw(np.ones(6, bool), height_uv=60), ~present, STYLE)
    anew = draw(present, height_uv=60)
    differs = hidden != anew
    assert 0 < differs.mean() < 0.1
    assert (hidden[differs] < FIRST_INK).all()


def test_what_was_missing_before_stays_marked():
    present = np.array([True, True, True, True, True, False])
    hidden = hide_derivations(draw(present, height_uv=2), np.array([True] + [False] * 5), STYLE)
    both = draw(np.array([False, True, True, True, True, False]), height_uv=2)
    np.testing.assert_array_equal(hidden, both)


def test_bands_of_present_derivations_are_bare_paper():
    assert EMPTY not in mark_missing(np.ones(6, bool), STYLE)

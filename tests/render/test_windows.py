"""What a model is shown of an epoch that stands between others."""

import numpy as np
import pytest

from somnolens.config import PrepareSettings, RenderSettings
from somnolens.epochs import Epochs
from somnolens.render.pictures import render_epochs
from somnolens.render.style import EMPTY, FIRST_INK, Style
from somnolens.render.windows import draw_nothing, draw_shown, lay_windows, replace_middle, take_middle

STYLE = Style(RenderSettings(), PrepareSettings())


@pytest.fixture(scope="module")
def night() -> Epochs:
    noise = np.random.default_rng(1).normal(0, 8, (5, 6, 3000)).astype(np.float32)
    return Epochs("noise", noise, STYLE.derivations, 100.0, np.zeros((5, 6), np.uint8), STYLE.derivations)


def test_one_picture_is_the_picture(night):
    np.testing.assert_array_equal(draw_shown(night, STYLE, 1, 2, 4), render_epochs(night, STYLE, 2, 4))


def test_every_epoch_stands_between_its_neighbours_and_nothing_is_beyond_the_ends(night):
    single, shown = render_epochs(night, STYLE), draw_shown(night, STYLE, 3)
    nothing = draw_nothing(STYLE)
    np.testing.assert_array_equal(shown[0], np.stack([nothing, single[0], single[1]]))
    np.testing.assert_array_equal(shown[2], single[1:4])
    np.testing.assert_array_equal(shown[4], np.stack([single[3], single[4], nothing]))
    assert nothing.max() < FIRST_INK
    assert (nothing == EMPTY).any()


@pytest.mark.parametrize(("first", "last"), [(0, 2), (1, 4), (3, 9)])
def test_a_part_of_a_night_is_shown_as_in_the_whole_night(night, first, last):
    np.testing.assert_array_equal(draw_shown(night, STYLE, 3, first, last), draw_shown(night, STYLE, 3)[first:last])


def test_pictures_laid_beside_each_other_take_no_memory_of_their_own(night):
    pictures = render_epochs(night, STYLE)
    shown = lay_windows(pictures, STYLE, 3)
    assert shown.strides[0] == shown.strides[1] == pictures[0].nbytes
    np.testing.assert_array_equal(shown, draw_shown(night, STYLE, 3))


def test_the_middle_is_replaced_and_its_neighbours_stay(night):
    shown = draw_shown(night, STYLE, 3)
    others = render_epochs(night, STYLE, 3, 5)
    changed = replace_middle(shown[1], others)
    np.testing.assert_array_equal(take_middle(changed[1]), others[1])
    np.testing.assert_array_equal(changed[:, [0, 2]], np.stack([shown[1, [0, 2]]] * 2))
    np.testing.assert_array_equal(replace_middle(others[0], others), others)

"""Which rows are shown when, and how much they count."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from somnolens.render.png import decode_png
from somnolens.render.style import FIRST_INK, LEVELS
from somnolens.render.windows import lay_windows
from somnolens.train.rows import Rows, draw_evenly, hide_at_random, load_rows, plan_batches, spread_evenly, weigh_stages


@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 5))
def test_every_row_is_shown_once_in_a_pass(n_rows, batch_size, n_pass):
    batches = list(plan_batches(n_rows, batch_size, 7, n_pass))
    assert {len(batch) for batch in batches} == {batch_size}
    shown = np.concatenate(batches)[:n_rows]
    assert sorted(shown) == list(range(n_rows))


def test_each_pass_has_an_order_of_its_own_that_the_seed_repeats():
    first, again, second = (next(plan_batches(100, 32, 7, n_pass)) for n_pass in (0, 0, 1))
    assert (first == again).all()
    assert (first != second).any()


@given(st.lists(st.integers(0, 4), min_size=5, max_size=200), st.integers(0, 4))
def test_balanced_stages_come_equally_often(codes, n_pass):
    codes = np.array(codes)
    drawn = np.bincount(codes[draw_evenly(codes, 7, n_pass)], minlength=5)
    assert drawn.sum() == len(codes)
    assert np.ptp(drawn[np.unique(codes)]) <= 1


def test_balanced_passes_take_up_where_the_last_one_stopped():
    codes = np.array([0] * 90 + [1] * 10)
    passes = [draw_evenly(codes, 7, n_pass) for n_pass in range(9)]
    assert [np.bincount(codes[places]).tolist() for places in passes] == [[50, 50]] * 9
    times = np.bincount(np.concatenate(passes), minlength=100)
    assert set(times[:90]) == {5}
    assert set(times[90:]) == {45}


def test_balanced_batches_repeat_themselves_from_seed_and_pass():
    codes = np.arange(60) % 3
    first, again, second = (np.concatenate(list(plan_batches(60, 8, 7, n, codes))) for n in (0, 0, 1))
    assert (first == again).all()
    assert (first != second).any()


def test_balanced_sampling_leaves_nothing_to_weigh():
    weights, shares = weigh_stages(np.repeat(range(5), [50, 5, 30, 10, 5]), "balanced", "balanced")
    np.testing.assert_allclose(weights, 1)
    np.testing.assert_allclose(shares, 0.2)


def test_weights_are_the_root_of_the_inverse_frequency_with_mean_one():
    weights, shares = weigh_stages(np.array([0] * 80 + [1] * 20), "sqrt")
    assert weights[1] / weights[0] == pytest.approx(2)
    assert 0.8 * weights[0] + 0.2 * weights[1] == pytest.approx(1)
    assert shares[1] / shares[0] == pytest.approx(0.5)


def test_balanced_weights_make_all_stages_count_alike():
    _, shares = weigh_stages(np.repeat(range(5), [50, 5, 30, 10, 5]), "balanced")
    np.testing.assert_allclose(shares, 0.2)


def test_a_stage_nobody_scored_does_not_divide_by_zero():
    weights, shares = weigh_stages(np.array([0, 0, 2]), "balanced")
    assert np.isfinite(weights).all()
    assert (shares > 0).all()


def test_rows_spread_evenly_keep_both_ends():
    assert list(spread_evenly(100, 5)) == [0, 25, 50, 74, 99]
    assert list(spread_evenly(3, 5)) == [0, 1, 2]


def test_rows_with_features_show_those_instead_of_pictures():
    features = np.arange(6, dtype=np.float16).reshape(3, 2)
    shown = Rows(np.zeros(3, int), [b""] * 3, features).take(np.array([2, 0]))
    assert shown.tolist() == [[4, 5], [0, 1]]


def hide_blank(style, share, seed=7, n=40):
    """The derivations that each of some pictures, inked in all six, still shows."""
    picture = style.background.copy()
    picture[:6, 0] = FIRST_INK + LEVELS * np.arange(6)
    hide = hide_at_random(400, share, seed, style)
    return np.array([np.isin(picture[:6, 0], hide(picture, place)) for place in range(n)])


def test_a_share_of_the_rows_loses_derivations_and_always_keeps_an_eeg(style):
    shown = hide_blank(style, share=0.5, n=400)
    assert 0.4 < (~shown).any(axis=1).mean() < 0.6
    assert shown[:, :3].any(axis=1).all()
    assert (~shown).any(axis=0).all()


def test_the_same_rows_lose_the_same_derivations_again(style):
    assert (hide_blank(style, 0.5) == hide_blank(style, 0.5)).all()
    assert (hide_blank(style, 0.5) != hide_blank(style, 0.5, seed=8)).any()


def test_with_no_share_every_picture_stays_whole(style):
    assert hide_blank(style, share=0.0).all()


@pytest.fixture(scope="module")
def windows(small_dataset) -> np.ndarray:
    """What a model of three pictures is shown of the scored training epochs, night by night."""
    shown = []
    for night in small_dataset.nights("train"):
        pictures = np.stack([decode_png(image) for image in small_dataset.read_images(night)])
        scored = small_dataset.read_stages(night) >= 0
        assert not scored.all(), "a neighbour that nobody scored belongs to the test"
        shown.append(lay_windows(pictures, small_dataset.style, 3)[scored])
    return np.concatenate(shown)


def test_rows_of_three_pictures_show_neighbours_scored_or_not_and_nothing_beyond_a_night(small_dataset, windows):
    rows = load_rows(small_dataset, "train", n_pictures=3)
    assert len(rows) == len(windows)
    np.testing.assert_array_equal(rows.take(np.arange(len(rows))), windows)


def test_some_rows_of_three_pictures_keep_no_picture_that_they_do_not_show(small_dataset, windows):
    rows = load_rows(small_dataset, "train", n_pictures=3)
    picked = rows.pick(np.array([3, 0]))
    np.testing.assert_array_equal(picked.take(np.arange(2)), windows[[3, 0]])
    assert len(picked.images) < 7

"""What is taken away, what it is replaced with, and what is told of it."""

from dataclasses import replace

import numpy as np
import pytest

from somnolens.config import PrepareSettings, RenderSettings
from somnolens.epochs import FLAT
from somnolens.explain.heat import HeatMap, lay_cells, lay_patches, measure_log_odds
from somnolens.explain.neutral import cross_fade, measure_background
from somnolens.explain.occlusion import (
    draw_neutral,
    draw_variants,
    occlude_patches,
    occlude_signal,
    replace_cells,
)
from somnolens.render.pictures import render_epochs
from somnolens.render.style import Style
from tests.plain_nights import make_plain_night


def test_the_background_has_the_amplitude_of_a_night_in_which_nothing_happens():
    epochs = make_plain_night(10).cut()
    drawn = measure_background(epochs).draw(30_000, np.random.default_rng(0))
    quiet = epochs.signals_uv.std(axis=(0, 2))
    assert drawn.std(axis=1) == pytest.approx(quiet, rel=0.05)


def test_events_that_fill_less_than_half_of_the_night_are_not_in_the_background():
    calm, busy = make_plain_night(10), make_plain_night(10).add_slow_waves(0, 100, 150.0)
    rms = [measure_background(n.cut()).draw(30_000, np.random.default_rng(0))[0].std() for n in (calm, busy)]
    assert rms[1] < 1.35 * rms[0]
    assert busy.signals_uv[0].std() > 3 * calm.signals_uv[0].std()


def test_the_background_of_a_missing_derivation_is_nothing():
    drawn = measure_background(make_plain_night().cut(hidden=("O2-M1",))).draw(3000, np.random.default_rng(0))
    assert np.all(drawn[2] == 0)
    assert np.all(drawn[[0, 1, 3, 4, 5]].std(axis=1) > 1)


def test_the_same_seed_gives_the_same_neutral_signal_and_another_epoch_another(epochs):
    background = measure_background(epochs)
    one, two, other = (
        draw_neutral(epochs, *which) for which in ((1, background, 7), (1, background, 7), (2, background, 7))
    )
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_a_cross_fade_keeps_the_power_of_two_unrelated_signals():
    rng = np.random.default_rng(0)
    faded = [cross_fade(*rng.standard_normal((2, 300)), 100, 200, 40) for _ in range(2000)]
    assert np.var(faded, axis=0).mean() == pytest.approx(1.0, abs=0.01)
    assert np.var(faded, axis=0) == pytest.approx(np.ones(300), abs=0.2)


def test_only_the_cell_and_its_fade_are_replaced(epochs):
    masks = np.zeros((1, 6, 30), dtype=bool)
    masks[0, 1, 10] = True
    neutral_uv = draw_neutral(epochs, 1, measure_background(epochs), 7)
    (variant,) = replace_cells(epochs, 1, neutral_uv, masks)
    changed = variant != epochs.signals_uv[1]
    assert np.flatnonzero(changed.any(axis=1)).tolist() == [1]
    assert np.flatnonzero(changed[1]).tolist() == list(range(995, 1105))
    assert variant[1, 1010:1090] == pytest.approx(neutral_uv[1, 1010:1090])


def test_a_whole_row_is_replaced_without_a_seam(epochs):
    masks = np.zeros((1, 6, 30), dtype=bool)
    masks[0, 0] = True
    neutral_uv = draw_neutral(epochs, 1, measure_background(epochs), 7)
    assert replace_cells(epochs, 1, neutral_uv, masks)[0, 0] == pytest.approx(neutral_uv[0], abs=1e-4)


@pytest.mark.parametrize("preset", ["strip-448", "three-1344", "spectrum-448"])
def test_variants_are_drawn_by_the_raster_of_training(epochs, preset):
    style = Style(RenderSettings(preset=preset), PrepareSettings())
    for epoch in range(3):
        drawn = draw_variants(epochs, epoch, epochs.signals_uv[epoch][None], style)
        assert np.array_equal(drawn, render_epochs(epochs, style, epoch, epoch + 1))


def test_cells_lie_where_their_signal_is_drawn():
    rows, columns = lay_cells(Style(RenderSettings(), PrepareSettings()))
    assert rows.tolist() == [0, 48, 96, 128, 160, 192, 224]
    assert columns[[0, 10, 30]].tolist() == [0, 149, 448]
    _, middle = lay_cells(Style(RenderSettings(preset="three-1344"), PrepareSettings()))
    assert middle[[0, 30]].tolist() == [448, 896]


def test_each_cell_says_what_the_stage_loses_without_it(epochs, engine):
    """By hand for one cell: log-odds before less log-odds after."""
    heat = occlude_signal(epochs, 1, engine, stage="N2", cell_s=10.0)
    masks = np.zeros((1, 6, 3), dtype=bool)
    masks[0, 4, 2] = True
    neutral_uv = draw_neutral(epochs, 1, measure_background(epochs), 7)
    picture = draw_variants(epochs, 1, replace_cells(epochs, 1, neutral_uv, masks), engine.style)
    after = engine.score_pictures(picture, 1)
    expected = measure_log_odds(heat.before[None], "N2") - measure_log_odds(after, "N2")
    assert heat.values.shape == (6, 3)
    assert heat.values[4, 2] == pytest.approx(expected[0], abs=1e-4)


def test_the_stage_that_is_likeliest_is_explained_where_none_is_named(epochs, engine):
    heat = occlude_signal(epochs, 1, engine, cell_s=15.0)
    assert heat.stage == ("W", "N1", "N2", "N3", "R")[heat.before.argmax()]


def test_a_missing_derivation_has_no_heat(engine):
    heat = occlude_signal(make_plain_night(2).cut(hidden=("C4-M1",)), 0, engine, cell_s=15.0)
    assert np.all(heat.values[1] == 0)
    assert np.all(heat.values[[0, 2, 3, 4, 5]] != 0)


def test_an_epoch_whose_derivations_are_all_dead_has_no_heat(engine):
    night = make_plain_night(2).cut()
    dead = replace(night, signals_uv=np.zeros_like(night.signals_uv), quality=np.full_like(night.quality, FLAT))
    assert np.all(occlude_signal(dead, 0, engine, cell_s=15.0).values == 0)


def test_patches_without_ink_have_no_heat(engine):
    """A missing derivation leaves bare paper in the last sixth of the picture but for its hatching."""
    flat = make_plain_night(2).cut()
    flat = replace(flat, signals_uv=np.zeros_like(flat.signals_uv))
    heat = occlude_patches(flat, 0, engine, patch_px=64)
    with_line = np.array([any(top <= y < top + 64 for y in (24, 72, 112, 144, 176, 208)) for top in (0, 64, 128, 192)])
    assert heat.values.shape == (4, 7)
    assert np.all(heat.values[with_line] != 0)


def test_patches_at_the_edge_may_be_smaller():
    rows, columns = lay_patches((32, 30), 14)
    assert rows.tolist() == [0, 14, 28, 32]
    assert columns.tolist() == [0, 14, 28, 30]


def test_heat_is_pooled_over_another_grid_as_a_mean():
    values = np.array([[1.0, 3.0]])
    heat = HeatMap("signal", "N2", "", values, np.array([0, 4]), np.array([0, 2, 4]), np.full(5, 0.2))
    assert heat.pool([0, 2, 4], [0, 4], (4, 4)).tolist() == [[2.0], [2.0]]

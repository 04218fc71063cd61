"""Maps from inside the model: what they must add up to, and where their numbers belong."""

from pathlib import Path

import numpy as np
import pytest
import torch

from somnolens.config import ModelSettings, RenderSettings, Settings
from somnolens.errors import BaseModelError
from somnolens.explain.attention import combine_layers, lay_tokens, look_with_attention, map_attention
from somnolens.explain.gradients import locate_pixels, make_pixels, map_gradients
from somnolens.explain.heat import measure_log_odds
from somnolens.explain.maps import METHODS, draw_heat
from somnolens.model.adapters import prepare_looker
from somnolens.render.pictures import render_epochs
from somnolens.render.style import Style
from somnolens.render.windows import replace_middle
from tests.tiny_models import write_tiny_model


@pytest.fixture(scope="module")
def picture(epochs, engine) -> np.ndarray:
    return render_epochs(epochs, engine.style, 1, 2)[0]


def test_attention_of_every_position_sums_to_one_and_looks_at_nothing_later(engine, picture):
    layers, _ = look_with_attention(engine.looker, picture)
    assert layers.shape == (2, len(engine.looker.prompt_ids), len(engine.looker.prompt_ids))
    assert layers.sum(axis=2) == pytest.approx(np.ones(layers.shape[:2]), abs=1e-5)
    assert np.triu(layers, 1).max() == 0


def test_the_answer_is_the_same_with_attention_told_and_the_model_is_left_as_it_was(engine, picture):
    before = engine.looker.model.config.text_config._attn_implementation
    _, probabilities = look_with_attention(engine.looker, picture)
    assert probabilities == pytest.approx(engine.score_pictures(picture[None], 1)[0], abs=1e-5)
    assert engine.looker.model.config.text_config._attn_implementation == before == "sdpa"
    assert not any(layer.self_attn._forward_hooks for layer in engine.looker.model.model.language_model.layers)


def test_rollout_multiplies_layers_with_their_residual_connections():
    """Two positions, two layers; by hand: (A2 + 1) / 2 times (A1 + 1) / 2."""
    first, second = np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([[1.0, 0.0], [0.2, 0.8]])
    assert combine_layers(np.stack([first, second]), "rollout")[1] == pytest.approx([0.325, 0.675])
    assert combine_layers(np.stack([first, second]), "last")[1].tolist() == [0.2, 0.8]
    assert combine_layers(np.stack([first, second]), "mean")[1] == pytest.approx([0.35, 0.65])


def test_attention_lies_on_the_tokens_of_the_picture(engine, picture):
    heat = map_attention(engine.looker, picture, way="mean")
    assert heat.values.shape == (7, 14)
    assert heat.columns_px[[0, 1, -1]].tolist() == [0, 32, 448]
    assert 0 < heat.values.sum() < 1


def test_every_number_of_the_pixel_tensor_is_found_in_the_picture(engine, picture):
    """The colour of the pixel found, normalised as the image processor does it, is the number."""
    places = locate_pixels(engine.looker)
    numbers = make_pixels(engine.looker, picture)["pixel_values"].flatten().numpy()
    processor = engine.looker.family.processor
    colours = (engine.style.palette / 255 - processor["image_mean"]) / processor["image_std"]
    distance = np.abs(colours[picture.ravel()[places]] - numbers[:, None]).min(axis=1)
    assert distance.max() < 1e-5
    counts = np.bincount(places, minlength=picture.size)
    assert counts.min() == counts.max() >= 3


def test_integrated_gradients_add_up_to_the_difference_of_the_log_odds(engine, picture):
    paper = engine.style.background
    heat = map_gradients(engine.looker, picture, paper, stage="R", n_steps=8)
    ends = measure_log_odds(engine.score_pictures(np.stack([picture, paper]), 2), "R")
    assert heat.values.sum() == pytest.approx(ends[0] - ends[1], rel=0.1, abs=0.05)


def test_a_gradient_is_the_slope_that_a_small_step_finds(engine, picture):
    """Gradient times input, in sum, is how fast the log-odds change as the ink fades."""
    looker, paper = engine.looker, engine.style.background
    heat = map_gradients(looker, picture, paper, stage="W", way="gradient x input")
    ink, blank = (make_pixels(looker, one) for one in (picture, paper))
    odds = []
    for share in (0.99, 1.01):
        mixed = ink | {"pixel_values": torch.lerp(blank["pixel_values"], ink["pixel_values"], share)}
        with torch.inference_mode():
            odds.append(measure_log_odds(looker.name(looker.family.see(mixed)).double().softmax(-1).numpy(), "W")[0])
    assert heat.values.sum() == pytest.approx((odds[1] - odds[0]) / 0.02, rel=0.05)


def test_every_method_draws_heat_of_the_stage_asked_for(epochs, engine):
    for method in METHODS[2:3]:
        heat = draw_heat(method, epochs, 1, engine, "N3")
        assert heat.stage == "N3"
        assert heat.spread(engine.style.shape_px).shape == engine.style.shape_px


def test_a_base_model_that_resizes_pictures_is_told_to_be_explained_by_its_signal(tmp_path: Path):
    folder = write_tiny_model("idefics3", tmp_path)
    settings = Settings(model=ModelSettings(base=str(folder)), render=RenderSettings())
    looker = prepare_looker(settings, Style(settings.render, settings.prepare))
    with pytest.raises(BaseModelError, match="resizes it"):
        locate_pixels(looker)


def test_tokens_that_are_no_grid_are_refused(tmp_path: Path):
    folder = write_tiny_model("llava_next", tmp_path)
    settings = Settings(model=ModelSettings(base=str(folder)), render=RenderSettings())
    looker = prepare_looker(settings, Style(settings.render, settings.prepare))
    with pytest.raises(BaseModelError, match=r"no grid of squares\. Use --method signal"):
        lay_tokens(looker)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.slow
def test_of_three_pictures_the_middle_one_is_explained(epochs, engine_of_three, method):
    heat = draw_heat(method, epochs, 1, engine_of_three, "N2")
    assert heat.before == pytest.approx(engine_of_three.score_pictures(engine_of_three.draw(epochs), 3)[1], abs=1e-5)
    assert (heat.rows_px[-1], heat.columns_px[-1]) == (224, 448)
    assert np.isfinite(heat.values).all()
    assert heat.values.any()


def test_integrated_gradients_of_the_middle_picture_add_up_with_its_neighbours_as_they_are(epochs, engine_of_three):
    shown, paper = engine_of_three.draw(epochs, 1, 2)[0], engine_of_three.style.background
    heat = map_gradients(engine_of_three.looker, shown, paper, stage="R", n_steps=8)
    both = np.stack([shown, replace_middle(shown, paper[None])[0]])
    ends = measure_log_odds(engine_of_three.score_pictures(both, 2), "R")
    assert heat.values.sum() == pytest.approx(ends[0] - ends[1], rel=0.1, abs=0.05)

"""Our pixel tensors against the official image processor's."""

import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor
from transformers.models.qwen3_vl.configuration_qwen3_vl import Qwen3VLVisionConfig
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionPatchEmbed

from somnolens.config import RenderSettings
from somnolens.model.base import load_model
from somnolens.model.families import find_family
from somnolens.model.families.qwen3_vl import embed_stills
from somnolens.render.style import Style


def draw_noise(style: Style, n: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 106, (n, *style.shape_px)).astype(np.uint8)


def test_pixels_equal_those_of_the_official_processor(base_folder, settings, style):
    model, _, processor = load_model(settings.model)
    for chosen in (style, Style(RenderSettings(preset="wide-896"), settings.prepare)):
        pictures = draw_noise(chosen)
        official = AutoImageProcessor.from_pretrained(base_folder)(
            images=[Image.fromarray(chosen.palette[picture]) for picture in pictures], return_tensors="pt"
        )
        ours = find_family(model, processor).make_pixels(torch.from_numpy(pictures), torch.from_numpy(chosen.palette))
        first, second = official["pixel_values"].unflatten(1, (3, 2, -1)).unbind(2)
        assert torch.equal(first, second)
        torch.testing.assert_close(ours["pixel_values"], first.flatten(1), rtol=0, atol=1e-6)
        assert torch.equal(ours["image_grid_thw"], official["image_grid_thw"])


def test_one_frame_of_a_still_is_embedded_as_the_two_equal_ones():
    torch.manual_seed(0)
    config = Qwen3VLVisionConfig(patch_size=16, temporal_patch_size=2, hidden_size=24)
    embed, frame = Qwen3VLVisionPatchEmbed(config), torch.randn(5, 3, 1, 256)
    embed(frame.expand(-1, -1, 2, -1).flatten(1)).square().sum().backward()
    expected, slope = embed(frame.expand(-1, -1, 2, -1).flatten(1)), embed.proj.weight.grad.clone()
    embed_stills(embed)
    embed.zero_grad()
    embed(frame.flatten(1)).square().sum().backward()
    torch.testing.assert_close(embed(frame.flatten(1)), expected)
    torch.testing.assert_close(embed.proj.weight.grad, slope)


def test_a_picture_of_448_by_224_costs_98_image_tokens(settings):
    model, _, processor = load_model(settings.model)
    assert find_family(model, processor).count_image_tokens(224, 448) == 98

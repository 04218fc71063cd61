"""Our pixel tensors against the official image processor's."""

import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor

from somnolens.config import RenderSettings
from somnolens.model.base import load_model
from somnolens.model.families import find_family
from somnolens.model.families.qwen3_vl import PatchProduct
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
        torch.testing.assert_close(ours["pixel_values"], official["pixel_values"], rtol=0, atol=1e-6)
        assert torch.equal(ours["image_grid_thw"], official["image_grid_thw"])


def test_the_patch_product_is_the_convolution(settings):
    model, _, processor = load_model(settings.model)
    convolution = model.model.visual.patch_embed.proj
    patches = torch.randn(5, 3, 2, 16, 16)
    expected = convolution(patches)
    find_family(model, processor)
    assert type(convolution) is PatchProduct
    torch.testing.assert_close(convolution(patches), expected)


def test_a_picture_of_448_by_224_costs_98_image_tokens(settings):
    model, _, processor = load_model(settings.model)
    assert find_family(model, processor).count_image_tokens(224, 448) == 98

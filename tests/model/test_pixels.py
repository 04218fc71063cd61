"""Our pixel tensors against the official image processor's."""

import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor

from somnolens.config import RenderSettings
from somnolens.model.base import load_model
from somnolens.model.families import PatchProduct, find_family
from somnolens.model.pixels import normalise_palette
from somnolens.render.style import Style


def draw_noise(style: Style, n: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 106, (n, *style.shape_px)).astype(np.uint8)


def test_pixels_equal_those_of_the_official_processor(base_folder, settings, style):
    model, _, exposure = load_model(settings.model)
    for chosen in (style, Style(RenderSettings(preset="wide-896"), settings.prepare)):
        pictures = draw_noise(chosen)
        official = AutoImageProcessor.from_pretrained(base_folder)(
            images=[Image.fromarray(chosen.palette[picture]) for picture in pictures], return_tensors="pt"
        )
        colours = normalise_palette(chosen.palette, exposure.mean, exposure.std)
        ours = find_family(model).make_pixels(torch.from_numpy(pictures), colours)
        torch.testing.assert_close(ours["pixel_values"], official["pixel_values"], rtol=0, atol=1e-6)
        assert torch.equal(ours["image_grid_thw"], official["image_grid_thw"])


def test_the_patch_product_is_the_convolution(settings):
    model, _, _ = load_model(settings.model)
    convolution = model.model.visual.patch_embed.proj
    patches = torch.randn(5, 3, 2, 16, 16)
    expected = convolution(patches)
    find_family(model)
    assert type(convolution) is PatchProduct
    torch.testing.assert_close(convolution(patches), expected)


def test_a_picture_of_448_by_224_costs_98_image_tokens(settings):
    model, _, _ = load_model(settings.model)
    assert find_family(model).count_image_tokens(224, 448) == 98

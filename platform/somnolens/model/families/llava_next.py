"""LLaVA-NeXT, the paper's: the picture in one tile, and again as large as a grid of tiles lets it be."""

import math
from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.image_processing_utils import select_best_resolution

from somnolens.errors import BaseModelError
from somnolens.model.family import Family
from somnolens.model.pixels import colour_pictures, cut_tiles, normalise_pictures
from somnolens.model.resampling import resize_pictures


class LlavaNext(Family):
    """Takes pictures of any size; a square of one tile is not resized, and neither is one that fills its grid.

    The first view is the whole picture squeezed into a square. In the second it keeps its shape, with black bars
    beside it; features of the bars are left out, and each row of features ends with one learnt token.
    """

    def __init__(self, model: PreTrainedModel, processor: dict[str, Any], tiles: bool = True) -> None:
        super().__init__(model, processor, tiles)
        if not tiles:
            raise BaseModelError(
                "model.tiles = False does not suit this base model: it always sees a picture in tiles. "
                "Leave the setting out, or name another base model."
            )

    @property
    def vision_layers(self) -> str:
        """Only the layers whose features are used: weights after them would never get a gradient."""
        layers = "|".join(str(layer) for layer in range(self.n_vision_layers))
        return rf"(vision_model\.)?encoder\.layers\.({layers})\.(self_attn\.([qkv]|out)_proj|mlp\.fc[12])"

    @property
    def n_vision_layers(self) -> int:
        """Layers of the vision tower up to the last one that is looked at."""
        chosen, there = self.model.config.vision_feature_layer, self.vision.num_hidden_layers
        return max(
            layer + there + 1 if layer < 0 else layer for layer in ([chosen] if isinstance(chosen, int) else chosen)
        )

    @property
    def tile_px(self) -> int:
        return self.vision.image_size

    @property
    def side(self) -> int:
        """Patches along the side of a tile."""
        return self.vision.image_size // self.vision.patch_size

    def choose_canvas(self, height_px: int, width_px: int) -> tuple[int, int]:
        """Height and width of the grid of tiles for a picture."""
        return select_best_resolution((height_px, width_px), self.model.config.image_grid_pinpoints)

    def fit_canvas(self, height_px: int, width_px: int) -> tuple[int, int]:
        """Size of a picture that is as large as its canvas lets it be, in its own shape."""
        height, width = self.choose_canvas(height_px, width_px)
        if width / width_px < height / height_px:
            return min(math.ceil(height_px * (width / width_px)), height), width
        return height, min(math.ceil(width_px * (height / height_px)), width)

    def count_grid(self, height_px: int, width_px: int) -> tuple[int, int]:
        """Rows and columns of features of the second view, without those of the bars."""
        rows, columns = (side // self.tile_px * self.side for side in self.choose_canvas(height_px, width_px))
        if width_px / height_px > columns / rows:
            return rows - (rows - int(round(height_px * (columns / width_px), 7))) // 2 * 2, columns
        return rows, columns - (columns - int(round(width_px * (rows / height_px), 7))) // 2 * 2

    def count_image_tokens(self, height_px: int, width_px: int) -> int:
        rows, columns = self.count_grid(height_px, width_px)
        return self.side**2 + rows * (columns + 1)

    def count_patches(self, height_px: int, width_px: int) -> tuple[int, int]:
        height, width = self.choose_canvas(height_px, width_px)
        has_class_token = self.model.config.vision_feature_select_strategy == "default"
        return (height // self.tile_px) * (width // self.tile_px) + 1, self.side**2 + has_class_token

    def make_pixels(self, pictures: torch.Tensor, palette: torch.Tensor) -> dict[str, torch.Tensor]:
        shape_px, tile, resample = tuple(pictures.shape[1:]), self.tile_px, self.processor.get("resample", 3)
        coloured = colour_pictures(pictures, palette)
        fitted = resize_pictures(coloured, *self.fit_canvas(*shape_px), resample)
        whole = resize_pictures(coloured, tile, tile, resample)[:, None]
        seen = torch.cat([whole, cut_tiles(_centre(fitted, *self.choose_canvas(*shape_px)), tile)], dim=1)
        return {
            "pixel_values": normalise_pictures(seen, self.processor["image_mean"], self.processor["image_std"]),
            "image_sizes": torch.tensor([shape_px] * len(pictures), device=pictures.device),
        }


def _centre(pictures: torch.Tensor, height_px: int, width_px: int) -> torch.Tensor:
    """On black, a spare pixel going to the right and the bottom."""
    canvas = pictures.new_zeros(*pictures.shape[:2], height_px, width_px)
    height, width = pictures.shape[-2:]
    top, left = (height_px - height) // 2, (width_px - width) // 2
    canvas[..., top : top + height, left : left + width] = pictures
    return canvas


FAMILY = LlavaNext

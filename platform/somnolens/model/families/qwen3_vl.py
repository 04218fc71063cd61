"""Qwen3-VL: native resolution, square patches merged two by two, one token each merged patch."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.models.qwen3_vl.modeling_qwen3_vl import BaseModelOutputWithDeepstackFeatures

from somnolens.errors import BaseModelError
from somnolens.model.family import Family
from somnolens.model.pixels import cut_patches, normalise_colours


def embed_stills(patch_embed: nn.Module) -> None:
    """Let the patch embedding of a Qwen vision tower, in place, take still pictures.

    The tower looks at two frames at once, and a picture stands for both: what the two halves of its kernel make of
    equal frames is what their sum makes of one. And a convolution whose kernel is its stride is one matrix product.
    Same weights and, but for rounding, the same numbers with a quarter of the work on a CPU.
    """

    class StillPatches(type(patch_embed)):
        def forward(self, patches: torch.Tensor) -> torch.Tensor:
            kernel = self.proj.weight.sum(dim=2).flatten(1)
            return functional.linear(patches.to(kernel.dtype), kernel, self.proj.bias)

    patch_embed.__class__ = StillPatches


class Qwen3VL(Family):
    """Takes pictures as they are: sides of whole merged patches, as many pixels as its image processor lets be."""

    vision_path = merger_path = "model.visual"
    vision_layers = r"blocks\.\d+\.(attn\.(qkv|proj)|mlp\.linear_fc[12])"
    merger_layers = r"(merger|deepstack_merger_list\.\d+)\.linear_fc[12]"

    def __init__(self, model: PreTrainedModel, processor: dict[str, Any], tiles: bool = True) -> None:
        super().__init__(model, processor, tiles)
        embed_stills(model.get_submodule(self.vision_path).patch_embed)

    def count_image_tokens(self, height_px: int, width_px: int) -> int:
        token_px = self.vision.patch_size * self.vision.spatial_merge_size
        if height_px % token_px or width_px % token_px:
            raise BaseModelError(
                f"A picture of {width_px} x {height_px} px does not suit this base model. "
                f"Width and height must be multiples of {token_px}: choose another render preset."
            )
        self._check_area(height_px, width_px)
        return (height_px // token_px) * (width_px // token_px)

    def _check_area(self, height_px: int, width_px: int) -> None:
        """Outside these limits the official image processor would resize, and the model has seen no such picture."""
        size = self.processor.get("size") or {}
        least = size.get("shortest_edge") or self.processor.get("min_pixels") or 0
        most = size.get("longest_edge") or self.processor.get("max_pixels") or float("inf")
        if not least <= height_px * width_px <= most:
            raise BaseModelError(
                f"A picture of {width_px} x {height_px} px does not suit this base model. "
                f"Width times height must be {least:,} to {most:,} px: choose another render preset."
            )

    def count_patches(self, height_px: int, width_px: int) -> tuple[int, int]:
        return 1, self.count_image_tokens(height_px, width_px) * self.vision.spatial_merge_size**2

    def make_pixels(self, pictures: torch.Tensor, palette: torch.Tensor) -> dict[str, torch.Tensor]:
        """One frame of what the official image processor makes of the pictures; it repeats that frame."""
        patch_px = self.vision.patch_size
        colours = normalise_colours(palette, self.processor["image_mean"], self.processor["image_std"])
        patches = cut_patches(pictures, colours, patch_px, self.vision.spatial_merge_size)
        grid = torch.tensor([[1, pictures.shape[1] // patch_px, pictures.shape[2] // patch_px]])
        return {"pixel_values": patches, "image_grid_thw": grid.repeat(len(pictures), 1).to(pictures.device)}

    def see(self, pixels: dict[str, torch.Tensor]) -> torch.Tensor:
        seen = self.model.model.get_image_features(**pixels, return_dict=True)
        levels = [torch.stack(level) for level in (seen.pooler_output, *seen.deepstack_features)]
        return torch.stack(levels, dim=1)

    def show(self, features: torch.Tensor) -> dict[str, Any]:
        pooled, *deep = (level.flatten(0, 1) for level in features.unbind(1))
        seen = BaseModelOutputWithDeepstackFeatures(pooler_output=(pooled,), deepstack_features=[(d,) for d in deep])
        return {"mm_encoder_outputs": {"image": seen}}

    def fix_positions(self, input_ids: torch.Tensor, shape_px: tuple[int, int]) -> dict[str, torch.Tensor]:
        of_image = (input_ids == self.model.config.image_token_id).int()
        n_pictures = int(of_image[0].sum()) // self.count_image_tokens(*shape_px)
        grid = torch.tensor([[1, *(side // self.vision.patch_size for side in shape_px)]] * n_pictures)
        position_ids, _ = self.model.model.get_rope_index(input_ids[:1], of_image[:1], grid)
        return {"position_ids": position_ids.expand(-1, len(input_ids), -1), "mm_token_type_ids": of_image}


FAMILY = Qwen3VL

"""Qwen3-VL: native resolution, square patches merged two by two, one token each merged patch."""

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.qwen3_vl.modeling_qwen3_vl import (
    BaseModelOutputWithDeepstackFeatures,
    eager_attention_forward,
)
from transformers.vision_utils import get_vision_interpolation_indices_and_weights, get_vision_position_ids

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


def attend_stills(attention: nn.Module) -> None:
    """Let an attention of the Qwen3-VL vision tower, in place, take pictures of one size at once, and not in turns.

    Called as ever, with the ends of pictures in one long row, it does what it ever did.
    """

    class StillAttention(type(attention)):
        def forward(
            self,
            hidden: torch.Tensor,
            cu_seqlens: torch.Tensor | None,
            position_embeddings: tuple[torch.Tensor, torch.Tensor],
            **more: Any,
        ) -> torch.Tensor:
            if cu_seqlens is not None:
                return super().forward(hidden, cu_seqlens, position_embeddings=position_embeddings, **more)
            asked, key, value = self.qkv(hidden).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
            asked, key = (turn_by_place(states, *position_embeddings) for states in (asked, key))
            attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention_forward)
            seen, _ = attend(self, asked, key, value, attention_mask=None, scaling=self.scaling, is_causal=False)
            return self.proj(seen.flatten(-2))

    attention.__class__ = StillAttention


def turn_by_place(states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding (J. Su et al., "RoFormer", Neurocomputing 568, 2024), in float32.

    Parameters
    ----------
    states : Tensor, shape (..., n_patches, n_dim)
    cos, sin : Tensor, shape (n_patches, n_dim)
        Their second halves repeat the first.
    """
    n_half = states.shape[-1] // 2
    cos, sin = cos[:, :n_half].float(), sin[:, :n_half].float()
    first, second = states.float().split(n_half, -1)
    turned = (torch.addcmul(first * cos, second, sin, value=-1), torch.addcmul(second * cos, first, sin))
    return torch.cat(turned, -1).to(states.dtype)


class Qwen3VL(Family):
    """Takes pictures as they are: sides of whole merged patches, as many pixels as its image processor lets be."""

    vision_path = merger_path = "model.visual"
    vision_layers = r"blocks\.\d+\.(attn\.(qkv|proj)|mlp\.linear_fc[12])"
    merger_layers = r"(merger|deepstack_merger_list\.\d+)\.linear_fc[12]"

    def __init__(self, model: PreTrainedModel, processor: dict[str, Any], tiles: bool = True) -> None:
        super().__init__(model, processor, tiles)
        embed_stills(self.tower.patch_embed)
        self._attend_stills()

    @property
    def tower(self) -> nn.Module:
        """The vision tower."""
        return self.model.get_submodule(self.vision_path)

    def _attend_stills(self) -> None:
        for block in self.tower.blocks:
            attend_stills(block.attn)

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
        """As the tower's own forward pass; where patches lie is the same in all pictures, and reckoned once."""
        tower, grid = self.tower, pixels["image_grid_thw"]
        taps, weights = get_vision_interpolation_indices_and_weights(
            grid[:1],
            num_grid_per_side=tower.num_grid_per_side,
            mode=tower.interpolation_mode,
            align_corners=tower.interpolation_align_corners,
            spatial_merge_size=tower.spatial_merge_size,
        )
        hidden = tower.patch_embed(pixels["pixel_values"].to(tower.dtype)).unflatten(0, (len(grid), -1))
        hidden = hidden + (tower.pos_embed(taps) * weights[:, :, None]).sum(1).to(hidden.dtype)
        turns = tower.rotary_pos_emb(hidden, get_vision_position_ids(grid[:1], tower.spatial_merge_size))
        levels, mergers = [], iter(tower.deepstack_merger_list)
        for place, block in enumerate(tower.blocks):
            hidden = block(hidden, cu_seqlens=None, position_embeddings=turns)
            if place in tower.deepstack_visual_indexes:
                levels.append(next(mergers)(hidden))
        levels = [level.unflatten(0, (len(grid), -1)) for level in (tower.merger(hidden), *levels)]
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

"""What the families of vision-language models have in common, and what each of them must say.

A family knows how pictures become pixel tensors, what stands in the prompt for a picture, how
vision features are computed apart from the language model and put back into it, which extra
arguments its forward pass wants, and the full paths of the modules LoRA may adapt.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.modeling_outputs import BaseModelOutputWithPooling

DECODER_LAYERS = r"layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"
"""Linear modules of the language models of all families, below `Family.language_path`."""


class Family(ABC):
    """One family of models of transformers.

    Assumes a decoder of `DECODER_LAYERS`, a model that takes `mm_encoder_outputs`, and pictures of one size.

    Parameters
    ----------
    model : PreTrainedModel
    processor : dict
        Settings of its image processor, as preprocessor_config.json holds them.
    tiles : bool
        False: one tile for a picture, where the image processor has a choice.
    """

    language_path = "model.language_model"
    vision_path = "model.vision_tower"
    merger_path = "model.multi_modal_projector"
    vision_layers = ""
    """Regular expression over the linear modules of the vision tower's blocks, below `vision_path`."""
    merger_layers = r"linear_[12]"
    shows_several = True
    """Whether each of several pictures in a prompt is seen as one alone would be."""

    def __init__(self, model: PreTrainedModel, processor: dict[str, Any], tiles: bool = True) -> None:
        self.model, self.processor, self.tiles = model, processor, tiles
        self.vision = model.config.vision_config

    @abstractmethod
    def count_image_tokens(self, height_px: int, width_px: int) -> int:
        """Vision features one picture of this size costs in the language model.

        Raises
        ------
        BaseModelError
            Where the family cannot take this size, saying what fits.
        """

    @abstractmethod
    def count_patches(self, height_px: int, width_px: int) -> tuple[int, int]:
        """Tiles that the vision tower sees of one picture, and positions of each."""

    @abstractmethod
    def make_pixels(self, pictures: torch.Tensor, palette: torch.Tensor) -> dict[str, torch.Tensor]:
        """What the official image processor makes of the pictures.

        Parameters
        ----------
        pictures : Tensor of uint8, shape (n, height_px, width_px)
            Palette indices.
        palette : Tensor of uint8, shape (256, 3)
        """

    def write_picture(self, tokenizer: PreTrainedTokenizerBase, height_px: int, width_px: int) -> str:
        """Text that stands for one picture, where the chat template writes the image token once."""
        return self.name_image_token(tokenizer) * self.count_image_tokens(height_px, width_px)

    def name_image_token(self, tokenizer: PreTrainedTokenizerBase) -> str:
        """The token that vision features take the place of."""
        return tokenizer.convert_ids_to_tokens(self.model.config.image_token_id)

    def see(self, pixels: dict[str, torch.Tensor]) -> torch.Tensor:
        """Run the vision side: features of shape (n, n_levels, n_image_tokens, n_hidden)."""
        seen = self.model.model.get_image_features(**pixels, return_dict=True)
        return torch.stack(list(seen.pooler_output))[:, None]

    def show(self, features: torch.Tensor) -> dict[str, Any]:
        """Forward arguments that put features in the place of pictures."""
        seen = BaseModelOutputWithPooling(pooler_output=tuple(features.squeeze(1)))
        return {"mm_encoder_outputs": {"image": seen}}

    def fix_positions(self, input_ids: torch.Tensor, shape_px: tuple[int, int]) -> dict[str, torch.Tensor]:
        """Forward arguments that depend on the shape of a batch alone; none where positions just count."""
        return {}

    def lora_targets(self, targets: str) -> str:
        """Regular expression over full module paths: a leaf name would also adapt the vision tower."""
        parts = {
            "language": (self.language_path, DECODER_LAYERS),
            "merger": (self.merger_path, self.merger_layers),
            "vision": (self.vision_path, self.vision_layers),
        }
        chosen = [parts[part] for part in targets.split("+")]
        return "|".join(rf"(?:{path.replace('.', chr(92) + '.')}\.{layers})" for path, layers in chosen)

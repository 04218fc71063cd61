"""Qwen2.5-VL: as Qwen3-VL, with patches of 14 px, attention in windows and one level of features."""

from somnolens.model.families.qwen3_vl import Qwen3VL
from somnolens.model.family import Family


class Qwen25VL(Qwen3VL):
    """Its vision blocks and its language layers call their MLP alike: only full paths tell them apart."""

    vision_layers = r"blocks\.\d+\.(attn\.(qkv|proj)|mlp\.(gate|up|down)_proj)"
    merger_layers = r"merger\.mlp\.[02]"
    see, show = Family.see, Family.show

    def _attend_stills(self) -> None:
        """Windows of a picture are not of one size."""


FAMILY = Qwen25VL

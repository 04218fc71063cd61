"""LLaVA-OneVision: as LLaVA-NeXT, with larger tiles; features of a large grid are thinned out."""

import math

from somnolens.model.families.llava_next import LlavaNext


class LlavaOnevision(LlavaNext):
    """The model itself says how many tiles' worth of features it takes: anyres_max_9 are nine.

    Of several pictures in a prompt it sees none in tiles.
    """

    shows_several = False

    def count_grid(self, height_px: int, width_px: int) -> tuple[int, int]:
        rows, columns = super().count_grid(height_px, width_px)
        most = int(self.model.config.vision_aspect_ratio.removeprefix("anyres_max_"))
        ratio = math.sqrt(rows * columns / (most * self.side**2))
        return (int(rows // ratio), int(columns // ratio)) if ratio > 1.1 else (rows, columns)


FAMILY = LlavaOnevision

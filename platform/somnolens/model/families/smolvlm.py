"""SmolVLM: pictures enlarged to a long edge, cut into square tiles, a small view of the whole after them."""

import math

import torch
from transformers import PreTrainedTokenizerBase

from somnolens.model.family import Family
from somnolens.model.pixels import colour_pictures, cut_tiles, normalise_pictures
from somnolens.model.resampling import resize_pictures


class SmolVLM(Family):
    """Takes pictures of any size, at a price: its image processor makes them large before it cuts them.

    Without tiles a picture is squeezed into one square.
    """

    language_path, vision_path, merger_path = "model.text_model", "model.vision_model", "model.connector"
    vision_layers = r"encoder\.layers\.\d+\.(self_attn\.([qkv]|out)_proj|mlp\.fc[12])"
    merger_layers = r"modality_projection\.proj"

    @property
    def tile_px(self) -> int:
        return self.processor["max_image_size"]["longest_edge"]

    @property
    def n_tile_tokens(self) -> int:
        """Image tokens of a tile: patches, of which the connector joins a square to one."""
        return (self.vision.image_size // self.vision.patch_size // self.model.config.scale_factor) ** 2

    def enlarge(self, height_px: int, width_px: int) -> tuple[int, int]:
        """Size of a picture whose longest edge is as long as the image processor wants it, in even pixels."""
        longest, aspect = self.processor["size"]["longest_edge"], width_px / height_px
        if width_px >= height_px:
            return _make_even(int(longest / aspect)), longest
        return longest, _make_even(int(longest * aspect))

    def fill_tiles(self, height_px: int, width_px: int) -> tuple[int, int]:
        """Size of a picture of whole tiles."""
        tile, aspect = self.tile_px, width_px / height_px
        if width_px >= height_px:
            width = math.ceil(width_px / tile) * tile
            return math.ceil(int(width / aspect) / tile) * tile, width
        height = math.ceil(height_px / tile) * tile
        return height, math.ceil(int(height * aspect) / tile) * tile

    def count_tiles(self, height_px: int, width_px: int) -> tuple[int, int]:
        """Rows and columns of tiles; none where the whole picture is one."""
        height, width = self.fill_tiles(*self.enlarge(height_px, width_px))
        rows, columns = height // self.tile_px, width // self.tile_px
        is_cut = self.tiles and self.processor.get("do_image_splitting", True) and rows * columns > 1
        return (rows, columns) if is_cut else (0, 0)

    def count_image_tokens(self, height_px: int, width_px: int) -> int:
        return self.count_patches(height_px, width_px)[0] * self.n_tile_tokens

    def count_patches(self, height_px: int, width_px: int) -> tuple[int, int]:
        rows, columns = self.count_tiles(height_px, width_px)
        return rows * columns + 1, (self.vision.image_size // self.vision.patch_size) ** 2

    def write_picture(self, tokenizer: PreTrainedTokenizerBase, height_px: int, width_px: int) -> str:
        rows, columns = self.count_tiles(height_px, width_px)
        image, edge = self.name_image_token(tokenizer) * self.n_tile_tokens, "<fake_token_around_image>"
        lines = [
            "".join(f"{edge}<row_{row + 1}_col_{column + 1}>{image}" for column in range(columns)) + "\n"
            for row in range(rows)
        ]
        return "".join(lines) + ("\n" if rows else "") + f"{edge}<global-img>{image}{edge}"

    def make_pixels(self, pictures: torch.Tensor, palette: torch.Tensor) -> dict[str, torch.Tensor]:
        shape_px = tuple(pictures.shape[1:])
        resample, tile = self.processor.get("resample", 1), self.tile_px
        coloured = resize_pictures(colour_pictures(pictures, palette), *self.enlarge(*shape_px), resample)
        tiles = []
        if self.count_tiles(*shape_px)[0]:
            coloured = resize_pictures(coloured, *self.fill_tiles(*coloured.shape[-2:]), resample)
            tiles = [cut_tiles(coloured, tile)]
        whole = resize_pictures(coloured, tile, tile, resample)[:, None]
        seen = torch.cat([*tiles, whole], dim=1)
        return {"pixel_values": normalise_pictures(seen, self.processor["image_mean"], self.processor["image_std"])}


def _make_even(side_px: int) -> int:
    return side_px + side_px % 2


FAMILY = SmolVLM

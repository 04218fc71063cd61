"""InternVL in its transformers form: square tiles in the grid nearest to the picture's shape, and a thumbnail."""

import torch
from transformers import PreTrainedTokenizerBase

from somnolens.model.family import Family
from somnolens.model.pixels import colour_pictures, cut_tiles, normalise_pictures
from somnolens.model.resampling import resize_pictures


class InternVL(Family):
    """Takes pictures of any size; those of exactly one tile, or of a grid of tiles, are not resized."""

    vision_layers = r"encoder\.layer\.\d+\.(attention\.([qkv]_proj|projection_layer)|mlp\.fc[12])"

    @property
    def tile_px(self) -> int:
        return self.processor["size"]["height"]

    @property
    def n_tile_tokens(self) -> int:
        side = self.vision.image_size[0] // self.vision.patch_size[0]
        return int(side * self.model.config.downsample_ratio) ** 2

    def choose_grid(self, height_px: int, width_px: int) -> tuple[int, int]:
        """Rows and columns of tiles, of the ratio nearest to the picture's.

        Between grids of one ratio the larger is taken while the picture fills more than half of its area.
        """
        most = self.processor.get("max_patches", 12) if self.tiles else 1
        sides = range(1, most + 1)
        grids = sorted(
            ((columns, rows) for columns in sides for rows in sides if columns * rows <= most),
            key=lambda grid: grid[0] * grid[1],
        )
        chosen, least = (1, 1), float("inf")
        for columns, rows in grids:
            if columns * rows < self.processor.get("min_patches", 1):
                continue
            distance = abs(width_px / height_px - columns / rows)
            fills = height_px * width_px > 0.5 * columns * rows * self.tile_px**2
            if distance < least or (distance == least and fills):
                chosen, least = (columns, rows), distance
        return chosen[1], chosen[0]

    def count_image_tokens(self, height_px: int, width_px: int) -> int:
        return self._count_tiles(height_px, width_px) * self.n_tile_tokens

    def count_patches(self, height_px: int, width_px: int) -> tuple[int, int]:
        n_patches = (self.vision.image_size[0] // self.vision.patch_size[0]) ** 2
        return self._count_tiles(height_px, width_px), n_patches + 1  # and the class token

    def _count_tiles(self, height_px: int, width_px: int) -> int:
        rows, columns = self.choose_grid(height_px, width_px)
        return rows * columns + (rows * columns > 1)

    def write_picture(self, tokenizer: PreTrainedTokenizerBase, height_px: int, width_px: int) -> str:
        start = getattr(tokenizer, "start_image_token", None) or "<img>"
        end = getattr(tokenizer, "end_image_token", None) or "</img>"
        return start + super().write_picture(tokenizer, height_px, width_px) + end

    def make_pixels(self, pictures: torch.Tensor, palette: torch.Tensor) -> dict[str, torch.Tensor]:
        tile, resample = self.tile_px, self.processor.get("resample", 3)
        rows, columns = self.choose_grid(*pictures.shape[1:])
        coloured = colour_pictures(pictures, palette)
        tiles = [cut_tiles(resize_pictures(coloured, rows * tile, columns * tile, resample), tile)]
        if rows * columns > 1:
            tiles.append(resize_pictures(coloured, tile, tile, resample)[:, None])
        seen = torch.cat(tiles, dim=1)
        return {"pixel_values": normalise_pictures(seen, self.processor["image_mean"], self.processor["image_std"])}

    def see(self, pixels: dict[str, torch.Tensor]) -> torch.Tensor:
        """The model wants the tiles of all pictures in one row."""
        tiles = pixels["pixel_values"]
        seen = self.model.model.get_image_features(pixel_values=tiles.flatten(0, 1), return_dict=True)
        return seen.pooler_output.reshape(len(tiles), 1, -1, seen.pooler_output.shape[-1])

    def show(self, features: torch.Tensor) -> dict[str, object]:
        shown = super().show(features)
        shown["mm_encoder_outputs"]["image"].pooler_output = features.squeeze(1)
        return shown


FAMILY = InternVL

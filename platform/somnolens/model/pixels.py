"""Indexed pictures to pixel tensors, straight from the raster's array.

The same numbers as the official image processors give, without PNG or PIL.
"""

from collections.abc import Sequence

import torch


def normalise_colours(palette: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """A palette as the model sees it: float32, shape (256, 3), each colour scaled to 0-1 and normalised.

    Parameters
    ----------
    palette : Tensor of uint8, shape (256, 3)
    mean, std : sequence of float
        Of the base model's image processor.
    """
    return (palette.float() / 255 - palette.new_tensor(mean, dtype=torch.float32)) / palette.new_tensor(
        std, dtype=torch.float32
    )


def normalise_pictures(pictures: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Coloured pictures, uint8, shape (..., 3, height_px, width_px), as the model sees them: float32."""
    middle, width = (pictures.new_tensor(values, dtype=torch.float32)[:, None, None] for values in (mean, std))
    return (pictures.float() / 255 - middle) / width


def colour_pictures(pictures: torch.Tensor, palette: torch.Tensor) -> torch.Tensor:
    """Indexed pictures, uint8 (n, height_px, width_px), in colour: uint8, shape (n, 3, height_px, width_px)."""
    return palette[pictures.long()].permute(0, 3, 1, 2)


def cut_tiles(pictures: torch.Tensor, tile_px: int) -> torch.Tensor:
    """Cut into square tiles, row by row: (n, 3, height_px, width_px) to (n, n_tiles, 3, tile_px, tile_px)."""
    n, n_colours, height, width = pictures.shape
    tiles = pictures.reshape(n, n_colours, height // tile_px, tile_px, width // tile_px, tile_px)
    return tiles.permute(0, 2, 4, 1, 3, 5).reshape(n, -1, n_colours, tile_px, tile_px)


def cut_patches(pictures: torch.Tensor, colours: torch.Tensor, patch_px: int, merge: int) -> torch.Tensor:
    """Cut pictures into patches in the order of the Qwen vision towers, a single frame of each.

    Parameters
    ----------
    pictures : Tensor of uint8, shape (n, height_px, width_px)
        Palette indices.
    colours : Tensor of float32, shape (256, 3)
    patch_px, merge : int
        Side of a patch; patches per side that the merger joins.

    Returns
    -------
    Tensor of float32, shape (n * n_patches, 3 * patch_px ** 2)
        Patches of one merged token stand together; within one, values run over colour, row, column.
    """
    n, height, width = pictures.shape
    rows, columns = height // (patch_px * merge), width // (patch_px * merge)
    blocks = pictures.view(n, rows, merge, patch_px, columns, merge, patch_px).permute(0, 1, 4, 2, 5, 3, 6)
    flat = blocks.reshape(-1).long()
    values = [channel.index_select(0, flat) for channel in colours.t().contiguous()]  # a quarter of indexing's time
    return torch.stack([value.view(-1, patch_px * patch_px) for value in values], dim=1).flatten(1)

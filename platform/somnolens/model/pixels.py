"""Indexed pictures to pixel tensors, straight from the raster's array.

The same numbers as the official image processors give, without PNG, PIL or a resize:
our pictures already have the size and the colours they need.
"""

import numpy as np
import torch


def normalise_palette(palette: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """Palette as the model sees it: float32, shape (256, 3), each colour scaled to 0-1 and normalised."""
    colours = torch.from_numpy(palette.astype(np.float32)) / 255
    return (colours - torch.tensor(mean)) / torch.tensor(std)


def cut_patches(
    pictures: torch.Tensor, colours: torch.Tensor, patch_px: int, merge: int, n_frames: int
) -> torch.Tensor:
    """Cut pictures into patches in the order of the Qwen vision towers.

    Parameters
    ----------
    pictures : Tensor of uint8, shape (n, height_px, width_px)
        Palette indices.
    colours : Tensor of float32, shape (256, 3)
    patch_px, merge, n_frames : int
        Side of a patch; patches per side that the merger joins; times a still picture is repeated.

    Returns
    -------
    Tensor of float32, shape (n * n_patches, 3 * n_frames * patch_px ** 2)
        Patches of one merged token stand together; within one, values run over colour, frame, row, column.
    """
    n, height, width = pictures.shape
    rows, columns = height // (patch_px * merge), width // (patch_px * merge)
    blocks = pictures.view(n, rows, merge, patch_px, columns, merge, patch_px).permute(0, 1, 4, 2, 5, 3, 6)
    flat = blocks.reshape(-1, 1, patch_px * patch_px).long()
    values = torch.stack([colours[:, channel][flat] for channel in range(3)], dim=1)
    return values.expand(-1, -1, n_frames, -1).reshape(len(flat), -1)

"""Pillow's resize as two matrix products, equal to it in every bit, on any device.

Image processors resize with Pillow. It weighs pixels in fixed point, columns first, and rounds to
8 bits after each direction; the weights depend on the sizes alone. From version 13 on, Pillow takes
rows first in some cases where the height shrinks by more than the width; no family asks that of a
picture that is wider than tall.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import torch

_FIXED_POINT = 1 << 22
"""Pillow's PRECISION_BITS: 32, less 8 for the value and 2 for filters that overshoot."""


def _triangle(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


def _cubic(x: float) -> float:
    """Keys' cubic with a = -0.5."""
    x = abs(x)
    if x < 1:
        return (1.5 * x - 2.5) * x * x + 1
    return ((-0.5 * x + 2.5) * x - 4) * x + 2 if x < 2 else 0.0


def _lanczos(x: float) -> float:
    if not -3 <= x < 3:
        return 0.0
    return 1.0 if x == 0 else 3 * math.sin(math.pi * x) * math.sin(math.pi * x / 3) / (math.pi * x) ** 2


_KERNELS: dict[int, tuple[Callable[[float], float], float]] = {1: (_lanczos, 3), 2: (_triangle, 1), 3: (_cubic, 2)}
"""Filter and half its width by Pillow's number: 1 Lanczos, 2 bilinear, 3 bicubic."""


def resize_pictures(pictures: torch.Tensor, height_px: int, width_px: int, resample: int) -> torch.Tensor:
    """Resize as `PIL.Image.resize` does.

    Parameters
    ----------
    pictures : Tensor of uint8, shape (..., height_px, width_px)
    height_px, width_px : int
        The new size.
    resample : int
        Pillow's number of the filter.

    Examples
    --------
    >>> resize_pictures(torch.tensor([[0, 255]], dtype=torch.uint8), 1, 4, resample=2).tolist()
    [[0, 64, 191, 255]]
    """
    for dim, n_to in ((-1, width_px), (-2, height_px)):
        if pictures.shape[dim] != n_to:
            pictures = _resize_side(pictures, dim, n_to, resample)
    return pictures


def _resize_side(pictures: torch.Tensor, dim: int, n_to: int, resample: int) -> torch.Tensor:
    weights = weigh_neighbours(pictures.shape[dim], n_to, resample).to(pictures.device)
    if pictures.ndim == 2:
        return _weigh(pictures, dim, weights)
    return torch.stack([_weigh(picture, dim, weights) for picture in pictures])  # float64 is eight times as wide


def _weigh(picture: torch.Tensor, dim: int, weights: torch.Tensor) -> torch.Tensor:
    """Whole numbers in float64: every sum is exact."""
    sums = picture.double() @ weights.T if dim == -1 else weights @ picture.double()
    return sums.add_(_FIXED_POINT / 2).div_(_FIXED_POINT).floor_().clamp_(0, 255).byte()


@lru_cache(maxsize=64)
def weigh_neighbours(n_from: int, n_to: int, resample: int) -> torch.Tensor:
    """How much each pixel counts for each new one: Pillow's fixed-point weights, float64, shape (n_to, n_from)."""
    kernel, support = _KERNELS[resample]
    scale = n_from / n_to
    stretch = max(scale, 1.0)
    weights = torch.zeros(n_to, n_from, dtype=torch.float64)
    for new in range(n_to):
        centre = (new + 0.5) * scale
        first = max(0, int(centre - support * stretch + 0.5))
        end = min(n_from, int(centre + support * stretch + 0.5))
        shares = [kernel((place - centre + 0.5) * (1.0 / stretch)) for place in range(first, end)]
        total = sum(shares)
        fixed = [int(math.copysign(0.5, share) + share / total * _FIXED_POINT) for share in shares]
        weights[new, first:end] = torch.tensor(fixed, dtype=torch.float64)
    return weights

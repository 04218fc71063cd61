"""Gradients: how the answer changes with each number of the pixel tensors that the model really gets.

Pixel tensors are laid out differently by every family, so the place of each number in the picture is found by
asking: pictures are drawn whose two shades spell the number of each pixel in binary.
"""

from typing import Literal

import numpy as np
import torch

from somnolens.aasm import STAGES
from somnolens.errors import BaseModelError
from somnolens.explain.heat import HeatMap, choose_stage, lay_patches, pool_pixels
from somnolens.model.base import Looker
from somnolens.render.windows import take_middle

Way = Literal["gradient x input", "integrated"]

UNIT = "log-odds of the stage against bare paper"


def map_gradients(
    looker: Looker,
    shown: np.ndarray,
    paper: np.ndarray,
    stage: str | None = None,
    way: Way = "integrated",
    n_steps: int = 16,
    patch_px: int = 14,
) -> HeatMap:
    """Attribution of the log-odds of a stage to the pixels, summed over patches.

    Parameters
    ----------
    looker : Looker
        In evaluation mode.
    shown : ndarray of uint8, shape (height_px, width_px) or (n_pictures, height_px, width_px)
        The picture; of several, the middle one is explained.
    paper : ndarray of uint8, shape (height_px, width_px)
        The same without its ink: what the attribution is counted from.
    stage : str, optional
        Without, the one the picture is most likely of.
    way : {'gradient x input', 'integrated'}
        The gradient at the picture times what is on the paper; or its mean on the way from the paper to the picture
        (M. Sundararajan et al., ICML 2017), whose sum is the difference of the log-odds of both.
    n_steps : int
        Points on that way, in the middle of equal pieces.
    patch_px : int
        Side of the patches that pixels are summed over.

    Raises
    ------
    BaseModelError
        Where the base model's processor resizes pictures.
    """
    picture, places = take_middle(shown), locate_pixels(looker)
    ink, blank = make_pixels(looker, picture), make_pixels(looker, paper)
    with torch.inference_mode():
        features = looker.see(_to_device(looker, shown))
        probabilities = looker(features)[0].double().softmax(-1).cpu().numpy()
    stage = choose_stage(probabilities, stage)
    shares = (np.arange(n_steps) + 0.5) / n_steps if way == "integrated" else [1.0]
    slopes = [_differentiate(looker, _mix(blank, ink, float(share)), features.clone(), stage) for share in shares]
    difference = ink["pixel_values"] - blank["pixel_values"]
    attribution = (torch.stack(slopes).mean(0) * difference).flatten().double().cpu().numpy()
    pixels = np.bincount(places, attribution, minlength=picture.size).reshape(picture.shape)
    rows_px, columns_px = lay_patches(picture.shape, patch_px)
    values = pool_pixels(pixels, rows_px, columns_px)
    method, unit = ("gradient", UNIT) if way == "integrated" else (way, f"{UNIT}, as far as the slope here tells")
    return HeatMap(method, stage, unit, values, rows_px, columns_px, probabilities)


def make_pixels(looker: Looker, picture: np.ndarray) -> dict[str, torch.Tensor]:
    """The pixel tensors of one picture as the model gets them."""
    return looker.family.make_pixels(_to_device(looker, picture), looker.palette)


def locate_pixels(looker: Looker) -> np.ndarray:
    """Which pixel of the picture each number of the pixel tensor comes from, shape (n_numbers,).

    Raises
    ------
    BaseModelError
    """
    numbers = np.arange(np.prod(looker.shape_px)).reshape(looker.shape_px)
    off, on = (_spell(looker, np.full(looker.shape_px, shade)) for shade in (False, True))
    places = np.zeros(len(off), dtype=np.int64)
    for bit in range(int(numbers.max()).bit_length()):
        shades = _spell(looker, (numbers >> bit) & 1 == 1)
        if not (((shades == on) | (shades == off)) & (on != off)).all():
            raise BaseModelError(
                "Gradients cannot be laid over the picture: the base model's processor resizes it, so that a number "
                "the model gets is of no single pixel. Use --method signal, which works with every base model."
            )
        places |= (shades == on).astype(np.int64) << bit
    return places


def _spell(looker: Looker, is_dark: np.ndarray) -> np.ndarray:
    """The pixel tensor of a picture in black and white, flat."""
    colours = torch.zeros_like(looker.palette)
    colours[1] = 255
    picture = torch.from_numpy(is_dark.astype(np.uint8)[None]).to(looker.palette.device)
    return looker.family.make_pixels(picture, colours)["pixel_values"].flatten().cpu().numpy()


def _to_device(looker: Looker, picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture[None].copy()).to(looker.palette.device)


def _mix(blank: dict[str, torch.Tensor], ink: dict[str, torch.Tensor], share: float) -> dict[str, torch.Tensor]:
    return ink | {"pixel_values": torch.lerp(blank["pixel_values"], ink["pixel_values"], share)}


def _differentiate(looker: Looker, pixels: dict[str, torch.Tensor], features: torch.Tensor, stage: str) -> torch.Tensor:
    """Slope of the log-odds of a stage at every number of the pixel tensor, its neighbours seen as they are."""
    values = pixels["pixel_values"].detach().clone().requires_grad_(True)
    with torch.enable_grad():
        seen = looker.family.see(pixels | {"pixel_values": values})
        logits = looker.name(seen if looker.n_pictures == 1 else _put_in_the_middle(features, seen))[0]
        code = STAGES.index(stage)
        others = torch.cat([logits[:code], logits[code + 1 :]])
        return torch.autograd.grad(logits[code] - others.logsumexp(0), values)[0]


def _put_in_the_middle(features: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Features of one window, shape (1, n_pictures, ...), with others in the place of its middle picture."""
    middle = features.shape[1] // 2
    return torch.cat([features[:, :middle], seen[:, None], features[:, middle + 1 :]], dim=1)

"""Attention: from the position that answers to the tokens of the picture.

Attention says from where a layer takes, not what it makes of it, and a token of the picture holds more than its own
pixels once the vision tower has mixed them. `explain.faithfulness` measures how far such a map can be believed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch

from somnolens.errors import BaseModelError
from somnolens.explain.heat import HeatMap, choose_stage
from somnolens.model.base import Looker

Way = Literal["last", "mean", "rollout"]


def map_attention(looker: Looker, shown: np.ndarray, stage: str | None = None, way: Way = "rollout") -> HeatMap:
    """Attention of the answer to each token of the picture; the same for every stage, never negative.

    Parameters
    ----------
    looker : Looker
        In evaluation mode.
    shown : ndarray of uint8, shape (height_px, width_px) or (n_pictures, height_px, width_px)
        Of several pictures the heat is that of the middle one.
    stage : str, optional
        Only named in the result.
    way : {'last', 'mean', 'rollout'}
        The last layer, the mean of all, or their product with the residual connections (S. Abnar and W. Zuidema,
        ACL 2020). Heads are averaged.

    Raises
    ------
    BaseModelError
        Where the tokens of a picture do not lie on one grid over it.
    """
    rows_px, columns_px = lay_tokens(looker)
    layers, probabilities = look_with_attention(looker, shown)
    weights = combine_layers(layers, way)[-1]
    of_pictures = weights[(looker.prompt_ids == looker.model.config.image_token_id).cpu().numpy()]
    of_picture = of_pictures.reshape(looker.n_pictures, -1)[looker.n_pictures // 2]
    values = of_picture.reshape(len(rows_px) - 1, len(columns_px) - 1)
    unit = f"share of the answer's attention ({way})"
    return HeatMap("attention", choose_stage(probabilities, stage), unit, values, rows_px, columns_px, probabilities)


def look_with_attention(looker: Looker, shown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Attention of each layer, mean over heads, shape (n_layers, n_tokens, n_tokens), and the five probabilities."""
    decoder = looker.model.get_submodule(looker.family.language_path)
    caught: list[torch.Tensor] = []
    hooks = [
        layer.self_attn.register_forward_hook(lambda module, given, result: caught.append(result[1][0].float().mean(0)))
        for layer in decoder.layers
    ]
    device = next(looker.parameters()).device
    try:
        with torch.inference_mode(), _eagerly(looker):
            logits = looker(torch.from_numpy(shown[None].copy()).to(device))
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(caught).cpu().numpy(), logits[0].double().softmax(-1).cpu().numpy()


def combine_layers(layers: np.ndarray, way: Way) -> np.ndarray:
    """One matrix of weights, shape (n_tokens, n_tokens), of those of the layers, lowest first.

    Examples
    --------
    >>> even = np.full((2, 2, 2), 0.5)
    >>> combine_layers(even, "rollout").tolist()
    [[0.625, 0.375], [0.375, 0.625]]
    """
    if way == "last":
        return layers[-1]
    if way == "mean":
        return layers.mean(axis=0)
    combined = np.eye(layers.shape[1])
    for weights in layers:
        combined = (0.5 * weights + 0.5 * np.eye(len(weights))) @ combined
    return combined


def lay_tokens(looker: Looker) -> tuple[np.ndarray, np.ndarray]:
    """Borders of the tokens of a picture, rows and columns.

    Raises
    ------
    BaseModelError
    """
    height_px, width_px = looker.shape_px
    n_tokens = looker.family.count_image_tokens(height_px, width_px)
    token_px = round((height_px * width_px / n_tokens) ** 0.5)
    if height_px % token_px or width_px % token_px or (height_px // token_px) * (width_px // token_px) != n_tokens:
        raise BaseModelError(
            f"Attention cannot be laid over the picture: the base model makes {n_tokens} tokens of {width_px} x "
            f"{height_px} px, which are no grid of squares. Use --method signal, which works with every base model."
        )
    return np.arange(0, height_px + 1, token_px), np.arange(0, width_px + 1, token_px)


@contextmanager
def _eagerly(looker: Looker) -> Iterator[None]:
    """Attention that tells its weights; the quick kind does not."""
    config = looker.model.config
    before = {"": config._attn_implementation} | {
        name: getattr(config, name)._attn_implementation for name in config.sub_configs if hasattr(config, name)
    }
    looker.model.set_attn_implementation("eager")
    try:
        yield
    finally:
        looker.model.set_attn_implementation(before)

"""Pictures in a row: each epoch with those before and after it, for a model that is shown several.

Unlike `render.epochs_shown`, which draws neighbours into one picture, every epoch stays a picture of its own here: it
is looked at once, and what was seen of it serves its neighbours too.
"""

import numpy as np

from somnolens.epochs import Epochs
from somnolens.render.missing import mark_missing
from somnolens.render.pictures import render_epochs
from somnolens.render.style import Style


def draw_shown(
    epochs: Epochs, style: Style, n_pictures: int = 1, first: int = 0, last: int | None = None
) -> np.ndarray:
    """What a model is shown of the epochs from `first` up to, not including, `last`; of all of them without.

    Parameters
    ----------
    epochs : Epochs
    style : Style
    n_pictures : int
        Pictures the model is shown of each epoch, as `model.n_pictures`.

    Returns
    -------
    ndarray of uint8, shape (n_epochs, height_px, width_px), or (n_epochs, n_pictures, height_px, width_px) of several

    Examples
    --------
    >>> from somnolens.config import PrepareSettings, RenderSettings
    >>> style = Style(RenderSettings(), PrepareSettings())
    >>> night = Epochs("flat", np.zeros((5, 6, 3000), np.float32), style.derivations, 100.0,
    ...                np.zeros((5, 6), np.uint8), ("F4",) * 6)
    >>> draw_shown(night, style, 3, first=1, last=3).shape
    (2, 3, 224, 448)
    """
    last = len(epochs) if last is None else min(last, len(epochs))
    begin = max(first - n_pictures // 2, 0)
    pictures = render_epochs(epochs, style, begin, last + n_pictures // 2)
    return lay_windows(pictures, style, n_pictures)[first - begin : last - begin]


def lay_windows(pictures: np.ndarray, style: Style, n_pictures: int) -> np.ndarray:
    """Each of consecutive pictures between its neighbours; beyond the ends everything is marked as missing.

    Returns
    -------
    ndarray of uint8, shape (n, n_pictures, height_px, width_px)
        A view that cannot be written to; for one picture each, the pictures themselves.
    """
    if n_pictures == 1:
        return pictures
    ends = np.repeat(draw_nothing(style)[None], n_pictures // 2, axis=0)
    padded = np.concatenate([ends, pictures, ends])
    return np.moveaxis(np.lib.stride_tricks.sliding_window_view(padded, n_pictures, axis=0), -1, 1)


def replace_middle(window: np.ndarray, pictures: np.ndarray) -> np.ndarray:
    """Other pictures in the place of an epoch, between its neighbours.

    Parameters
    ----------
    window : ndarray, shape (height_px, width_px) or (n_pictures, height_px, width_px)
        As `draw_shown` gives of one epoch.
    pictures : ndarray, shape (n, height_px, width_px)

    Returns
    -------
    ndarray, shape (n, *window.shape)
    """
    if window.ndim == 2:
        return pictures
    windows = np.repeat(window[None], len(pictures), axis=0)
    windows[:, len(window) // 2] = pictures
    return windows


def take_middle(shown: np.ndarray) -> np.ndarray:
    """The picture of the epoch itself, shape (height_px, width_px), of what a model is shown of it."""
    return shown if shown.ndim == 2 else shown[len(shown) // 2]


def draw_nothing(style: Style) -> np.ndarray:
    """The picture of an epoch that nobody recorded, shape (height_px, width_px)."""
    nothing = mark_missing(np.zeros(len(style.derivations), dtype=bool), style)
    return np.tile(nothing, style.render.epochs_shown)

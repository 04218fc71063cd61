"""Derivations that are not there: how their bands look, and how a drawn one is hidden."""

import numpy as np

from somnolens.render.style import EMPTY, FIRST_INK, LEVELS, Style

_HATCH_PX = 8


def mark_missing(present: np.ndarray, style: Style) -> np.ndarray:
    """Paper whose bands of missing derivations are hatched, so that emptiness cannot pass for a flat line.

    Parameters
    ----------
    present : ndarray of bool, shape (n_derivations,)

    Returns
    -------
    ndarray of uint8, shape (height_px, width_px)
    """
    paper = style.background.copy()
    rows, columns = np.indices(paper.shape)
    hatch = (rows + columns) % _HATCH_PX == 0
    for (top, height), there in zip(style.bands_px, present, strict=True):
        if not there:
            band = slice(top, top + height)
            paper[band][hatch[band]] = EMPTY
    return paper


def hide_derivations(picture: np.ndarray, hidden: np.ndarray, style: Style) -> np.ndarray:
    """Take derivations off a drawn picture, as if the recording had never had them.

    Each derivation has inks of its own, so no signal is needed. Only where a hidden trace had run over
    another one does the picture keep a gap that drawing it anew would fill.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height_px, width_px)
    hidden : ndarray of bool, shape (n_derivations,)

    Returns
    -------
    ndarray of uint8, shape (height_px, width_px)
    """
    shown = np.zeros(256, dtype=bool)
    shown[EMPTY] = True
    shown[FIRST_INK : FIRST_INK + len(hidden) * LEVELS] = np.repeat(~hidden, LEVELS)
    return np.where(shown[picture], picture, mark_missing(~hidden, style))

"""Derivations that are not there, or dead: how their bands look, and how a drawn one is hidden."""

import numpy as np

from somnolens.aasm import RECOMMENDED_DERIVATIONS
from somnolens.render.style import EDGE, EMPTY, FIRST_INK, FIRST_POWER, LEVELS, Style

_HATCH_PX = 8


def mark_missing(present: np.ndarray, style: Style) -> np.ndarray:
    """Paper of one epoch whose bands of absent derivations are hatched: emptiness must not pass for a quiet signal.

    Parameters
    ----------
    present : ndarray of bool, shape (n_derivations,)

    Returns
    -------
    ndarray of uint8, shape `style.single_px`
    """
    paper = style.background.copy()
    bands = [*style.bands_px, style.spectrum_rows]
    rows, columns = np.indices(paper.shape)
    hatch = (rows + columns) % _HATCH_PX == 0
    for (top, height), there in zip(bands, [*present, find_spectrum_source(present, style) is not None], strict=True):
        if not there:
            band = slice(top, top + height)
            paper[band][hatch[band]] = EMPTY
    return paper


def find_spectrum_source(present: np.ndarray, style: Style) -> int | None:
    """Place of the derivation whose spectrogram is drawn: the central EEG, or the first there is."""
    eeg = [place for place in np.flatnonzero(present) if RECOMMENDED_DERIVATIONS[style.derivations[place]] == "EEG"]
    return min(eeg, key=lambda place: style.derivations[place] != "C4-M1", default=None)


def hide_derivations(picture: np.ndarray, hidden: np.ndarray, style: Style) -> np.ndarray:
    """Take derivations off a drawn picture, as if the recording had never had them.

    Each derivation has inks of its own, so no signal is needed. Only where a hidden trace had run over
    another one does the picture keep a gap that drawing it anew would fill; and a spectrogram of a hidden
    derivation leaves its strip empty, where drawing anew would take another EEG.

    Parameters
    ----------
    picture : ndarray of uint8, shape (height_px, width_px)
    hidden : ndarray of bool, shape (n_derivations,)

    Returns
    -------
    ndarray of uint8, shape (height_px, width_px)
    """
    shown = np.zeros(256, dtype=bool)
    shown[[EMPTY, EDGE]] = True
    shown[FIRST_INK : FIRST_INK + len(hidden) * LEVELS] = np.repeat(~hidden, LEVELS)
    shown[FIRST_POWER:] = find_spectrum_source(~hidden, style) == find_spectrum_source(np.ones_like(hidden), style)
    paper = np.tile(mark_missing(~hidden, style), style.render.epochs_shown)
    return np.where(shown[picture], picture, paper)

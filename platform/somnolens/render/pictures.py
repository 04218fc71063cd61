"""Epochs to pictures: traces, the spectrogram under them, neighbours beside them."""

import numpy as np

from somnolens.epochs import Epochs
from somnolens.render.missing import find_spectrum_source, mark_missing
from somnolens.render.raster import draw_traces
from somnolens.render.spectrum import draw_spectra
from somnolens.render.style import EDGE, FIRST_INK, Style


def render_epochs(epochs: Epochs, style: Style, first: int = 0, last: int | None = None) -> np.ndarray:
    """Draw the epochs of a night from `first` up to, not including, `last`; all of them without.

    A style that shows neighbours shows those outside the range too, as far as the night goes.

    Parameters
    ----------
    epochs : Epochs
        Its derivations are those of the style, in the same order.

    Returns
    -------
    ndarray of uint8, shape (n_epochs, height_px, width_px)
        Indices into `style.palette`.

    Examples
    --------
    >>> from somnolens.config import PrepareSettings, RenderSettings
    >>> style = Style(RenderSettings(), PrepareSettings())
    >>> night = Epochs("flat", np.zeros((2, 6, 3000), np.float32), style.derivations, 100.0,
    ...                np.zeros((2, 6), np.uint8), ("F4",) * 6)
    >>> render_epochs(night, style).shape
    (2, 224, 448)
    """
    assert epochs.derivations == style.derivations, (epochs.derivations, style.derivations)
    last = len(epochs) if last is None else min(last, len(epochs))
    reach = style.render.epochs_shown // 2
    begin = max(first - reach, 0)
    pictures = render_signals(epochs.signals_uv[begin : last + reach], epochs.drawn[begin : last + reach], style)
    return pictures[first - begin : last - begin]


def render_signals(signals_uv: np.ndarray, drawn: np.ndarray, style: Style) -> np.ndarray:
    """Draw bare signals of consecutive epochs.

    Parameters
    ----------
    signals_uv : ndarray of float32, shape (n_epochs, n_derivations, n_samples)
        In microvolts.
    drawn : ndarray of bool, shape (n_epochs, n_derivations) or (n_derivations,)
        Bands of the others are hatched.
    """
    drawn = np.broadcast_to(drawn, signals_uv.shape[:2])
    singles = draw_traces(signals_uv, drawn, style)
    if style.render.spectrum_px:
        _add_spectra(singles, signals_uv, drawn, style)
    return singles if style.render.epochs_shown == 1 else _lay_beside(singles, style)


def _add_spectra(singles: np.ndarray, signals_uv: np.ndarray, drawn: np.ndarray, style: Style) -> None:
    """Draw the strips, in place, of the epochs that have a derivation for it."""
    patterns, which = np.unique(drawn, axis=0, return_inverse=True)
    found = [find_spectrum_source(pattern, style) for pattern in patterns]
    sources = np.array([-1 if source is None else source for source in found])[which]
    epochs = np.flatnonzero(sources >= 0)
    if len(epochs):
        pictures = singles[epochs]
        draw_spectra(pictures, signals_uv[epochs, sources[epochs]], style)
        singles[epochs] = pictures


def _lay_beside(singles: np.ndarray, style: Style) -> np.ndarray:
    """Each epoch between its neighbours; beyond the ends of the night everything is marked as missing."""
    nothing = mark_missing(np.zeros(len(style.derivations), dtype=bool), style)[None]
    padded = np.concatenate([nothing, singles, nothing])
    pictures = np.concatenate([padded[:-2], padded[1:-1], padded[2:]], axis=2)
    width = style.single_px[1]
    edges = pictures[:, :, [width, 2 * width]]
    pictures[:, :, [width, 2 * width]] = np.where(edges < FIRST_INK, EDGE, edges)
    return pictures

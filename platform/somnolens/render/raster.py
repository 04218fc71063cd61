"""From samples to pixels: a column raster that keeps account of ink.

The trace is cut at the borders of pixel columns. Each straight piece leaves ink, its length
times the stroke, spread over the rows it covers; the ink in a pixel is its shade. So strokes are
anti-aliased, and a wave too fast for its columns shows its frequency as darkness instead of
vanishing into a solid band. A tall wave is not clipped: it runs into the neighbouring bands, as
on paper.
"""

import numpy as np
from numba import njit

from somnolens.epochs import Epochs
from somnolens.render.style import EMPTY, FIRST_INK, LEVELS, Style

_MARGIN_PX = 2
_HATCH_PX = 8


def render_epochs(epochs: Epochs, style: Style) -> np.ndarray:
    """Draw every epoch of a night.

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
    return render_signals(epochs.signals_uv, epochs.present, style)


def render_signals(signals_uv: np.ndarray, present: np.ndarray, style: Style) -> np.ndarray:
    """Draw bare signals, shape (n_epochs, n_derivations, n_samples), in microvolts, as `render_epochs` does."""
    paper = _mark_missing(style.background, present, style)
    pictures = np.empty((len(signals_uv), *style.shape_px), dtype=np.uint8)
    px_per_uv, zero_px = _scale(signals_uv, style)
    _draw(pictures, paper, np.ascontiguousarray(signals_uv), px_per_uv, zero_px, present, style.render.stroke_px)
    return pictures


def _scale(signals_uv: np.ndarray, style: Style) -> tuple[np.ndarray, np.ndarray]:
    """Pixels per microvolt and the row of zero, each of shape (n_epochs, n_derivations)."""
    tops, heights = np.array(style.bands_px, dtype=np.float32).T
    shape = signals_uv.shape[:2]
    if style.render.amplitude == "fixed":
        return (
            np.broadcast_to(1 / style.uv_per_px, shape).astype(np.float32),
            np.broadcast_to(tops + heights / 2, shape).astype(np.float32),
        )
    low, high = signals_uv.min(axis=-1), signals_uv.max(axis=-1)
    px_per_uv = (heights - 2 * _MARGIN_PX) / np.maximum(high - low, 1e-6)
    middle_uv = (high + low) / 2
    return px_per_uv.astype(np.float32), (tops + heights / 2 + middle_uv * px_per_uv).astype(np.float32)


def _mark_missing(background: np.ndarray, present: np.ndarray, style: Style) -> np.ndarray:
    """Hatch the band of each missing derivation, so that emptiness cannot pass for a flat line."""
    paper = background.copy()
    rows, columns = np.indices(paper.shape)
    hatch = (rows + columns) % _HATCH_PX == 0
    for (top, height), there in zip(style.bands_px, present, strict=True):
        if not there:
            band = slice(top, top + height)
            paper[band][hatch[band]] = EMPTY
    return paper


@njit(cache=True, nogil=True, fastmath=False)
def _draw(pictures, paper, signals_uv, px_per_uv, zero_px, present, stroke_px):
    n_epochs, n_derivations, _ = signals_uv.shape
    ink = np.zeros(pictures.shape[1], dtype=np.float32)
    for epoch in range(n_epochs):
        pictures[epoch] = paper
        for band in range(n_derivations):
            if present[band]:
                _draw_trace(
                    pictures[epoch],
                    signals_uv[epoch, band],
                    px_per_uv[epoch, band],
                    zero_px[epoch, band],
                    stroke_px,
                    FIRST_INK + band * LEVELS,
                    ink,
                )


@njit(cache=True, nogil=True, fastmath=False)
def _draw_trace(picture, samples_uv, px_per_uv, zero_px, stroke_px, first_ink, ink):
    n_samples, width = len(samples_uv), picture.shape[1]
    px_per_sample = width / n_samples
    row = zero_px - samples_uv[0] * px_per_uv
    for column in range(width):
        end = (column + 1) / px_per_sample
        top = bottom = row
        x = float(column)
        for sample in range(int(column / px_per_sample) + 1, min(int(end), n_samples - 1) + 1):
            next_x, next_row = sample * px_per_sample, zero_px - samples_uv[sample] * px_per_uv
            _spread(ink, row, next_row, next_x - x, stroke_px)
            x, row = next_x, next_row
            top, bottom = min(top, row), max(bottom, row)
        before = min(int(end), n_samples - 1)
        after = min(before + 1, n_samples - 1)
        edge_uv = samples_uv[before] + (samples_uv[after] - samples_uv[before]) * (end - before)
        next_row = zero_px - edge_uv * px_per_uv
        _spread(ink, row, next_row, column + 1.0 - x, stroke_px)
        row = next_row
        top, bottom = min(top, row), max(bottom, row)
        _dry(picture, column, top - stroke_px, bottom + stroke_px, first_ink, ink)


@njit(cache=True, nogil=True, fastmath=False)
def _spread(ink, row, next_row, run_px, stroke_px):
    """Add the ink of one straight piece of a column: its length times the stroke, over the rows it covers."""
    top, bottom = min(row, next_row), max(row, next_row)
    rise = bottom - top
    thickness = rise + stroke_px
    density = np.sqrt(run_px * run_px + rise * rise) * stroke_px / thickness
    top -= stroke_px / 2
    bottom += stroke_px / 2
    if top < 0.0 or bottom >= len(ink):
        top, bottom = max(top, 0.0), min(bottom, len(ink) - 1e-3)
        if top >= bottom:
            return
    first, last = int(top), int(bottom)
    if first == last:
        ink[first] += density * (bottom - top)
        return
    ink[first] += density * (first + 1 - top)
    for r in range(first + 1, last):
        ink[r] += density
    ink[last] += density * (bottom - last)


@njit(cache=True, nogil=True, fastmath=False)
def _dry(picture, column, top, bottom, first_ink, ink):
    """Turn the ink of one column into palette levels; the stronger ink wins where traces cross."""
    for row in range(max(0, int(np.floor(top))), min(len(ink), int(np.ceil(bottom)) + 1)):
        level = int(min(ink[row], 1.0) * LEVELS + 0.5)
        ink[row] = 0.0
        if level == 0:
            continue
        there = picture[row, column]
        if there < FIRST_INK or level >= (there - FIRST_INK) % LEVELS + 1:
            picture[row, column] = first_ink + level - 1

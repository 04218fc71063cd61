"""From samples to pixels: a column raster that keeps account of ink.

The trace is cut at the borders of pixel columns and where it turns. Each piece leaves ink, its
length times the stroke, spread over the rows it covers; the ink in a pixel is its shade. So strokes are
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
    stroke_px = np.float32(style.render.stroke_px)
    _draw(pictures, paper, np.ascontiguousarray(signals_uv), px_per_uv, zero_px, present, stroke_px)
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


@njit(cache=True, nogil=True)
def _draw(pictures, paper, signals_uv, px_per_uv, zero_px, present, stroke_px):
    n_epochs, n_derivations, n_samples = signals_uv.shape
    ink = np.zeros(pictures.shape[1], dtype=np.float32)
    rows = np.empty(n_samples, dtype=np.float32)
    for epoch in range(n_epochs):
        pictures[epoch] = paper
        for band in range(n_derivations):
            if present[band]:
                scale, zero = px_per_uv[epoch, band], zero_px[epoch, band]
                for sample in range(n_samples):
                    rows[sample] = zero - signals_uv[epoch, band, sample] * scale
                _draw_trace(pictures[epoch], rows, stroke_px, FIRST_INK + band * LEVELS, ink)


@njit(cache=True, nogil=True)
def _draw_trace(picture, rows, stroke_px, first_ink, ink):
    """Ink one trace column by column; within a column, a stretch that only rises or only falls is one piece."""
    n_samples, width = len(rows), picture.shape[1]
    step = n_samples / width
    px_per_sample = np.float32(width / n_samples)
    row, sample = rows[0], 1
    for column in range(width):
        end = (column + 1) * step
        inside = min(int(end), n_samples - 1)
        first, last, turned = row, row, np.float32(column * step)
        top = bottom = row
        rising = sample <= inside and rows[sample] < row
        while sample <= inside:
            ahead = rows[sample]
            if (ahead < last) != rising:
                at = np.float32(sample - 1)
                _leave_ink(ink, first, last, (at - turned) * px_per_sample, stroke_px)
                top, bottom = min(top, last), max(bottom, last)
                first, turned, rising = last, at, not rising
            last = ahead
            sample += 1
        after = min(inside + 1, n_samples - 1)
        row = rows[inside] + (rows[after] - rows[inside]) * np.float32(end - inside)
        if (row < last) != rising:
            at = np.float32(inside)
            _leave_ink(ink, first, last, max(at - turned, np.float32(0)) * px_per_sample, stroke_px)
            top, bottom = min(top, last), max(bottom, last)
            first, turned = last, max(at, turned)
        _leave_ink(ink, first, row, (np.float32(end) - turned) * px_per_sample, stroke_px)
        top, bottom = min(top, row), max(bottom, row)
        _dry(picture, column, top - stroke_px, bottom + stroke_px, first_ink, ink)


@njit(cache=True, nogil=True)
def _leave_ink(ink, row, next_row, run_px, stroke_px):
    """Leave the ink of a piece, its length times the stroke, spread evenly over the rows it covers."""
    low, high = min(row, next_row), max(row, next_row)
    rise, half = high - low, np.float32(0.5) * stroke_px
    _spread(ink, low - half, high + half, np.sqrt(run_px * run_px + rise * rise) * stroke_px / (rise + stroke_px))


@njit(cache=True, nogil=True)
def _spread(ink, top, bottom, density):
    """Add ink evenly between two heights of a column."""
    if top < 0 or bottom >= len(ink):
        top, bottom = max(top, np.float32(0)), min(bottom, np.float32(len(ink) - 0.001))
        if top >= bottom:
            return
    first, last = int(top), int(bottom)
    if first == last:
        ink[first] += density * (bottom - top)
        return
    ink[first] += density * (np.float32(first + 1) - top)
    for row in range(first + 1, last):
        ink[row] += density
    ink[last] += density * (bottom - np.float32(last))


@njit(cache=True, nogil=True)
def _dry(picture, column, top, bottom, first_ink, ink):
    """Turn the ink of one column into palette levels; the stronger ink wins where traces cross."""
    for row in range(max(0, int(top)), min(len(ink), int(bottom) + 1)):
        level = int(min(ink[row], np.float32(1)) * np.float32(LEVELS) + np.float32(0.5))
        ink[row] = 0
        if level == 0:
            continue
        there = picture[row, column]
        if there < FIRST_INK or level >= (there - FIRST_INK) % LEVELS + 1:
            picture[row, column] = first_ink + level - 1

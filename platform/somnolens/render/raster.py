"""From samples to pixels: a column raster that keeps account of ink.

The trace is cut at its samples and at the borders of pixel columns. Each piece leaves ink, its
length times the stroke, spread over the rows it covers; the ink in a pixel is its shade. So strokes are
anti-aliased, and a wave too fast for its columns shows its frequency as darkness instead of
vanishing into a solid band. A tall wave is not clipped: it runs into the neighbouring bands, as
on paper.
"""

from functools import cache

import numpy as np
from numba import njit

from somnolens.render.missing import mark_missing
from somnolens.render.style import FIRST_INK, LEVELS, Style

_MARGIN_PX = 2

_LEVEL_OF = np.where(np.arange(256) < FIRST_INK, 1, (np.arange(256) - FIRST_INK) % LEVELS + 1).astype(np.uint8)
"""Level that new ink must reach to be seen on each palette index; on paper any ink is seen."""


def draw_traces(signals_uv: np.ndarray, drawn: np.ndarray, style: Style) -> np.ndarray:
    """Draw the traces of epochs, each on paper of its own.

    Parameters
    ----------
    signals_uv : ndarray of float32, shape (n_epochs, n_derivations, n_samples)
        In microvolts.
    drawn : ndarray of bool, shape (n_epochs, n_derivations)

    Returns
    -------
    ndarray of uint8, shape (n_epochs, *style.single_px)
        Indices into `style.palette`.
    """
    patterns, which = np.unique(drawn, axis=0, return_inverse=True)
    papers = np.array([mark_missing(pattern, style) for pattern in patterns], dtype=np.uint8)
    pictures = papers[which]
    px_per_uv, zero_px = _scale(signals_uv, style)
    stroke_px = np.float32(style.render.stroke_px)
    knots = _place_knots(signals_uv.shape[2], pictures.shape[2])
    _draw(pictures, np.ascontiguousarray(signals_uv), px_per_uv, zero_px, np.ascontiguousarray(drawn), stroke_px, knots)
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


@cache
def _place_knots(n_samples: int, width_px: int) -> tuple[np.ndarray, ...]:
    """Where a trace is cut: at every sample and at every border of a pixel column.

    Returns the samples before and after each knot, the share of the way between them, the run in pixels from
    each knot to the next, and the first knot of each column.
    """
    borders = np.arange(width_px + 1) * n_samples / width_px
    knots = np.union1d(np.arange(n_samples), borders)
    before = np.minimum(knots.astype(np.uint32), n_samples - 1)
    after = np.minimum(before + 1, n_samples - 1)
    run_px = np.diff(knots) * (width_px / n_samples)
    first = np.searchsorted(knots, borders).astype(np.uint32)
    return before, after, (knots - before).astype(np.float32), run_px.astype(np.float32), first


_compile = njit(cache=True, nogil=True, error_model="numpy")
"""Divisions by zero are ruled out by the stroke; checking for them would keep the loops from being vectorised."""


@_compile
def _draw(pictures, signals_uv, px_per_uv, zero_px, drawn, stroke_px, knots):
    n_epochs, n_derivations, _ = signals_uv.shape
    before, after, share, run_px, first_piece = knots
    rows = np.empty(len(before), dtype=np.float32)
    pieces = np.empty((3, len(run_px)), dtype=np.float32)
    ink = np.zeros((pictures.shape[1], 4), dtype=np.float32)
    edge = np.nextafter(np.float32(pictures.shape[1]), np.float32(0))
    for epoch in range(n_epochs):
        for band in range(n_derivations):
            if drawn[epoch, band]:
                scale, zero = px_per_uv[epoch, band], zero_px[epoch, band]
                _place_rows(rows, signals_uv[epoch, band], zero, scale, before, after, share)
                _lay_pieces(pieces, rows, run_px, stroke_px, edge)
                _ink_columns(pictures[epoch], pieces, first_piece, np.uint8(FIRST_INK + band * LEVELS - 1), ink)


@_compile
def _place_rows(rows, samples_uv, zero, scale, before, after, share):
    """Row of the trace at each knot."""
    for knot in range(len(rows)):
        sample_uv = samples_uv[before[knot]]
        rows[knot] = zero - (sample_uv + (samples_uv[after[knot]] - sample_uv) * share[knot]) * scale


@_compile
def _lay_pieces(pieces, rows, run_px, stroke_px, edge):
    """Top, bottom and shade of the piece from each knot to the next: its ink, length times stroke, spread evenly."""
    half = np.float32(0.5) * stroke_px
    for piece in range(len(run_px)):
        here, there, run = rows[piece], rows[piece + 1], run_px[piece]
        top, bottom = (here, there) if here < there else (there, here)
        rise = bottom - top
        pieces[0, piece] = min(max(top - half, np.float32(0)), edge)
        pieces[1, piece] = min(max(bottom + half, np.float32(0)), edge)
        pieces[2, piece] = np.sqrt(run * run + rise * rise) * stroke_px / (rise + stroke_px)


@_compile
def _ink_columns(picture, pieces, first_piece, first_ink, ink):
    """Ink one trace column by column; its palette indices follow `first_ink`.

    Only the ends of a piece are written down: how the shade changes in the row where it begins and the row
    after, and in the row where it ends and the row after, each in a column of `ink` of its own.
    """
    for column in range(picture.shape[1]):
        highest, lowest = picture.shape[0], 0
        for piece in range(first_piece[column], first_piece[column + 1]):
            top, bottom, shade = pieces[0, piece], pieces[1, piece], pieces[2, piece]
            first, last = np.uint32(top), np.uint32(bottom)
            begun, ended = shade * (top - np.float32(first)), shade * (bottom - np.float32(last))
            ink[first, 0] += shade - begun
            ink[first, 1] += begun
            ink[last, 2] += shade - ended
            ink[last, 3] += ended
            highest, lowest = min(highest, first), max(lowest, last)
        _dry(picture, column, highest, lowest, first_ink, ink)


@_compile
def _dry(picture, column, highest, lowest, first_ink, ink):
    """Turn the ink of one column into palette levels; the stronger ink wins where traces cross."""
    wet = begun = ended = np.float32(0)
    for row in range(highest, lowest + 1):
        wet += ink[row, 0] + begun - ink[row, 2] - ended
        begun, ended = ink[row, 1], ink[row, 3]
        ink[row, 0] = ink[row, 1] = ink[row, 2] = ink[row, 3] = 0
        level = np.uint8(min(wet, np.float32(1)) * np.float32(LEVELS) + np.float32(0.5))
        if level >= _LEVEL_OF[picture[row, column]]:
            picture[row, column] = first_ink + level

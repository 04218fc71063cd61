"""Occlusion: take a piece away, look again, and see what the model no longer believes.

On the signal, the pieces are cells of derivation and second, replaced by the night's background and drawn anew by
the same raster: every picture the model is asked about is one that a recorder could have made. The paper's own
method stands beside it: ablation of 14 x 14-pixel patches of the finished picture (arXiv 2509.22810, section 3.6).
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from somnolens.aasm import STAGES
from somnolens.epochs import Epochs
from somnolens.explain.heat import HeatMap, choose_stage, lay_cells, lay_patches, measure_log_odds
from somnolens.explain.neutral import FADE_S, Background, cross_fade, measure_background
from somnolens.render.pictures import render_epochs, render_signals
from somnolens.render.style import Style
from somnolens.render.windows import draw_shown, replace_middle, take_middle

if TYPE_CHECKING:
    from somnolens.score.engine import Engine  # brings torch; whoever looks elsewhere does without

UNIT = "log-odds of the stage that are lost without this part"


class Eye(Protocol):
    """Whatever looks at pictures: an engine, or something that asks one elsewhere."""

    @property
    def style(self) -> Style:
        """How pictures must be drawn for it."""

    @property
    def n_pictures(self) -> int:
        """Pictures it is shown of each epoch."""

    def score_pictures(self, pictures: np.ndarray, batch_size: int) -> np.ndarray:
        """Probabilities of the five stages for each picture by itself, shape (n, 5)."""


def occlude_signal(
    epochs: Epochs,
    epoch: int,
    engine: Eye,
    stage: str | None = None,
    cell_s: float = 1.0,
    background: Background | None = None,
    batch_size: int = 32,
    seed: int = 7,
) -> HeatMap:
    """Heat of the cells of derivation and time.

    Parameters
    ----------
    epochs : Epochs
        All epochs of the night, which the background is measured on.
    epoch : int
    engine : Eye
        As an `Engine`.
    stage : str, optional
        Without, the one the picture is most likely of.
    cell_s : float
        Length of a cell in seconds.
    background : Background, optional
        Of the same night, where it was measured before.
    batch_size : int
        Pictures in one forward pass.
    seed : int
        Of the neutral signal; the same seed gives the same heat.

    Returns
    -------
    HeatMap
        Values of shape (n_derivations, 30 / cell_s); zero for derivations that are missing or flat.
    """
    neutral_uv = draw_neutral(epochs, epoch, background or measure_background(epochs), seed)
    rows_px, columns_px = lay_cells(engine.style, cell_s)
    n_derivations, n_columns = len(rows_px) - 1, len(columns_px) - 1
    drawn = np.flatnonzero(epochs.drawn[epoch])
    cells = [(derivation, column) for derivation in drawn for column in range(n_columns)]
    masks = np.zeros((len(cells) + 1, n_derivations, n_columns), dtype=bool)
    for place, cell in enumerate(cells):
        masks[(place + 1, *cell)] = True
    pictures = draw_variants(epochs, epoch, replace_cells(epochs, epoch, neutral_uv, masks), engine.style)
    window = draw_shown(epochs, engine.style, engine.n_pictures, epoch, epoch + 1)[0]
    probabilities = engine.score_pictures(replace_middle(window, pictures), batch_size)
    stage = choose_stage(probabilities[0], stage)
    odds = measure_log_odds(probabilities, stage)
    values = np.zeros((n_derivations, n_columns))
    values[tuple(np.array(cells, dtype=int).reshape(-1, 2).T)] = odds[0] - odds[1:]
    return HeatMap("signal", stage, UNIT, values, rows_px, columns_px, probabilities[0])


def draw_neutral(epochs: Epochs, epoch: int, background: Background, seed: int) -> np.ndarray:
    """Neutral signals for one epoch, shape (n_derivations, n_samples); the same for the same seed and epoch."""
    return background.draw(epochs.signals_uv.shape[2], np.random.default_rng([seed, epoch]))


def replace_cells(epochs: Epochs, epoch: int, neutral_uv: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Variants of an epoch whose marked cells are neutral.

    Parameters
    ----------
    neutral_uv : ndarray, shape (n_derivations, n_samples)
    masks : ndarray of bool, shape (n_variants, n_derivations, n_columns)

    Returns
    -------
    ndarray of float32, shape (n_variants, n_derivations, n_samples)
    """
    original = epochs.signals_uv[epoch]
    variants = np.repeat(original[None], len(masks), axis=0)
    n_samples, n_columns = original.shape[1], masks.shape[2]
    borders = np.round(np.arange(n_columns + 1) * n_samples / n_columns).astype(int)
    n_fade = max(1, round(FADE_S * epochs.sampling_rate_hz))
    for variant, derivation in zip(*np.nonzero(masks.any(axis=2)), strict=True):
        samples_uv = original[derivation]
        for first, last in _find_stretches(masks[variant, derivation]):
            samples_uv = cross_fade(samples_uv, neutral_uv[derivation], borders[first], borders[last], n_fade)
        variants[variant, derivation] = samples_uv
    return variants


def _find_stretches(is_marked: np.ndarray) -> list[tuple[int, int]]:
    """First and end of every run of marked columns: neighbours are replaced as one."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_marked.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def draw_variants(epochs: Epochs, epoch: int, variants_uv: np.ndarray, style: Style) -> np.ndarray:
    """Pictures of an epoch whose signals were changed, uint8, shape (n_variants, height_px, width_px).

    Where the style shows neighbours, they stay as they are.
    """
    if style.render.epochs_shown == 1:
        return render_signals(variants_uv, epochs.drawn[epoch], style)
    first, last = max(0, epoch - 1), min(len(epochs), epoch + 2)
    few = replace(epochs, signals_uv=epochs.signals_uv[first:last], quality=epochs.quality[first:last])
    pictures = []
    for variant_uv in variants_uv:
        signals_uv = few.signals_uv.copy()
        signals_uv[epoch - first] = variant_uv
        pictures.append(render_epochs(replace(few, signals_uv=signals_uv), style, epoch - first, epoch - first + 1)[0])
    return np.stack(pictures)


def occlude_patches(
    epochs: Epochs,
    epoch: int,
    engine: "Engine",
    stage: str | None = None,
    patch_px: int = 14,
    batch_size: int = 32,
) -> HeatMap:
    """Heat of square patches of the picture, each replaced by empty paper with its grid: the paper's method.

    What a patch is replaced with the paper does not tell. Neighbouring patches hold parts of the same wave, so a
    patch alone is worth less than it was part of; and half a wave is no picture that a recorder makes.
    """
    window = engine.draw(epochs, epoch, epoch + 1)[0]
    picture = take_middle(window)
    paper = np.tile(engine.style.background, engine.style.render.epochs_shown)
    rows_px, columns_px = lay_patches(picture.shape, patch_px)
    patches = [(row, column) for row in range(len(rows_px) - 1) for column in range(len(columns_px) - 1)]
    probabilities = np.empty((len(patches) + 1, len(STAGES)))
    probabilities[0] = engine.score_pictures(window[None], batch_size)[0]
    for first in range(0, len(patches), batch_size):  # one batch of pictures in memory at a time
        some = patches[first : first + batch_size]
        pictures = np.repeat(picture[None], len(some), axis=0)
        for place, (row, column) in enumerate(some):
            part = slice(rows_px[row], rows_px[row + 1]), slice(columns_px[column], columns_px[column + 1])
            pictures[(place, *part)] = paper[part]
        shown = replace_middle(window, pictures)
        probabilities[first + 1 : first + 1 + len(some)] = engine.score_pictures(shown, batch_size)
    stage = choose_stage(probabilities[0], stage)
    odds = measure_log_odds(probabilities, stage)
    values = (odds[0] - odds[1:]).reshape(len(rows_px) - 1, len(columns_px) - 1)
    return HeatMap("patches", stage, UNIT, values, rows_px, columns_px, probabilities[0])

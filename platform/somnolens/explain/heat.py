"""Heat: how much each part of a picture speaks for or against a stage."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from somnolens.aasm import EPOCH_S, STAGES
from somnolens.render.style import Style


@dataclass(frozen=True, eq=False)
class HeatMap:
    """Values on a grid over one picture.

    Parameters
    ----------
    method : str
    stage : str
        The stage that the values are about.
    unit : str
        What a value is, in words; positive speaks for the stage.
    values : ndarray, shape (n_rows, n_columns)
    rows_px, columns_px : ndarray of int, shapes (n_rows + 1,) and (n_columns + 1,)
        Borders of the grid in the picture.
    before : ndarray, shape (5,)
        Probabilities of the unchanged picture by itself, without the night-level step.
    """

    method: str
    stage: str
    unit: str
    values: np.ndarray
    rows_px: np.ndarray
    columns_px: np.ndarray
    before: np.ndarray

    def spread(self, shape_px: tuple[int, int]) -> np.ndarray:
        """The value of every pixel, shape (height_px, width_px); zero outside the grid."""
        spread = np.zeros(shape_px)
        inside = np.repeat(np.repeat(self.values, np.diff(self.rows_px), 0), np.diff(self.columns_px), 1)
        spread[self.rows_px[0] : self.rows_px[-1], self.columns_px[0] : self.columns_px[-1]] = inside
        return spread

    def pool(self, rows_px: Sequence[int], columns_px: Sequence[int], shape_px: tuple[int, int]) -> np.ndarray:
        """Mean value in each part of another grid."""
        return pool_pixels(self.spread(shape_px), rows_px, columns_px) / np.outer(np.diff(rows_px), np.diff(columns_px))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "method": self.method,
            "stage": self.stage,
            "unit": self.unit,
            "values": self.values.round(4).tolist(),
            "rows_px": self.rows_px.tolist(),
            "columns_px": self.columns_px.tolist(),
            "probabilities_of_the_picture_alone": dict(zip(STAGES, self.before.round(5).tolist(), strict=True)),
        }


def pool_pixels(pixels: np.ndarray, rows_px: Sequence[int], columns_px: Sequence[int]) -> np.ndarray:
    """Sum of the pixels in each part of a grid.

    Examples
    --------
    >>> pool_pixels(np.ones((4, 6)), [0, 3, 4], [0, 2, 6]).tolist()
    [[6.0, 12.0], [2.0, 4.0]]
    """
    total = np.pad(pixels.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    corners = total[np.ix_(np.asarray(rows_px), np.asarray(columns_px))]
    return np.diff(np.diff(corners, axis=0), axis=1)


def lay_cells(style: Style, cell_s: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Borders of the cells of derivation and time in a picture: rows, shape (n_derivations + 1,), and columns.

    Of a picture that shows neighbours, the cells lie on the epoch in the middle. A tall wave runs out of its band,
    so the part of a cell is where its signal mostly is.
    """
    tops = [top for top, _ in style.bands_px]
    rows_px = np.array([*tops, sum(style.bands_px[-1])])
    width = style.single_px[1]
    first = (style.render.epochs_shown // 2) * width
    n_columns = round(EPOCH_S / cell_s)
    return rows_px, first + np.round(np.arange(n_columns + 1) * width / n_columns).astype(int)


def lay_patches(shape_px: tuple[int, int], patch_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Borders of square patches; those at the right and lower edge may be smaller."""
    rows_px, columns_px = (np.append(np.arange(0, side, patch_px), side) for side in shape_px)
    return rows_px, columns_px


def measure_log_odds(probabilities: np.ndarray, stage: str) -> np.ndarray:
    """Logarithm of the odds of a stage against the four others, shape (n,), from shape (n, 5).

    Unlike a probability it does not stop changing near 0 and 1.

    Examples
    --------
    >>> measure_log_odds(np.array([[0.5, 0.5, 0, 0, 0], [0.9, 0.1, 0, 0, 0]]), "W").round(3).tolist()
    [0.0, 2.197]
    """
    code = STAGES.index(stage)
    others = np.delete(probabilities, code, axis=1).sum(axis=1)
    return np.log(np.maximum(probabilities[:, code], 1e-12)) - np.log(np.maximum(others, 1e-12))


def choose_stage(probabilities: np.ndarray, stage: str | None) -> str:
    """The stage asked for, or the one the picture is most likely of."""
    return stage or STAGES[int(probabilities.argmax())]

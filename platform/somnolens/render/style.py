"""The look of a picture, resolved: bands, scales, palette, and the hash that names it all."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from somnolens.aasm import FILTER_BAND_HZ, RECOMMENDED_DERIVATIONS
from somnolens.config import PrepareSettings, RenderSettings
from somnolens.errors import SettingsError
from somnolens.provenance import fingerprint

RASTER_VERSION = 3
"""Raised whenever the same samples would give other pixels; part of the render hash."""

BAND_UNIT_PX = 16
"""Bands are whole multiples of this, so that vision patches of 16 px do not straddle two traces."""

BACKGROUND, GRID, GRID_STRONG, EMPTY, EDGE, FIRST_INK, FIRST_POWER = 0, 1, 2, 3, 4, 16, 192
"""Palette indices; ink of derivation d at level l is FIRST_INK + d * LEVELS + l - 1, power p FIRST_POWER + p."""

LEVELS = 15
"""Shades of one ink between paper and full colour, for anti-aliased strokes."""

POWER_LEVELS = 64
"""Shades of a spectrogram."""

_PAPER, _GRID, _GRID_STRONG, _EMPTY = (255, 255, 255), (235, 238, 242), (208, 214, 222), (226, 229, 233)
_EDGE, _BLACK, _MOST_POWER = (120, 128, 138), (0, 0, 0), (12, 24, 72)
_INKS = ((31, 73, 158), (0, 128, 122), (122, 62, 157), (196, 81, 0), (214, 34, 70), (64, 70, 78))
"""EEG in cool colours, EOG in warm, EMG in graphite; chosen to stay apart without colour vision."""


@dataclass(frozen=True)
class Style:
    """Render and prepare settings together with the derivations they apply to.

    Two pictures with the same `hash` of the same samples are the same bytes.

    Examples
    --------
    >>> style = Style(RenderSettings(), PrepareSettings())
    >>> style.bands_px
    ((0, 48), (48, 48), (96, 32), (128, 32), (160, 32), (192, 32))
    """

    render: RenderSettings
    prepare: PrepareSettings
    derivations: tuple[str, ...] = tuple(RECOMMENDED_DERIVATIONS)

    @cached_property
    def hash(self) -> str:
        """12 hexadecimal digits over everything that decides a pixel."""
        drawn = self.render.model_dump(exclude={"preset"})
        bands = {kind: list(band) for kind, band in FILTER_BAND_HZ.items()}
        prepared = self.prepare.model_dump(exclude={"mains_hz"})
        return fingerprint([RASTER_VERSION, drawn, prepared, bands, list(self.derivations), self.palette.tolist()])

    @property
    def shape_px(self) -> tuple[int, int]:
        """Height and width."""
        return self.render.height_px, self.render.width_px

    @property
    def single_px(self) -> tuple[int, int]:
        """Height and width of one epoch, of which a picture may show three."""
        return self.render.height_px, self.render.width_px // self.render.epochs_shown

    @cached_property
    def bands_px(self) -> tuple[tuple[int, int], ...]:
        """Top and height of each band, top to bottom, filling the picture down to its spectrogram.

        Rows that do not divide evenly go to the upper bands, where the EEG is.
        """
        room_px, n_bands = self.render.height_px - self.render.spectrum_px, len(self.derivations)
        n_units, n_inks = room_px // BAND_UNIT_PX, (FIRST_POWER - FIRST_INK) // LEVELS
        if n_units < n_bands or n_bands > n_inks:
            raise SettingsError(
                f"{n_bands} derivations do not fit into {room_px} px of a picture. "
                f"Each needs {BAND_UNIT_PX} px, and there are inks for {n_inks}."
            )
        each, spare = divmod(n_units, n_bands)
        heights = [BAND_UNIT_PX * (each + (band < spare)) for band in range(n_bands)]
        heights[-1] += room_px - sum(heights)
        tops = np.cumsum([0, *heights[:-1]])
        return tuple((int(top), height) for top, height in zip(tops, heights, strict=True))

    @property
    def spectrum_rows(self) -> tuple[int, int]:
        """Top and height of the spectrogram."""
        return self.render.height_px - self.render.spectrum_px, self.render.spectrum_px

    @cached_property
    def uv_per_px(self) -> np.ndarray:
        """float32, shape (n_derivations,): fixed vertical scale."""
        scales = {
            "EEG": self.render.eeg_uv_per_px,
            "EOG": self.render.eog_uv_per_px,
            "EMG": self.render.emg_uv_per_px,
        }
        return np.array([scales[RECOMMENDED_DERIVATIONS[name]] for name in self.derivations], dtype=np.float32)

    @cached_property
    def palette(self) -> np.ndarray:
        """uint8, shape (256, 3): red, green, blue of each palette index."""
        palette = np.zeros((256, 3), dtype=np.uint8)
        palette[[BACKGROUND, GRID, GRID_STRONG, EMPTY, EDGE]] = _PAPER, _GRID, _GRID_STRONG, _EMPTY, _EDGE
        coloured = self.render.ink == "colour"
        for band in range(len(self.derivations)):
            first = FIRST_INK + band * LEVELS
            palette[first : first + LEVELS] = _shade(_INKS[band % len(_INKS)] if coloured else _BLACK, LEVELS)
        palette[FIRST_POWER:] = _shade(_MOST_POWER if coloured else _BLACK, POWER_LEVELS)
        return palette

    @cached_property
    def background(self) -> np.ndarray:
        """uint8, shape `single_px`: the paper of one epoch, with its grid."""
        height, width = self.single_px
        paper = np.full((height, width), BACKGROUND, dtype=np.uint8)
        if self.render.grid:
            seconds = np.arange(1, 30)
            columns = np.floor(seconds * width / 30).astype(int)
            paper[:, columns] = GRID
            paper[:, columns[seconds % 5 == 0]] = GRID_STRONG
        return paper


def _shade(ink: tuple[int, int, int], n_levels: int) -> np.ndarray:
    """Colours from nearly paper to full ink, shape (n_levels, 3)."""
    share = np.arange(1, n_levels + 1)[:, None] / n_levels
    return np.round(share * np.array(ink) + (1 - share) * np.array(_PAPER))

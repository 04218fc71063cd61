"""What the render hash answers for."""

import numpy as np
import pytest

from somnolens.config import PrepareSettings, RenderSettings
from somnolens.errors import SettingsError
from somnolens.render.style import FIRST_INK, LEVELS, Style


def test_the_hash_is_that_of_the_default_style_since_version_1():
    """A change of this value orphans every adapter and dataset: raise RASTER_VERSION only with a reason."""
    assert (
        Style(RenderSettings(), PrepareSettings()).hash
        == Style(RenderSettings(preset="strip-448"), PrepareSettings()).hash
    )


@pytest.mark.parametrize(
    "change",
    [{"width_px": 480}, {"eeg_uv_per_px": 2.0}, {"stroke_px": 1.0}, {"grid": False}, {"amplitude": "min-max"}],
)
def test_every_setting_that_changes_a_pixel_changes_the_hash(change):
    assert Style(RenderSettings(**change), PrepareSettings()).hash != Style(RenderSettings(), PrepareSettings()).hash


def test_the_sampling_rate_changes_the_hash():
    faster = PrepareSettings(sampling_rate_hz=128)
    assert Style(RenderSettings(), faster).hash != Style(RenderSettings(), PrepareSettings()).hash


def test_a_preset_and_the_same_fields_by_hand_are_one_style():
    by_name = RenderSettings(preset="paper-336")
    by_hand = RenderSettings(**by_name.model_dump(exclude={"preset"}))
    assert Style(by_name, PrepareSettings()).hash == Style(by_hand, PrepareSettings()).hash


def test_shades_run_from_paper_to_full_ink():
    palette = Style(RenderSettings(), PrepareSettings()).palette.astype(int)
    inks = palette[FIRST_INK : FIRST_INK + 6 * LEVELS].reshape(6, LEVELS, 3).sum(axis=2)
    assert (np.diff(inks, axis=1) < 0).all()


def test_too_many_derivations_for_the_height_are_refused():
    with pytest.raises(SettingsError, match="do not fit into 64 px of a picture"):
        _ = Style(RenderSettings(height_px=64), PrepareSettings()).bands_px

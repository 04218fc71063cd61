"""PNG files that any reader opens."""

import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from somnolens.config import PrepareSettings, RenderSettings
from somnolens.render.png import decode_png, encode_png
from somnolens.render.style import Style

PALETTE = Style(RenderSettings(), PrepareSettings()).palette


@given(st.integers(1, 70), st.integers(1, 90), st.integers(0, 2**32 - 1))
def test_pictures_of_any_size_come_back_as_they_were(height, width, seed):
    picture = np.random.default_rng(seed).integers(0, 106, (height, width)).astype(np.uint8)
    np.testing.assert_array_equal(decode_png(encode_png(picture, PALETTE)), picture)


def test_an_independent_reader_sees_the_colours_of_the_palette():
    picture = np.arange(64, dtype=np.uint8).reshape(8, 8)
    with Image.open(io.BytesIO(encode_png(picture, PALETTE))) as seen:
        np.testing.assert_array_equal(np.asarray(seen.convert("RGB")), PALETTE[picture])


def test_a_picture_of_an_epoch_is_a_few_kilobytes():
    empty = Style(RenderSettings(), PrepareSettings()).background
    assert len(encode_png(empty, PALETTE)) < 6_000

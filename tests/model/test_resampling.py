"""Our resize against Pillow's."""

import numpy as np
import pytest
import torch
from PIL import Image

from somnolens.model.resampling import resize_pictures

SIZES = [
    ((32, 64), (64, 128)),
    ((32, 64), (48, 96)),
    ((64, 128), (32, 32)),
    ((32, 64), (43, 43)),
    ((30, 99), (41, 77)),
    ((48, 48), (32, 32)),
    ((64, 128), (64, 64)),
]


@pytest.mark.parametrize("resample", [1, 2, 3], ids=["Lanczos", "bilinear", "bicubic"])
@pytest.mark.parametrize(("before", "after"), SIZES)
def test_every_bit_is_that_of_pillow(before, after, resample):
    picture = np.random.default_rng(0).integers(0, 2, (3, *before)).astype(np.uint8) * 255
    height, width = after
    expected = np.asarray(Image.fromarray(np.moveaxis(picture, 0, -1)).resize((width, height), resample))
    ours = resize_pictures(torch.from_numpy(picture)[None], height, width, resample)[0]
    np.testing.assert_array_equal(ours.numpy(), np.moveaxis(expected, -1, 0))


def test_a_picture_of_the_size_asked_for_is_left_alone():
    picture = torch.arange(12, dtype=torch.uint8).view(3, 4)
    assert resize_pictures(picture, 3, 4, resample=3) is picture

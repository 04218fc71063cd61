"""A model that is shown several pictures of each epoch looks at every picture once."""

import numpy as np
import pytest
import torch

from somnolens.config import ModelSettings, Settings
from somnolens.model.adapters import prepare_looker
from somnolens.model.base import Looker
from somnolens.render.style import Style
from somnolens.render.windows import lay_windows
from somnolens.score.engine import Sight, look_at
from tests.tiny_models import write_tiny_model


@pytest.fixture(scope="module")
def looker(tmp_path_factory) -> Looker:
    folder = write_tiny_model("qwen3_vl", tmp_path_factory.mktemp("tiny"))
    settings = Settings(model=ModelSettings(base=str(folder), n_pictures=3))
    return prepare_looker(settings, Style(settings.render, settings.prepare)).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def night(looker) -> np.ndarray:
    """Seven pictures in a row, two of them alike."""
    style = Style(Settings().render, Settings().prepare)
    pictures = np.random.default_rng(0).integers(0, 100, (7, *looker.shape_px)).astype(np.uint8)
    pictures[5] = pictures[1]
    return lay_windows(pictures, style, 3)


def test_every_picture_is_looked_at_once_though_it_is_shown_three_times(looker, night, monkeypatch):
    looked, see = [], looker.see
    monkeypatch.setattr(looker, "see", lambda pictures: looked.append(len(pictures)) or see(pictures))
    look_at(looker, night, batch_size=3, n_hidden=0)
    assert sum(looked) == 6 + 1 + 1  # those that differ, and the one of beyond the ends, forgotten meanwhile


def test_what_is_told_is_what_whole_windows_tell(looker, night):
    readings = look_at(looker, night, batch_size=3, n_hidden=looker.n_hidden)
    with torch.inference_mode():
        logits, hidden = looker.read(torch.from_numpy(night.copy()))
    np.testing.assert_allclose(readings[:, :5], logits.double().softmax(-1).numpy(), atol=1e-5)
    np.testing.assert_allclose(readings[:, 5:], hidden.numpy(), atol=1e-4)


def test_a_picture_by_itself_is_not_taken_for_a_window(looker, night):
    with pytest.raises(AssertionError, match="beside their neighbours"):
        Sight(looker).see(night[:, 1])

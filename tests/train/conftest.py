"""A small dataset, and a base model of random weights, for real training runs of a few steps."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from somnolens.config import ModelSettings, Settings
from somnolens.model.adapters import attach_lora, prepare_looker
from somnolens.model.base import Looker
from somnolens.render.pictures import render_signals
from somnolens.render.png import encode_png
from somnolens.render.style import Style
from somnolens.train.rows import Rows
from tests.tiny_models import write_tiny_model


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A random base model and a short training."""
    folder = tmp_path_factory.mktemp("base")
    write_tiny_model("qwen3_vl", folder)
    train = {"batch_size": 8, "passes": 2, "learning_rate": 2e-2, "n_workers": 1}
    return Settings(model=ModelSettings(base=str(folder)), train=train)


@pytest.fixture(scope="session")
def style(settings: Settings) -> Style:
    return Style(settings.render, settings.prepare)


@pytest.fixture(scope="session")
def rows(style: Style) -> Rows:
    """24 pictures; the stage is told by which band swings."""
    rng = np.random.default_rng(0)
    codes = np.arange(24) % 5
    signals_uv = rng.normal(0, 2, (24, 6, 3000)).astype(np.float32)
    signals_uv[np.arange(24), codes] += 40 * np.sin(2 * np.pi * 2 * np.arange(3000) / 100).astype(np.float32)
    pictures = render_signals(signals_uv, np.ones(6, bool), style)
    return Rows(codes, [encode_png(picture, style.palette) for picture in pictures])


@pytest.fixture
def make_looker(settings: Settings, style: Style) -> Callable[[], Looker]:
    """A fresh looker with new LoRA weights, the same each time."""

    def make() -> Looker:
        torch.manual_seed(0)
        looker = prepare_looker(settings, style)
        attach_lora(looker, settings.train)
        return looker

    return make


@pytest.fixture(scope="session")
def seen_rows(rows: Rows, settings: Settings, style: Style) -> Rows:
    """The same rows with features of the right shape, in which a model this small finds the stage at once."""
    with torch.inference_mode():
        shape = prepare_looker(settings, style).eval().see(rows.take(np.zeros(1, int))).shape[1:]
    of_stages = np.random.default_rng(1).normal(size=(5, *shape))
    return replace(rows, features=of_stages[rows.codes].astype(np.float16))

"""A tiny real model for the tests of this folder."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from somnolens.config import ModelSettings, Settings
from somnolens.model.architecture import build_model, write_model
from somnolens.render.style import Style
from tests.tiny_models import write_tiny_model


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded architecture with random weights, saved as a hub model is."""
    folder = tmp_path_factory.mktemp("base")
    write_model(*build_model(seed=1), folder, {"weights": "random"})
    return folder


@pytest.fixture(scope="session")
def settings(base_folder: Path) -> Settings:
    return Settings(model=ModelSettings(base=str(base_folder)))


@pytest.fixture(scope="session")
def style(settings: Settings) -> Style:
    return Style(settings.render, settings.prepare)


@pytest.fixture(scope="session")
def find_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Each tiny model written once, when it is first asked for."""
    return cache(lambda kind: write_tiny_model(kind, tmp_path_factory.mktemp(kind)))

"""A tiny real model for the tests of this folder."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from somnolens.config import ModelSettings, Settings
from somnolens.render.style import Style
from tests.tiny_models import write_tiny_model


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the embedded one's family in miniature, saved as a hub model is."""
    return write_tiny_model("qwen3_vl", tmp_path_factory.mktemp("base"))


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

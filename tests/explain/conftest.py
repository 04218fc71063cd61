"""A tiny model of random weights: what it says means nothing, and changes with every pixel."""

import pytest

from somnolens.config import ModelSettings, Settings
from somnolens.epochs import Epochs
from somnolens.model.adapters import make_card, prepare_looker
from somnolens.render.style import Style
from somnolens.score.engine import Engine
from tests.plain_nights import make_plain_night
from tests.tiny_models import write_tiny_model


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_tiny_model("qwen3_vl", tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="session")
def engine(base: str) -> Engine:
    return make_engine(base)


@pytest.fixture(scope="session")
def engine_of_three(base: str) -> Engine:
    """One that is shown an epoch between its neighbours."""
    return make_engine(base, n_pictures=3)


def make_engine(base: str, **model) -> Engine:
    settings = Settings(model=ModelSettings(base=base, **model))
    style = Style(settings.render, settings.prepare)
    looker = prepare_looker(settings, style).eval().requires_grad_(False)
    return Engine(make_card(settings, style, dataset={}), style, None, looker)


@pytest.fixture(scope="session")
def epochs() -> Epochs:
    """Three epochs with something in the middle one; never written to."""
    return make_plain_night(3).add_spindle(33).add_slow_waves(40, 6).add_alpha(50, 5).add_rapid_movement(56).cut()

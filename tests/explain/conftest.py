"""A model of the embedded shape with random weights: what it says means nothing, and changes with every pixel."""

from pathlib import Path

import pytest

from somnolens.epochs import Epochs
from somnolens.score.engine import Engine, load_engine
from tests.plain_nights import make_plain_night


@pytest.fixture(scope="session")
def engine(adapter_folder: Path) -> Engine:
    return load_engine(adapter_folder)


@pytest.fixture(scope="session")
def epochs() -> Epochs:
    """Three epochs with something in the middle one; never written to."""
    return make_plain_night(3).add_spindle(33).add_slow_waves(40, 6).add_alpha(50, 5).add_rapid_movement(56).cut()

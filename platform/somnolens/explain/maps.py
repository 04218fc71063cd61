"""The ways to draw heat, by name."""

from collections.abc import Callable
from typing import Final

import numpy as np

from somnolens.epochs import Epochs
from somnolens.explain.attention import map_attention
from somnolens.explain.gradients import map_gradients
from somnolens.explain.heat import HeatMap
from somnolens.explain.occlusion import occlude_patches, occlude_signal
from somnolens.score.engine import Engine

METHODS: Final = ("signal", "patches", "attention", "gradient")
"""What `somnolens explain --method` takes; `explain.faithfulness` says which one to believe."""

MORE_METHODS: Final = (*METHODS, "gradient x input", "attention of the last layer")
"""What faithfulness is measured of besides."""


def draw_heat(method: str, epochs: Epochs, epoch: int, engine: Engine, stage: str | None = None) -> HeatMap:
    """Heat of one epoch by one method.

    Parameters
    ----------
    method : str
        Of `MORE_METHODS`; 'gradient' is integrated gradients, 'attention' is rollout.
    epochs : Epochs
        All epochs of the night.
    epoch : int
    engine : Engine
    stage : str, optional
        Without, the one the picture is most likely of.

    Raises
    ------
    BaseModelError
        Where the base model does not allow the method.
    """
    ways: dict[str, Callable[[], HeatMap]] = {
        "signal": lambda: occlude_signal(epochs, epoch, engine, stage),
        "patches": lambda: occlude_patches(epochs, epoch, engine, stage),
        "attention": lambda: map_attention(engine.looker, _draw(epochs, epoch, engine), stage),
        "attention of the last layer": lambda: map_attention(
            engine.looker, _draw(epochs, epoch, engine), stage, way="last"
        ),
        "gradient": lambda: map_gradients(engine.looker, _draw(epochs, epoch, engine), _paper(engine), stage),
        "gradient x input": lambda: map_gradients(
            engine.looker, _draw(epochs, epoch, engine), _paper(engine), stage, way="gradient x input"
        ),
    }
    return ways[method]()


def _draw(epochs: Epochs, epoch: int, engine: Engine) -> np.ndarray:
    return engine.draw(epochs, epoch, epoch + 1)[0]


def _paper(engine: Engine) -> np.ndarray:
    return np.tile(engine.style.background, engine.style.render.epochs_shown)

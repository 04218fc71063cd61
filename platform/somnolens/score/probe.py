"""Known pictures and an adapter's own answers to them: whether what was loaded is what was trained.

The pictures are drawn from sums of sines, so that every machine draws the same. The answers are recorded when the
training of an adapter ends; whoever loads it later, on other hardware and in other number formats, asks again.
"""

from typing import Any, Final

import numpy as np

from somnolens.aasm import EPOCH_S
from somnolens.epochs import GOOD, Epochs
from somnolens.errors import AdapterError
from somnolens.render.pictures import render_epochs
from somnolens.render.style import Style
from somnolens.score.engine import Engine
from somnolens.score.reader import N_STAGES

TOLERANCE: Final = 0.05
"""Of a probability: half-precision weights move one by up to 0.02; other weights move several by far more."""

_WAVES: Final = (
    ((0.7, 60.0), (1.3, 35.0), (13.1, 8.0)),  # deep sleep
    ((5.3, 18.0), (13.3, 22.0), (0.9, 20.0)),  # spindles
    ((10.2, 30.0), (19.7, 9.0), (34.1, 5.0)),  # eyes closed
    ((4.1, 12.0), (6.7, 10.0), (0.3, 40.0)),  # low and mixed
)
"""Frequency in Hz and amplitude in microvolts of the sines of each epoch."""


def draw_known_pictures(style: Style) -> np.ndarray:
    """Four pictures in a style, uint8, shape (4, height_px, width_px)."""
    return render_epochs(make_known_epochs(style), style)


def make_known_epochs(style: Style) -> Epochs:
    """Four consecutive epochs, which are drawn alike everywhere."""
    rate_hz = style.prepare.sampling_rate_hz
    times_s = np.arange(round(EPOCH_S * rate_hz)) / rate_hz
    n_derivations = len(style.derivations)
    signals = np.empty((len(_WAVES), n_derivations, len(times_s)), dtype=np.float32)
    for epoch, waves in enumerate(_WAVES):
        for row in range(n_derivations):
            signals[epoch, row] = sum(
                height * np.sin(2 * np.pi * hz * (1 + 0.03 * row) * times_s + row + epoch) for hz, height in waves
            )
    quality = np.full((len(_WAVES), n_derivations), GOOD, dtype=np.uint8)
    return Epochs("known", signals, style.derivations, rate_hz, quality, style.derivations)


def record_answers(engine: Engine) -> dict[str, Any]:
    """What an adapter says of the known pictures, as its card holds it."""
    return {"probabilities": _ask(engine).round(5).tolist()}


def check_answers(engine: Engine) -> str:
    """Ask the known pictures, and hold the answers to the recorded ones.

    An adapter that is older than this has none: then its answers must be probabilities, and not the same whatever
    it is shown.

    Returns
    -------
    str
        What was looked at, for a log.

    Raises
    ------
    AdapterError
    """
    answers, recorded = _ask(engine), engine.card.probe.get("probabilities")
    if not (np.isfinite(answers).all() and np.allclose(answers.sum(axis=1), 1, atol=1e-3)):
        raise AdapterError("The adapter answers known pictures with what are no probabilities. Train it again.")
    if recorded is None:
        if np.ptp(answers, axis=0).max() < 1e-6:
            raise AdapterError("The adapter gives the same answer whatever it is shown. Train it again.")
        return "known pictures are told apart; the card has no answers to hold them to"
    off = float(np.abs(answers - np.array(recorded)).max()) if np.shape(recorded) == answers.shape else 1.0
    if off > TOLERANCE:
        raise AdapterError(
            f"The adapter answers known pictures otherwise than when it was trained: a probability is {off:.2f} off, "
            f"and {TOLERANCE:g} would be rounding. Its weights, or those of its base model, are others."
        )
    return f"known pictures get the answers of the training, at most {off:.4f} off"


def _ask(engine: Engine) -> np.ndarray:
    """Probabilities of the known pictures, shape (4, 5)."""
    return engine.score_pictures(engine.draw(make_known_epochs(engine.style)), len(_WAVES))[:, :N_STAGES]

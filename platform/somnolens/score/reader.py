"""Everything of an adapter but its model: how to draw for it, and how to read what it said.

Without torch, so that a process which draws and leaves looking to another starts in a moment and stays small.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from somnolens.aasm import STAGES
from somnolens.epochs import Epochs
from somnolens.model.adapter_card import AdapterCard, check_render_hash, locate_adapter, read_card
from somnolens.render.style import Style
from somnolens.render.windows import draw_shown, lay_windows
from somnolens.score.calibration import Calibration, scale
from somnolens.score.sequence import RECURRENT, SequenceStep

if TYPE_CHECKING:
    from somnolens.score.recurrent import RecurrentStep

N_STAGES = len(STAGES)


@dataclass(frozen=True, eq=False)
class NightReader:
    """Everything of an adapter but its model: how to draw for it, and how to read what it said of a night.

    Parameters
    ----------
    card : AdapterCard
    style : Style
        How pictures must be drawn for this adapter.
    sequence : SequenceStep or RecurrentStep or None
        The night-level step, None where the adapter has none.
    calibration : Calibration
        Temperatures of what is told; of 1 where the adapter has none.
    """

    card: AdapterCard
    style: Style
    sequence: "SequenceStep | RecurrentStep | None"
    calibration: Calibration = field(default=Calibration(), kw_only=True)

    def read_night(self, readings: np.ndarray) -> np.ndarray:
        """What is told of consecutive epochs: the night-level step where there is one, then its temperature.

        Parameters
        ----------
        readings : ndarray, shape (n_epochs, 5 + n_hidden)
            Of each picture by itself, as `Engine.look` gives them.

        Returns
        -------
        ndarray, shape (n_epochs, 5)
        """
        if self.sequence is None:
            return self.calibrate_pictures(readings[:, :N_STAGES])
        return scale(self.sequence.apply(readings), self.calibration.night)

    @property
    def n_pictures(self) -> int:
        """Pictures the model is shown of each epoch."""
        return self.card.resolved.model.n_pictures

    def draw(self, epochs: Epochs, first: int = 0, last: int | None = None) -> np.ndarray:
        """What the model is shown of some epochs of a night; see `draw_shown`."""
        return draw_shown(epochs, self.style, self.n_pictures, first, last)

    def lay(self, pictures: np.ndarray) -> np.ndarray:
        """What the model is shown of consecutive epochs whose pictures are drawn already; see `lay_windows`."""
        return lay_windows(pictures, self.style, self.n_pictures)

    def calibrate_pictures(self, probabilities: np.ndarray) -> np.ndarray:
        """What is told of each picture by itself, shape (n_epochs, 5), from what the model said."""
        return scale(probabilities, self.calibration.picture)


def load_reader(adapter: str | Path, sequence_step: bool = True) -> NightReader:
    """What `load_engine` loads, without the model: for a process that draws and leaves looking to another.

    Raises
    ------
    AdapterError
    """
    folder = locate_adapter(adapter)
    card = read_card(folder)
    check_render_hash(card, card.style.hash, "This version of somnolens draws pictures whose style")
    sequence = read_step(folder, card) if sequence_step else None
    return NightReader(card, card.style, sequence, calibration=Calibration.from_dict(card.calibration))


def read_step(folder: Path, card: AdapterCard) -> "SequenceStep | RecurrentStep | None":
    """The night-level step of an adapter, None where it has none.

    Raises
    ------
    AdapterError
    """
    if card.sequence.get("kind") == RECURRENT:
        from somnolens.score.recurrent import RecurrentStep  # brings torch, which the other kind does without

        return RecurrentStep.read(folder, card.sequence)
    return SequenceStep(**card.sequence) if card.sequence else None

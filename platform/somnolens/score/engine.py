"""Pictures to stage probabilities, with one adapter, in batches."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from somnolens.aasm import STAGES
from somnolens.model.adapter_card import AdapterCard, check_render_hash, read_card
from somnolens.model.adapters import load_adapter
from somnolens.model.base import Looker
from somnolens.render.style import Style
from somnolens.score.calibration import Calibration, scale
from somnolens.score.sequence import SequenceStep


@dataclass(frozen=True, eq=False)
class NightReader:
    """Everything of an adapter but its model: how to draw for it, and how to read what it said of a night.

    Parameters
    ----------
    card : AdapterCard
    style : Style
        How pictures must be drawn for this adapter.
    sequence : SequenceStep or None
        The night-level step, None where the adapter has none.
    calibration : Calibration
        Temperatures of what is told; of 1 where the adapter has none.
    """

    card: AdapterCard
    style: Style
    sequence: SequenceStep | None
    calibration: Calibration = field(default=Calibration(), kw_only=True)

    def read_night(self, probabilities: np.ndarray) -> np.ndarray:
        """What is told of consecutive epochs: the night-level step where there is one, then its temperature.

        Parameters
        ----------
        probabilities : ndarray, shape (n_epochs, 5)
            Of each picture by itself, as the model said them.

        Returns
        -------
        ndarray, shape (n_epochs, 5)
        """
        if self.sequence is None:
            return self.calibrate_pictures(probabilities)
        return scale(self.sequence.apply(probabilities), self.calibration.night)

    def calibrate_pictures(self, probabilities: np.ndarray) -> np.ndarray:
        """What is told of each picture by itself, shape (n_epochs, 5), from what the model said."""
        return scale(probabilities, self.calibration.picture)


@dataclass(frozen=True, eq=False)
class Engine(NightReader):
    """One adapter, merged into its base model and ready to score.

    Parameters
    ----------
    looker : Looker
        On its device, in evaluation mode.
    """

    looker: Looker

    def score_pictures(
        self, pictures: np.ndarray, batch_size: int, report: Callable[[int], None] = lambda done: None
    ) -> np.ndarray:
        """Probabilities of the five stages for each picture by itself, as the model says them.

        Parameters
        ----------
        pictures : ndarray of uint8, shape (n, height_px, width_px)
            Palette indices, drawn in `style`.
        batch_size : int
        report : callable
            Gets the number of pictures done.

        Returns
        -------
        ndarray of float64, shape (n, 5)
        """
        probabilities = np.empty((len(pictures), len(STAGES)))
        device = next(self.looker.parameters()).device
        with torch.inference_mode():
            for first in range(0, len(pictures), batch_size):
                batch = torch.from_numpy(pictures[first : first + batch_size]).to(device)
                probabilities[first : first + len(batch)] = self.looker(batch).double().softmax(-1).cpu().numpy()
                report(first + len(batch))
        return probabilities


def load_engine(adapter: str | Path, sequence_step: bool = True) -> Engine:
    """Load an adapter for scoring.

    Parameters
    ----------
    adapter : str or Path
        Adapter folder, or 'embedded'.
    sequence_step : bool
        False leaves each epoch to its own picture.

    Raises
    ------
    AdapterError
    BaseModelError
    """
    looker, card = load_adapter(adapter)
    sequence = _choose_sequence(card, sequence_step)
    return Engine(card, card.style, sequence, looker, calibration=Calibration.from_dict(card.calibration))


def load_reader(adapter: str | Path, sequence_step: bool = True) -> NightReader:
    """What `load_engine` loads, without the model: for a process that draws and leaves looking to another.

    Raises
    ------
    AdapterError
    """
    card = read_card(adapter)
    check_render_hash(card, card.style.hash, "This version of somnolens draws pictures whose style")
    sequence = _choose_sequence(card, sequence_step)
    return NightReader(card, card.style, sequence, calibration=Calibration.from_dict(card.calibration))


def _choose_sequence(card: AdapterCard, sequence_step: bool) -> SequenceStep | None:
    return SequenceStep(**card.sequence) if sequence_step and card.sequence else None

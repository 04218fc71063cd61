"""Pictures to stage probabilities, with one adapter, in batches."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import torch

from somnolens.model.adapter_card import locate_adapter
from somnolens.model.adapters import load_adapter
from somnolens.model.base import Looker
from somnolens.model.lanes import plan_lanes, run_lanes
from somnolens.score.calibration import Calibration
from somnolens.score.reader import N_STAGES, NightReader, read_step


@dataclass(frozen=True, eq=False)
class Engine(NightReader):
    """One adapter, merged into its base model and ready to score.

    Parameters
    ----------
    looker : Looker
        On its device, in evaluation mode.
    """

    looker: Looker

    def look(
        self, pictures: np.ndarray, batch_size: int, report: Callable[[int], None] = lambda done: None
    ) -> np.ndarray:
        """Look at each epoch by itself: what the night-level step reads.

        Parameters
        ----------
        pictures : ndarray of uint8, shape (n, height_px, width_px) or (n, n_pictures, height_px, width_px)
            Palette indices, as `draw` or `lay` give them.
        batch_size : int
        report : callable
            Gets the number of pictures done.

        Returns
        -------
        ndarray of float64, shape (n, 5 + n_hidden)
            Probabilities of the five stages; then the hidden state, of which a chain wants nothing.
        """
        n_hidden = self.sequence.n_hidden if self.sequence else 0
        return look_at(self.looker, pictures, batch_size, n_hidden, report)

    def score_pictures(
        self, pictures: np.ndarray, batch_size: int, report: Callable[[int], None] = lambda done: None
    ) -> np.ndarray:
        """Probabilities of the five stages for each epoch by itself, as the model says them, shape (n, 5)."""
        return look_at(self.looker, pictures, batch_size, 0, report)


def look_at(
    looker: Looker,
    pictures: np.ndarray,
    batch_size: int,
    n_hidden: int,
    report: Callable[[int], None] = lambda done: None,
) -> np.ndarray:
    """Readings of epochs, as `Engine.look` gives them; without hidden states where `n_hidden` is 0."""
    readings, n_done, telling = np.empty((len(pictures), N_STAGES + n_hidden)), 0, Lock()
    lanes = plan_lanes(len(pictures), batch_size, next(looker.parameters()).device)

    @torch.inference_mode()
    def look(lane: slice) -> None:
        nonlocal n_done
        sight, size = Sight(looker), max(1, batch_size // len(lanes))
        for first in range(lane.start, lane.stop, size):
            part = slice(first, min(first + size, lane.stop))
            readings[part] = _read(looker, sight.see(pictures[part]), n_hidden)
            with telling:
                n_done += part.stop - part.start
                report(n_done)

    run_lanes(look, lanes)
    return readings


def _read(looker: Looker, shown: torch.Tensor, n_hidden: int) -> np.ndarray:
    told = looker.read(shown) if n_hidden else (looker(shown),)
    return torch.cat([told[0].double().softmax(-1), *(hidden.double() for hidden in told[1:])], dim=1).cpu().numpy()


class Sight:
    """Shows pictures to a model; one that is shown several of each epoch looks at each picture once.

    Parameters
    ----------
    looker : Looker
    """

    def __init__(self, looker: Looker) -> None:
        self._looker, self._device = looker, next(looker.parameters()).device
        self._seen: dict[bytes, torch.Tensor] = {}

    def see(self, pictures: np.ndarray) -> torch.Tensor:
        """What the model is shown of a batch: the pictures, or features of all that stand beside each other.

        Features of the last epoch's pictures are remembered: a batch that follows begins with them.
        """
        if self._looker.n_pictures == 1:
            return torch.from_numpy(pictures).to(self._device)
        assert pictures.ndim == 4, "pictures must be laid beside their neighbours: see NightReader.lay"
        keys = [[_name_picture(picture) for picture in window] for window in pictures]
        new = {
            key: pictures[row, place]
            for row, window in enumerate(keys)
            for place, key in enumerate(window)
            if key not in self._seen
        }
        if new:
            drawn = torch.from_numpy(np.stack(list(new.values()))).to(self._device)
            self._seen |= dict(zip(new, self._looker.see(drawn), strict=True))
        features = torch.stack([torch.stack([self._seen[key] for key in window]) for window in keys])
        self._seen = {key: self._seen[key] for key in keys[-1]}
        return features


def _name_picture(picture: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(picture), digest_size=16).digest()


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
    folder = locate_adapter(adapter)  # once: what is promoted may change meanwhile
    looker, card = load_adapter(folder)
    sequence = read_step(folder, card) if sequence_step else None
    return Engine(card, card.style, sequence, looker, calibration=Calibration.from_dict(card.calibration))

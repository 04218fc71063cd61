"""A night-level step that is learnt: two recurrent readers, one from each end of the night.

It is shown of every picture what the model said, and the hidden state that it said it from, which knows more than
five probabilities tell. What it adds to their logarithms is nothing before it has learnt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional

from somnolens.aasm import STAGES
from somnolens.errors import AdapterError
from somnolens.score.sequence import RECURRENT

WEIGHTS_FILE = "night_step.safetensors"
N_STAGES = len(STAGES)
_WIDTH = 24
_DROPOUT = 0.3
_LEAST = 1e-6
_WINDOW = 64
"""Epochs in a stretch to learn from: half an hour, and a whole night takes fifteen times as long."""
_N_WINDOWS = 24

Nights = Sequence[tuple[np.ndarray, np.ndarray]]
"""Stage codes, shape (n_epochs,), -1 where unscored, and readings, shape (n_epochs, 5 + n_hidden), of each night."""


class Network(nn.Module):
    """Readings of whole nights to logits of the stages.

    Parameters
    ----------
    n_hidden : int
        Of the base model's hidden state.
    width : int
        Units of each reader.
    """

    def __init__(self, n_hidden: int, width: int = _WIDTH) -> None:
        super().__init__()
        self.n_hidden, self.width = n_hidden, width
        self.narrow = nn.Sequential(nn.LayerNorm(n_hidden), nn.Linear(n_hidden, width))
        self.drop = nn.Dropout(_DROPOUT)
        self.read = nn.GRU(N_STAGES + width, width, batch_first=True, bidirectional=True)
        self.name = nn.Linear(2 * width, N_STAGES)
        nn.init.zeros_(self.name.weight)
        nn.init.zeros_(self.name.bias)

    def forward(self, logs: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
        """Logits, shape (n_nights, n_epochs, 5), from log-probabilities of that shape and (..., n_hidden)."""
        seen = torch.cat([logs, self.drop(self.narrow(hidden))], dim=-1)
        return logs + self.name(self.drop(self.read(seen)[0]))


@dataclass(frozen=True, eq=False)
class RecurrentStep:
    """The night-level step of an adapter whose settings say `train.night_step: recurrent`.

    Parameters
    ----------
    network : Network
        In evaluation mode.
    """

    network: Network

    @property
    def n_hidden(self) -> int:
        """Hidden values that it wants of each picture beside the probabilities."""
        return self.network.n_hidden

    def apply(self, readings: np.ndarray) -> np.ndarray:
        """Probabilities given the whole night, shape (n_epochs, 5), from readings, shape (n_epochs, 5 + n_hidden)."""
        logs, hidden = _split(readings)
        with torch.inference_mode():
            return self.network(logs[None], hidden[None])[0].double().softmax(-1).numpy()

    def to_dict(self) -> dict[str, Any]:
        """As the adapter's card holds it; the weights lie beside it."""
        return {"kind": RECURRENT, "n_hidden": self.n_hidden, "width": self.network.width}

    def write(self, folder: Path) -> None:
        """Write the weights into an adapter folder."""
        save_file(self.network.state_dict(), folder / WEIGHTS_FILE)

    @classmethod
    def read(cls, folder: Path, content: dict[str, Any]) -> "RecurrentStep":
        """Read what `write` and `to_dict` have left.

        Raises
        ------
        AdapterError
            Where the weights are missing or of another shape.
        """
        network = Network(content["n_hidden"], content["width"])
        try:
            network.load_state_dict(load_file(folder / WEIGHTS_FILE))
        except (OSError, RuntimeError) as error:
            raise AdapterError(
                f"The night-level step of the adapter {folder} cannot be read: {str(error).splitlines()[0]} "
                f"Looked for {WEIGHTS_FILE}. Copy the adapter whole, or score with score.sequence_step=false."
            ) from None
        return cls(network.eval())


def fit_recurrent(training: Nights, validation: Nights, seed: int, n_steps: int = 300) -> RecurrentStep:
    """Learn from training nights; the weights with the least surprise on validation nights are kept.

    The model knows the training nights by heart and is surer of them than it will be of others: in every step the
    log-probabilities of each night are scaled by a factor of its own, so that how sure it is tells little.

    Parameters
    ----------
    training, validation : sequence of (codes, readings)
    seed : int
    n_steps : int
        Each over stretches of half an hour, drawn from the training nights.
    """
    n_hidden = training[0][1].shape[1] - N_STAGES
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Network(n_hidden)
        optimiser = torch.optim.AdamW(network.parameters(), lr=5e-3, weight_decay=0.05)
        nights, held = _gather(training), _gather(validation)
        best, weights = _measure(network, *held), _copy(network)
        for step in range(1, n_steps + 1):
            _take_step(network, optimiser, *_draw_windows(*nights))
            if step % 20 == 0 and (surprise := _measure(network, *held)) < best:
                best, weights = surprise, _copy(network)
    network.load_state_dict(weights)
    return RecurrentStep(network.eval())


def _split(readings: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities and hidden states, float32."""
    readings = torch.from_numpy(np.asarray(readings, dtype=np.float32))
    return readings[..., :N_STAGES].clamp(min=_LEAST).log(), readings[..., N_STAGES:]


def _gather(nights: Nights) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Log-probabilities, hidden states and codes of nights side by side; the shorter ones end in unscored epochs."""
    longest = max(len(codes) for codes, _ in nights)
    codes = np.full((len(nights), longest), -1)
    readings = np.full((len(nights), longest, nights[0][1].shape[1]), 1 / N_STAGES, dtype=np.float32)
    for place, (stages, values) in enumerate(nights):
        codes[place, : len(stages)], readings[place, : len(values)] = stages, values
    return *_split(readings), torch.from_numpy(codes)


def _draw_windows(*nights: torch.Tensor) -> list[torch.Tensor]:
    """Stretches of the nights, at random, shape (n_windows, at most 64, ...)."""
    n_nights, longest = nights[0].shape[:2]
    length = min(_WINDOW, longest)
    which = torch.randint(n_nights, (_N_WINDOWS, 1))
    where = torch.randint(longest - length + 1, (_N_WINDOWS, 1)) + torch.arange(length)
    return [part[which, where] for part in nights]


def _take_step(
    network: Network, optimiser: torch.optim.Optimizer, logs: torch.Tensor, hidden: torch.Tensor, codes: torch.Tensor
) -> None:
    network.train()
    factors = torch.empty(len(logs), 1, 1).uniform_(0.4, 1.1)
    loss = functional.cross_entropy(network(logs * factors, hidden).flatten(0, 1), codes.flatten(), ignore_index=-1)
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()


@torch.inference_mode()
def _measure(network: Network, logs: torch.Tensor, hidden: torch.Tensor, codes: torch.Tensor) -> float:
    """Mean surprise at the scorers' stages."""
    network.eval()
    logits = network(logs, hidden).flatten(0, 1)
    return functional.cross_entropy(logits, codes.flatten(), ignore_index=-1).item()


def _copy(network: Network) -> dict[str, torch.Tensor]:
    return {name: weights.clone() for name, weights in network.state_dict().items()}

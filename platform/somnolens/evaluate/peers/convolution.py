"""A convolutional network on the raw signal: the usual deep stager, from braindecode."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from somnolens.aasm import EPOCH_S, STAGES
from somnolens.errors import SettingsError
from somnolens.evaluate.peers.tuning import HIDE_SHARE, gather, measure_kappa, take_best
from somnolens.evaluate.systems import LabelledNight, Shown
from somnolens.train.rows import choose_hidden, plan_batches, weigh_stages

CANDIDATES: Final[tuple[Mapping[str, Any], ...]] = (
    {"learning_rate": 1e-3, "n_conv_chs": 8, "class_weighting": "sqrt"},
    {"learning_rate": 3e-3, "n_conv_chs": 16, "class_weighting": "sqrt"},
)
LIMIT = 20.0
"""Standard deviations beyond which a sample is an artefact, whatever its size."""


class Convolution:
    """The network of S. Chambon et al. (IEEE TNSRE 26(4), 2018) on all derivations, in fixed microvolts.

    Spatial filters over the derivations, then two convolutions over time; epochs by themselves, no context. Weighted
    cross-entropy, AdamW, derivations hidden anew in each pass, early stopping on validation nights.

    Parameters
    ----------
    passes : int
        At most.
    patience : int
        Passes without a better validation kappa that end a training.
    seed : int
    """

    name = "convolution"

    def __init__(self, passes: int = 24, patience: int = 5, batch_size: int = 64, seed: int = 7) -> None:
        self.passes, self.patience, self.batch_size, self.seed = passes, patience, batch_size, seed
        self.shares: np.ndarray | None = None
        self.chosen: dict[str, Any] = {}
        self.n_parameters: int | None = None
        self._model: nn.Module | None = None
        self._scale_uv = np.ones(1, np.float32)

    def fit(self, training: Sequence[LabelledNight], validation: Sequence[LabelledNight]) -> None:
        """Train every candidate and keep the best."""
        rows, codes, _ = gather(training, _take)
        self._scale_uv = rows.std(axis=(0, 2), keepdims=True)[0] + np.float32(1e-6)
        seen, truth, _ = gather(validation, _take)
        names = validation[0].read().montage.names
        self.chosen, self._model = take_best(self._try_all(rows, codes, seen, truth, names))
        self.n_parameters = sum(one.numel() for one in self._model.parameters())
        _, self.shares = weigh_stages(codes, self.chosen["class_weighting"])

    def stage(self, shown: Shown) -> np.ndarray:
        """Probabilities, shape (n_epochs, 5)."""
        assert self._model is not None
        return self._name(self._model, _take(shown))

    def _try_all(
        self, rows: np.ndarray, codes: np.ndarray, seen: np.ndarray, truth: np.ndarray, names: Sequence[str]
    ) -> Iterator[Any]:
        """Yield (kappa, (settings, model)) of each candidate at its best pass."""
        for settings in CANDIDATES:
            torch.manual_seed(self.seed)
            model = _build(rows.shape[1:], settings["n_conv_chs"])
            best, best_state, waited = -1.0, copy.deepcopy(model.state_dict()), 0
            for _ in self._train(model, rows, codes, names, settings):
                kappa = measure_kappa(truth, self._name(model, seen))
                if kappa > best:
                    best, best_state, waited = kappa, copy.deepcopy(model.state_dict()), 0
                elif (waited := waited + 1) >= self.patience:
                    break
            model.load_state_dict(best_state)
            yield best, (dict(settings), model)

    def _train(
        self, model: nn.Module, rows: np.ndarray, codes: np.ndarray, names: Sequence[str], settings: Mapping[str, Any]
    ) -> Iterator[int]:
        """Yield after every pass."""
        weights, _ = weigh_stages(codes, settings["class_weighting"])
        loss = nn.CrossEntropyLoss(weight=torch.tensor(weights, dtype=torch.float32))
        optimiser = torch.optim.AdamW(model.parameters(), lr=settings["learning_rate"], weight_decay=1e-3)
        for n_pass in range(self.passes):
            model.train()
            rng = np.random.default_rng([self.seed, n_pass])
            for places in plan_batches(len(rows), self.batch_size, self.seed, n_pass):
                shown = self._scale(rows[places])
                shown[choose_hidden(len(places), HIDE_SHARE, rng, names)] = 0.0
                optimiser.zero_grad()
                loss(model(torch.from_numpy(shown)), torch.from_numpy(codes[places])).backward()
                optimiser.step()
            yield n_pass

    def _scale(self, rows_uv: np.ndarray) -> np.ndarray:
        return np.clip(rows_uv / self._scale_uv, -LIMIT, LIMIT)

    @torch.inference_mode()
    def _name(self, model: nn.Module, rows_uv: np.ndarray) -> np.ndarray:
        model.eval()
        parts = [
            model(torch.from_numpy(self._scale(rows_uv[first : first + self.batch_size]))).softmax(-1).numpy()
            for first in range(0, len(rows_uv), self.batch_size)
        ]
        return np.concatenate(parts).astype(float)


def _build(shape: tuple[int, int], n_conv_chs: int) -> nn.Module:
    try:
        from braindecode.models import SleepStagerChambon2018
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"The peer 'convolution' needs braindecode, and {error.name} is not installed. "
            "Install it with pip install 'somnolens[peers]', or leave the peer out."
        ) from None
    n_derivations, n_samples = shape
    return SleepStagerChambon2018(
        n_chans=n_derivations,
        sfreq=n_samples / EPOCH_S,
        n_times=n_samples,
        n_outputs=len(STAGES),
        n_conv_chs=n_conv_chs,
        apply_batch_norm=True,
        dropout=0.5,
    )


def _take(shown: Shown) -> np.ndarray:
    return shown.prepare().signals_uv

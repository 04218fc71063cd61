"""A convolutional network on the raw signal: the usual deep stager, from braindecode."""

import copy
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from somnolens.aasm import EPOCH_S, STAGES
from somnolens.dataset.gains import draw_gains
from somnolens.errors import SettingsError
from somnolens.evaluate.peers.tuning import HIDE_SHARE, gather, measure_kappa
from somnolens.evaluate.systems import LabelledNight, Shown
from somnolens.model.lanes import plan_lanes, run_lanes
from somnolens.train.rows import choose_hidden, plan_batches, weigh_stages

CANDIDATES: Final[tuple[Mapping[str, Any], ...]] = (
    {"learning_rate": 1e-3, "class_weighting": "sqrt"},
    {"learning_rate": 4e-3, "class_weighting": "sqrt"},
)
TRIAL_PASSES: Final = 2
"""After so many passes only the best candidate goes on."""

LIMIT = 20.0
"""Standard deviations beyond which a sample is an artefact, whatever its size."""


class Convolution:
    """The network of S. Chambon et al. (IEEE TNSRE 26(4), 2018) on all derivations, in fixed microvolts.

    Spatial filters over the derivations, then two convolutions over time; epochs by themselves, no context. Weighted
    cross-entropy, AdamW, derivations hidden and gains drawn anew in each pass; successive halving of the candidates and
    early stopping on validation nights.

    Parameters
    ----------
    passes : int
        At most, of the candidate that goes on.
    patience : int
        Passes without a better validation kappa that end a training.
    gain_range : float
        As `train.gain_range` of the adapter.
    seed : int
    """

    name = "convolution"

    def __init__(
        self, passes: int = 10, patience: int = 4, batch_size: int = 64, gain_range: float = 1.0, seed: int = 7
    ) -> None:
        self.passes, self.patience, self.batch_size, self.seed = passes, patience, batch_size, seed
        self.gain_range = gain_range
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
        tried = [_Course(self, settings, rows, codes, names) for settings in CANDIDATES]
        for course in tried:
            course.go_on(TRIAL_PASSES, TRIAL_PASSES, seen, truth)
        best = max(tried, key=lambda course: course.kappa)
        best.go_on(self.passes - TRIAL_PASSES, self.patience, seen, truth)
        self.chosen, self._model = dict(best.settings) | {"passes": best.n_best}, best.take_best()
        self.n_parameters = sum(one.numel() for one in self._model.parameters())
        _, self.shares = weigh_stages(codes, self.chosen["class_weighting"])

    def stage(self, shown: Shown) -> np.ndarray:
        """Probabilities, shape (n_epochs, 5)."""
        assert self._model is not None
        return self.name_rows(self._model, _take(shown))

    def scale(self, rows_uv: np.ndarray) -> np.ndarray:
        """Microvolts in standard deviations of the training rows of each derivation."""
        return np.clip(rows_uv / self._scale_uv, -LIMIT, LIMIT)

    def name_rows(self, model: nn.Module, rows_uv: np.ndarray) -> np.ndarray:
        """Probabilities of rows by themselves, shape (n_rows, 5)."""
        model.eval()
        lanes = plan_lanes(len(rows_uv), self.batch_size, torch.device("cpu"))

        @torch.inference_mode()
        def name(lane: slice) -> np.ndarray:
            batches = torch.from_numpy(self.scale(rows_uv[lane])).split(self.batch_size // len(lanes))
            return torch.cat([model(batch).softmax(-1) for batch in batches]).numpy()

        return np.concatenate(run_lanes(name, lanes)).astype(float)


class _Course:
    """One candidate's training, which can be gone on with."""

    def __init__(
        self, owner: Convolution, settings: Mapping[str, Any], rows: np.ndarray, codes: np.ndarray, names: Sequence[str]
    ) -> None:
        self.owner, self.settings = owner, settings
        torch.manual_seed(owner.seed)
        self.model = _build(rows.shape[1:])
        self.kappa, self.n_best, self.best_state = -1.0, 0, copy.deepcopy(self.model.state_dict())
        self._passes = self._train(rows, codes, names)

    def go_on(self, n_passes: int, patience: int, seen: np.ndarray, truth: np.ndarray) -> None:
        """At most so many passes more; fewer where so many in a row did not better the validation kappa."""
        waited = 0
        for n_pass in itertools.islice(self._passes, max(0, n_passes)):
            kappa = measure_kappa(truth, self.owner.name_rows(self.model, seen))
            waited += 1
            if kappa > self.kappa:
                self.kappa, self.n_best, self.best_state = kappa, n_pass, copy.deepcopy(self.model.state_dict())
                waited = 0
            if waited >= patience:
                return

    def take_best(self) -> nn.Module:
        """The model as it was after its best pass."""
        self.model.load_state_dict(self.best_state)
        return self.model

    def _train(self, rows: np.ndarray, codes: np.ndarray, names: Sequence[str]) -> Iterator[int]:
        """Yield the number of passes after every pass."""
        owner = self.owner
        weights, _ = weigh_stages(codes, self.settings["class_weighting"])
        loss = nn.CrossEntropyLoss(weight=torch.tensor(weights, dtype=torch.float32))
        optimiser = torch.optim.AdamW(self.model.parameters(), lr=self.settings["learning_rate"], weight_decay=1e-3)
        for n_pass in itertools.count():
            self.model.train()
            rng = np.random.default_rng([owner.seed, n_pass])
            for places in plan_batches(len(rows), owner.batch_size, owner.seed, n_pass):
                gains = draw_gains(len(places), owner.gain_range, rng)
                shown = owner.scale(rows[places] * gains[:, None, None])
                shown[choose_hidden(len(places), HIDE_SHARE, rng, names)] = 0.0
                optimiser.zero_grad()
                loss(self.model(torch.from_numpy(shown)), torch.from_numpy(codes[places])).backward()
                optimiser.step()
            yield n_pass + 1


def _build(shape: tuple[int, int]) -> nn.Module:
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
        apply_batch_norm=True,
        dropout=0.5,
    )


def _take(shown: Shown) -> np.ndarray:
    return shown.prepare().signals_uv

"""Systems that look at pictures: the adapter, its base model without it, and the vision side alone."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from somnolens.config import Settings
from somnolens.dataset.gains import draw_gains
from somnolens.evaluate.peers.tuning import fill_stages, gather, measure_kappa, take_best
from somnolens.evaluate.systems import LabelledNight, Shown
from somnolens.model.adapters import make_card, prepare_looker
from somnolens.model.base import Looker, choose_device
from somnolens.model.lanes import plan_lanes, run_lanes
from somnolens.render.missing import hide_derivations
from somnolens.render.pictures import render_epochs
from somnolens.render.style import Style
from somnolens.score.engine import Engine
from somnolens.train.rows import choose_hidden, weigh_stages

Reader = Callable[[torch.Tensor], np.ndarray]
"""From vision features, shape (n, n_levels, n_image_tokens, n_hidden), to a row for each picture."""

POOLS: Final = (1, 7)
"""Stretches of image tokens whose mean is taken: the whole picture, or its rows."""

_BATCH: Final = 32

STRENGTHS: Final = (0.003, 0.03, 0.3)


class Glance:
    """Looks at each picture once, for all systems that share a vision side, and remembers what they said.

    Corruptions leave many pictures as they were: those are not looked at again.

    Parameters
    ----------
    see : callable
        uint8 pictures to vision features.
    readers : mapping of str to callable
    batch_size : int
    """

    def __init__(
        self, see: Callable[[torch.Tensor], torch.Tensor], readers: Mapping[str, Reader], batch_size: int = 32
    ) -> None:
        self.see, self.readers, self.batch_size = see, readers, batch_size
        self._said: dict[bytes, dict[str, np.ndarray]] = {}

    def read(self, pictures: np.ndarray, reader: str) -> np.ndarray:
        """What a reader says of each picture, a row for each."""
        keys = [hashlib.blake2b(picture.tobytes(), digest_size=16).digest() for picture in pictures]
        new = [place for place, key in enumerate(keys) if key not in self._said]
        for first in range(0, len(new), self.batch_size):
            self._look(pictures, new[first : first + self.batch_size], keys)
        return np.stack([self._said[key][reader] for key in keys])

    def _look(self, pictures: np.ndarray, places: Sequence[int], keys: Sequence[bytes]) -> None:
        shown = torch.from_numpy(pictures[list(places)]).to(choose_device())

        @torch.inference_mode()
        def look(lane: slice) -> None:
            features = self.see(shown[lane])
            said = {name: reader(features) for name, reader in self.readers.items()}
            for row, place in enumerate(places[lane]):
                self._said[keys[place]] = {name: answers[row] for name, answers in said.items()}

        run_lanes(look, plan_lanes(len(shown), self.batch_size, shown.device))


class VisionLanguageModel:
    """An adapter in its base model, or the base model without one; epochs by themselves.

    Parameters
    ----------
    name : str
    engine : Engine
        Its sequence step is not applied here.
    training_s : float or None
        Seconds that its training took, where somebody wrote them down.
    """

    def __init__(self, name: str, engine: Engine, training_s: float | None = None) -> None:
        self.name, self.engine, self.training_s = name, engine, training_s
        self.shares: np.ndarray | None = None
        self.n_parameters = sum(one.numel() for one in engine.looker.parameters())
        self.glance: Glance | None = None

    def fit(self, training: Sequence[LabelledNight], validation: Sequence[LabelledNight]) -> None:
        """Nothing: it is trained already, or not at all."""

    def stage(self, shown: Shown) -> np.ndarray:
        """Probabilities, and what else the adapter's night-level step reads, shape (n_epochs, 5 + n_hidden)."""
        pictures = self.engine.lay(draw(shown, self.engine.style))
        if self.glance:
            return self.glance.read(pictures, self.name)
        return self.engine.look(pictures, self.engine.card.resolved.score.batch_size)

    def read(self, features: torch.Tensor) -> np.ndarray:
        """The same from vision features, for a `Glance`."""
        logits, hidden = self.engine.looker.read(features)
        n_hidden = self.engine.sequence.n_hidden if self.engine.sequence else 0
        return torch.cat([logits.double().softmax(-1), hidden[:, :n_hidden].double()], dim=1).cpu().numpy()


def load_zero_shot(settings: Settings, style: Style) -> VisionLanguageModel:
    """The base model asked as it is."""
    looker = prepare_looker(settings, style).to(choose_device()).eval().requires_grad_(False)
    card = make_card(settings, style, dataset={})
    return VisionLanguageModel("zero-shot", Engine(card, style, None, looker))


class VisionHead:
    """Logistic regression on the frozen vision features of the base model: the encoder without its language.

    Derivations are hidden in as many training pictures as the adapter's, which are drawn at gains as far apart.
    Pooling, strength of the penalty and class weighting are chosen on validation nights.

    Parameters
    ----------
    looker : Looker
        The base model; only its vision side is asked.
    style : Style
    hide_share : float
    gain_range : float
    seed : int
    """

    name = "vision head"

    def __init__(self, looker: Looker, style: Style, hide_share: float, gain_range: float = 1.0, seed: int = 7) -> None:
        self.looker, self.style, self.hide_share, self.seed = looker, style, hide_share, seed
        self.gain_range = gain_range
        self.shares: np.ndarray | None = None
        self.chosen: dict[str, Any] = {}
        self.n_parameters: int | None = None
        self.glance: Glance | None = None
        self._model: Pipeline | None = None

    def fit(self, training: Sequence[LabelledNight], validation: Sequence[LabelledNight]) -> None:
        """Look at every training picture once, then try every candidate."""
        rng = np.random.default_rng(self.seed)
        rows, codes, _ = gather(training, lambda shown: self._look(self._hide(self._draw_varied(shown, rng), rng)))
        seen, truth, _ = gather(validation, lambda shown: self._look(draw(shown, self.style)))
        self.chosen, self._model = take_best(_try_all(rows, codes, seen, truth))
        _, self.shares = weigh_stages(codes, self.chosen["class_weighting"])
        head = self._model[-1]
        n_eyes = sum(one.numel() for one in self._vision_parameters())
        self.n_parameters = n_eyes + head.coef_.size + head.intercept_.size

    def stage(self, shown: Shown) -> np.ndarray:
        """Probabilities, shape (n_epochs, 5)."""
        pictures = draw(shown, self.style)
        return self.glance.read(pictures, self.name) if self.glance else self._name(self._look(pictures))

    def read(self, features: torch.Tensor) -> np.ndarray:
        """The same from vision features, for a `Glance`."""
        return self._name(_pool(features))

    def _name(self, pooled: np.ndarray) -> np.ndarray:
        assert self._model is not None
        columns = _columns(pooled.shape[1], self.chosen["pool"])
        return fill_stages(self._model.predict_proba(pooled[:, columns]), self._model.classes_)

    def _look(self, pictures: np.ndarray) -> np.ndarray:
        device = next(self.looker.parameters()).device
        lanes = plan_lanes(len(pictures), _BATCH, device)

        @torch.inference_mode()
        def look(lane: slice) -> np.ndarray:
            batches = torch.from_numpy(pictures[lane]).split(_BATCH // len(lanes))
            return np.concatenate([_pool(self.looker.see(batch.to(device))) for batch in batches])

        return np.concatenate(run_lanes(look, lanes))

    def _draw_varied(self, shown: Shown, rng: np.random.Generator) -> np.ndarray:
        epochs = shown.prepare(self.style.prepare)
        gains = draw_gains(len(epochs), self.gain_range, rng)[:, None, None]
        return render_epochs(replace(epochs, signals_uv=epochs.signals_uv * gains), self.style)

    def _hide(self, pictures: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        hidden = choose_hidden(len(pictures), self.hide_share, rng, self.style.derivations)
        pairs = zip(pictures, hidden, strict=True)
        return np.stack([hide_derivations(one, which, self.style) if which.any() else one for one, which in pairs])

    def _vision_parameters(self) -> Iterator[torch.nn.Parameter]:
        family = self.looker.family
        return family.model.get_submodule(family.vision_path).parameters()


def draw(shown: Shown, style: Style) -> np.ndarray:
    """Pictures of a night, uint8, shape (n_epochs, height_px, width_px), drawn once for all that ask."""
    return shown.keep(("pictures", style.hash), lambda: render_epochs(shown.prepare(style.prepare), style))


def _try_all(rows: np.ndarray, codes: np.ndarray, seen: np.ndarray, truth: np.ndarray) -> Iterator[Any]:
    """Yield (kappa, (settings, model)) of each candidate."""
    for pool in POOLS:
        columns = _columns(rows.shape[1], pool)
        for strength in STRENGTHS:
            for weighting in ("none", "sqrt"):
                weights, _ = weigh_stages(codes, weighting)
                model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=300, tol=1e-3))
                model.fit(rows[:, columns], codes, logisticregression__sample_weight=weights[codes])
                kappa = measure_kappa(truth, fill_stages(model.predict_proba(seen[:, columns]), model.classes_))
                yield kappa, ({"pool": pool, "strength": strength, "class_weighting": weighting}, model)


def _pool(features: torch.Tensor) -> np.ndarray:
    """Means over stretches of tokens, one pool after the other, shape (n, sum(POOLS) * n_levels * n_hidden)."""
    parts = [
        stretch.mean(dim=2).flatten(1)
        for pool in POOLS
        for stretch in torch.tensor_split(features.float(), pool, dim=2)
    ]
    return torch.cat(parts, dim=1).cpu().numpy()


def _columns(n_columns: int, pool: int) -> slice:
    """Where the features of a pool stand among those of all."""
    one = n_columns // sum(POOLS)
    before = sum(POOLS[: POOLS.index(pool)])
    return slice(before * one, (before + pool) * one)

"""Gradient boosting on spectral features: the strongest of the classical stagers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

import numpy as np
from lightgbm import Booster, Dataset, train

from somnolens.dataset.gains import draw_gains
from somnolens.evaluate.peers.spectra import measure_features
from somnolens.evaluate.peers.tuning import HIDE_SHARE, fill_stages, gather, measure_kappa, take_best
from somnolens.evaluate.systems import LabelledNight, Shown
from somnolens.train.rows import choose_hidden, weigh_stages

CANDIDATES: Final[tuple[Mapping[str, Any], ...]] = tuple(
    {"num_leaves": leaves, "class_weighting": weighting, "feature_fraction": share}
    for leaves, weighting, share in ((15, "none", 0.3), (15, "sqrt", 0.1), (7, "sqrt", 0.3))
)

PARAMETERS: Final[Mapping[str, Any]] = {
    "objective": "multiclass",
    "learning_rate": 0.08,
    "max_bin": 63,
    "min_data_in_leaf": 10,
    "lambda_l2": 1.0,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
_TRIED_EVERY: Final = 5
"""Rounds between two numbers of trees that are held against each other."""


class Boosting:
    """LightGBM; settings and number of trees chosen on validation nights.

    Source: G. Ke et al., "LightGBM: a highly efficient gradient boosting decision tree", NeurIPS 2017.

    Features have the neighbouring epochs and the minutes around in them, so it has a context of its own. A missing
    derivation is not a number to it, which its trees split on.

    Parameters
    ----------
    n_rounds : int
        Most trees for each stage.
    gain_range : float
        As `train.gain_range` of the adapter. Epochs of a night are compared here, so that a gain is one of a whole
        night, which is learnt from twice: as recorded, and at its gain.
    seed : int
    """

    name = "boosting"

    def __init__(self, n_rounds: int = 300, gain_range: float = 1.0, seed: int = 7) -> None:
        self.n_rounds, self.gain_range, self.seed = n_rounds, gain_range, seed
        self.shares: np.ndarray | None = None
        self.chosen: dict[str, Any] = {}
        self.n_parameters: int | None = None
        self._model: Booster | None = None
        self._stages = np.empty(0, dtype=int)

    def fit(self, training: Sequence[LabelledNight], validation: Sequence[LabelledNight]) -> None:
        """Try every candidate with early stopping, and keep the best."""
        rows, codes = self._gather_hidden(training)
        validation_rows, validation_codes, _ = gather(validation, _measure)
        tried = self._try_all(rows, codes, validation_rows, validation_codes)
        self.chosen, n_rounds, self._model = take_best(tried)
        self.chosen = dict(self.chosen) | {"rounds": n_rounds}
        trees = self._model.dump_model(num_iteration=n_rounds)["tree_info"]
        self.n_parameters = sum(tree["num_leaves"] for tree in trees)
        _, self.shares = weigh_stages(codes, self.chosen["class_weighting"])

    def stage(self, shown: Shown) -> np.ndarray:
        """Probabilities, shape (n_epochs, 5)."""
        assert self._model is not None
        return self._predict(self._model, _measure(shown), self.chosen["rounds"])

    def _predict(self, model: Booster, rows: np.ndarray, n_rounds: int) -> np.ndarray:
        return fill_stages(model.predict(rows, num_iteration=n_rounds), self._stages)

    def _gather_hidden(self, nights: Sequence[LabelledNight]) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(self.seed)

        def measure(shown: Shown, most: float) -> np.ndarray:
            epochs = shown.prepare()
            epochs = replace(epochs, signals_uv=epochs.signals_uv * draw_gains(1, most, rng))
            hidden = choose_hidden(len(epochs), HIDE_SHARE, rng, epochs.derivations)
            return measure_features(epochs).hide(hidden)

        ranges = (1.0, self.gain_range) if self.gain_range > 1 else (1.0,)
        learnt = [gather(nights, partial(measure, most=most))[:2] for most in ranges]
        return np.concatenate([rows for rows, _ in learnt]), np.concatenate([codes for _, codes in learnt])

    def _try_all(self, rows: np.ndarray, codes: np.ndarray, seen: np.ndarray, truth: np.ndarray) -> Iterator[Any]:
        """Yield (kappa, (settings, rounds, model)) of each candidate at its best number of rounds."""
        self._stages, places = np.unique(codes, return_inverse=True)
        for settings in CANDIDATES:
            weights, _ = weigh_stages(codes, settings["class_weighting"])
            own = {name: settings[name] for name in ("num_leaves", "feature_fraction")}
            parameters = PARAMETERS | own | {"num_class": len(self._stages), "seed": self.seed}
            data = Dataset(rows, places, weight=weights[codes], params=parameters)
            model = train(parameters, data, num_boost_round=self.n_rounds)
            asked = range(min(_TRIED_EVERY, self.n_rounds), self.n_rounds + 1, _TRIED_EVERY)
            kappas = {n: measure_kappa(truth, self._predict(model, seen, n)) for n in asked}
            best = max(kappas, key=lambda n: kappas[n])
            yield kappas[best], (settings, best, model)


def _measure(shown: Shown) -> np.ndarray:
    return measure_features(shown.prepare()).values

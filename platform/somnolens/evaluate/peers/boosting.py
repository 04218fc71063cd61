"""Gradient boosting on spectral features: the strongest of the classical stagers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from somnolens.evaluate.peers.spectra import measure_features
from somnolens.evaluate.peers.tuning import HIDE_SHARE, fill_stages, gather, measure_kappa, take_best
from somnolens.evaluate.systems import LabelledNight, Shown
from somnolens.train.rows import choose_hidden, weigh_stages

CANDIDATES: Final[tuple[Mapping[str, Any], ...]] = tuple(
    {"max_leaf_nodes": leaves, "class_weighting": weighting, "max_features": share}
    for leaves, weighting, share in ((15, "none", 0.3), (15, "sqrt", 0.1), (7, "sqrt", 0.3))
)

N_BINS: Final = 63
"""Histograms of 750 features in 255 bins take 5 MB a node, and most of the time."""


class Boosting:
    """Histogram gradient boosting of scikit-learn; settings and number of trees chosen on validation nights.

    Features have the neighbouring epochs and the minutes around in them, so it has a context of its own. A missing
    derivation is not a number to it, which its trees split on.

    Parameters
    ----------
    n_rounds : int
        Most trees for each stage.
    seed : int
    """

    name = "boosting"

    def __init__(self, n_rounds: int = 80, seed: int = 7) -> None:
        self.n_rounds, self.seed = n_rounds, seed
        self.shares: np.ndarray | None = None
        self.chosen: dict[str, Any] = {}
        self.n_parameters: int | None = None
        self._model: HistGradientBoostingClassifier | None = None

    def fit(self, training: Sequence[LabelledNight], validation: Sequence[LabelledNight]) -> None:
        """Try every candidate with early stopping, and keep the best."""
        rows, codes = self._gather_hidden(training)
        validation_rows, validation_codes, _ = gather(validation, _measure)
        tried = self._try_all(rows, codes, validation_rows, validation_codes)
        self.chosen, n_rounds, self._model = take_best(tried)
        self.chosen = dict(self.chosen) | {"rounds": n_rounds}
        _cut(self._model, n_rounds)
        self.n_parameters = sum(int(tree.nodes["is_leaf"].sum()) for one in self._model._predictors for tree in one)
        _, self.shares = weigh_stages(codes, self.chosen["class_weighting"])

    def stage(self, shown: Shown) -> np.ndarray:
        """Probabilities, shape (n_epochs, 5)."""
        assert self._model is not None
        return fill_stages(self._model.predict_proba(_measure(shown)), self._model.classes_)

    def _gather_hidden(self, nights: Sequence[LabelledNight]) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(self.seed)

        def measure(shown: Shown) -> np.ndarray:
            epochs = shown.prepare()
            hidden = choose_hidden(len(epochs), HIDE_SHARE, rng, epochs.derivations)
            return measure_features(epochs).hide(hidden)

        return gather(nights, measure)[:2]

    def _try_all(self, rows: np.ndarray, codes: np.ndarray, seen: np.ndarray, truth: np.ndarray) -> Iterator[Any]:
        """Yield (kappa, (settings, rounds, model)) of each candidate at its best number of rounds."""
        for settings in CANDIDATES:
            weights, _ = weigh_stages(codes, settings["class_weighting"])
            model = HistGradientBoostingClassifier(
                learning_rate=0.08,
                max_iter=self.n_rounds,
                max_leaf_nodes=settings["max_leaf_nodes"],
                max_features=settings["max_features"],
                max_bins=N_BINS,
                l2_regularization=1.0,
                min_samples_leaf=10,
                early_stopping=False,
                random_state=self.seed,
            ).fit(rows, codes, sample_weight=weights[codes])
            kappas = [
                measure_kappa(truth, fill_stages(one, model.classes_)) for one in model.staged_predict_proba(seen)
            ]
            best = int(np.argmax(kappas))
            yield kappas[best], (settings, best + 1, model)


def _measure(shown: Shown) -> np.ndarray:
    return measure_features(shown.prepare()).values


def _cut(model: HistGradientBoostingClassifier, n_rounds: int) -> None:
    """Forget the trees after a round: scikit-learn has no setting for it."""
    del model._predictors[n_rounds:]

"""Which map to believe, by numbers.

Deletion and insertion (V. Petsiuk et al., BMVC 2018): cells of derivation and second are replaced by the neutral
signal in the order of a map's heat, or put back in that order into an epoch that is all neutral; the probability of
the stage is followed. A map that knows what matters makes the first curve fall and the second rise at once. All maps
are pooled into the same cells and judged by the same replacement, which is that of the method 'signal': it has the
advantage of being judged by what it measured. A random order is the bar for all.

The sanity check (J. Adebayo et al., NeurIPS 2018): a map that looks the same when the weights of the model are
shuffled shows the picture, not the model.
"""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy import stats

from somnolens.aasm import STAGES
from somnolens.epochs import Epochs
from somnolens.explain.heat import HeatMap, lay_cells
from somnolens.explain.intervals import Interval, divide_sums
from somnolens.explain.maps import MORE_METHODS, draw_heat
from somnolens.explain.neutral import measure_background
from somnolens.explain.occlusion import draw_neutral, draw_variants, replace_cells
from somnolens.model.base import Looker
from somnolens.render.style import Style
from somnolens.render.windows import replace_middle
from somnolens.score.engine import Engine

RANDOM = "random order"
N_STEPS = 12


@dataclass(frozen=True)
class Case:
    """One epoch that maps are drawn of: the subject, all epochs of the night, and which one."""

    subject: str
    epochs: Epochs
    epoch: int


@dataclass(frozen=True, eq=False)
class Curves:
    """Probability of the stage as cells go or come, shape (n_steps + 1,) each."""

    deletion: np.ndarray
    insertion: np.ndarray

    @property
    def areas(self) -> tuple[float, float]:
        """Under each curve, the share of cells running from 0 to 1."""
        return tuple(float(np.trapezoid(curve, dx=1 / (len(curve) - 1))) for curve in (self.deletion, self.insertion))


@dataclass(frozen=True, eq=False)
class MethodFigures:
    """How far one method can be believed.

    Parameters
    ----------
    deletion, insertion, gap : Interval
        Areas, and insertion less deletion: the larger, the better.
    resemblance : Interval or None
        Rank correlation of maps of the model and of the model with shuffled weights; near 0 is right.
    curves : Curves
        Mean over the cases.
    """

    method: str
    deletion: Interval
    insertion: Interval
    gap: Interval
    resemblance: Interval | None
    curves: Curves

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "method": self.method,
            "deletion": self.deletion.to_list(),
            "insertion": self.insertion.to_list(),
            "gap": self.gap.to_list(),
            "resemblance": self.resemblance.to_list() if self.resemblance else None,
            "deletion_curve": self.curves.deletion.round(4).tolist(),
            "insertion_curve": self.curves.insertion.round(4).tolist(),
        }


def measure_faithfulness(
    cases: Sequence[Case],
    engine: Engine,
    methods: Iterable[str] = MORE_METHODS,
    n_steps: int = N_STEPS,
    seed: int = 7,
    report: Callable[[int], None] = lambda done: None,
) -> list[MethodFigures]:
    """Figures of each method over epochs, the most believable first.

    Parameters
    ----------
    cases : sequence of Case
        Intervals are over their subjects.
    engine : Engine
    methods : iterable of str
        Of `maps.MORE_METHODS`; a random order is added.
    n_steps : int
        Of each curve.
    seed : int
    report : callable
        Gets the number of cases done.
    """
    shuffled = replace(engine, looker=shuffle_weights(engine.looker, seed))
    methods = tuple(methods)
    curves: dict[str, list[Curves]] = {method: [] for method in (*methods, RANDOM)}
    alike: dict[str, list[float]] = {method: [] for method in methods}
    for done, case in enumerate(cases, start=1):
        heats = {method: draw_heat(method, case.epochs, case.epoch, engine) for method in methods}
        orders = {method: pool_cells(heat, engine.style) for method, heat in heats.items()}
        stage = next(iter(heats.values())).stage
        for method in methods:
            other = draw_heat(method, case.epochs, case.epoch, shuffled, stage)
            alike[method].append(compare_ranks(orders[method], pool_cells(other, engine.style)))
        shape = next(iter(orders.values())).shape
        orders[RANDOM] = np.random.default_rng([seed, done]).random(shape)
        for method, order in orders.items():
            curves[method].append(follow_curves(order, case, engine, stage, seed, n_steps))
        report(done)
    subjects = [case.subject for case in cases]
    figures = [_sum_up(method, curves[method], alike.get(method), subjects) for method in curves]
    return sorted(figures, key=lambda one: -one.gap.value)


def pool_cells(heat: HeatMap, style: Style) -> np.ndarray:
    """Mean heat of each cell of derivation and second."""
    return heat.pool(*lay_cells(style), style.shape_px)


def compare_ranks(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation; 0 where one of them is constant."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(stats.spearmanr(one.ravel(), other.ravel()).statistic)


def follow_curves(
    order: np.ndarray, case: Case, engine: Engine, stage: str, seed: int, n_steps: int = N_STEPS
) -> Curves:
    """Deletion and insertion of cells, hottest first.

    Parameters
    ----------
    order : ndarray, shape (n_derivations, n_columns)
        Heat of each cell.
    """
    epochs, epoch = case.epochs, case.epoch
    there = np.repeat(epochs.drawn[epoch][:, None], order.shape[1], axis=1)
    ranked = np.flatnonzero(there)[np.argsort(-order[there], kind="stable")]
    gone = np.zeros((n_steps + 1, order.size), dtype=bool)
    for step, n_cells in enumerate(np.round(np.linspace(0, len(ranked), n_steps + 1)).astype(int)):
        gone[step, ranked[:n_cells]] = True
    masks = np.concatenate([gone, ~gone & there.ravel()]).reshape(-1, *order.shape)
    neutral_uv = draw_neutral(epochs, epoch, measure_background(epochs), seed)
    pictures = draw_variants(epochs, epoch, replace_cells(epochs, epoch, neutral_uv, masks), engine.style)
    shown = replace_middle(engine.draw(epochs, epoch, epoch + 1)[0], pictures)
    probabilities = engine.score_pictures(shown, 32)[:, STAGES.index(stage)]
    return Curves(probabilities[: n_steps + 1], probabilities[n_steps + 1 :])


def shuffle_weights(looker: Looker, seed: int) -> Looker:
    """A copy of a model whose every weight tensor is shuffled: as many numbers, as large, and nothing learnt."""
    shuffled = deepcopy(looker)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in shuffled.parameters():
            order = torch.randperm(weights.numel(), generator=generator)
            weights.copy_(weights.flatten()[order.to(weights.device)].view_as(weights))
    return shuffled


def _sum_up(method: str, curves: list[Curves], alike: list[float] | None, subjects: list[str]) -> MethodFigures:
    deletion, insertion = np.array([one.areas for one in curves]).T
    mean = Curves(*(np.mean([getattr(one, name) for one in curves], axis=0) for name in ("deletion", "insertion")))
    return MethodFigures(
        method,
        average_subjects(deletion, subjects),
        average_subjects(insertion, subjects),
        average_subjects(insertion - deletion, subjects),
        average_subjects(np.array(alike), subjects) if alike else None,
        mean,
    )


def average_subjects(values: np.ndarray, subjects: Sequence[str]) -> Interval:
    """Mean of the values, with the interval over resampled subjects."""
    names, places = np.unique(subjects, return_inverse=True)
    return divide_sums(np.bincount(places, values, len(names)), np.bincount(places, minlength=len(names)))

"""The rows a model learns from: pictures or cached vision features, with stage codes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from somnolens.aasm import RECOMMENDED_DERIVATIONS, STAGES
from somnolens.dataset.images import read_labelled
from somnolens.dataset.manifest import Dataset
from somnolens.errors import DatasetError
from somnolens.render.missing import hide_derivations
from somnolens.render.png import decode_png, encode_png
from somnolens.render.style import Style
from somnolens.render.windows import draw_nothing


@dataclass(frozen=True, eq=False)
class Rows:
    """Scored epochs of one split.

    Parameters
    ----------
    codes : ndarray of int, shape (n_rows,)
        Index into `aasm.STAGES`.
    images : sequence of bytes
        PNG of each row, or what `windows` points to; read and decoded when a batch is made.
    features : ndarray of float16, shape (n_images, ...), or None
        Vision features in place of the pictures, memory-mapped.
    soft_labels : ndarray, shape (n_rows, 5), or None
        Share of the scorers for each stage; None where each row has one stage.
    hide : callable or None
        Given a picture and its place, takes derivations off it; see `hide_at_random`.
    windows : ndarray of int, shape (n_rows, n_pictures), or None
        Places among the images of what the model is shown of each row; None where that is its own picture alone.
    """

    codes: np.ndarray
    images: Sequence[bytes]
    features: np.ndarray | None = None
    hide: Callable[[np.ndarray, int], np.ndarray] | None = None
    soft_labels: np.ndarray | None = None
    windows: np.ndarray | None = None

    @property
    def labels(self) -> np.ndarray:
        """Soft labels, or the stages as such, float32, shape (n_rows, 5)."""
        if self.soft_labels is not None:
            return self.soft_labels.astype(np.float32, copy=False)
        return np.eye(len(STAGES), dtype=np.float32)[self.codes]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, places: np.ndarray) -> torch.Tensor:
        """What the model is shown of these rows: features where there are any, else uint8 pictures."""
        shown = places if self.windows is None else self.windows[places]
        if self.features is not None:
            return torch.from_numpy(self.features[shown]).float()
        drawn = self.draw(shown.ravel())
        return drawn if self.windows is None else drawn.unflatten(0, shown.shape)

    def draw(self, places: np.ndarray) -> torch.Tensor:
        """Pictures among the images, uint8, shape (n, height_px, width_px)."""
        return torch.from_numpy(np.stack([self._draw(place) for place in places]))

    def _draw(self, place: int) -> np.ndarray:
        picture = decode_png(self.images[place])
        return picture if self.hide is None else self.hide(picture, place)

    def pick(self, places: np.ndarray) -> "Rows":
        """A part of the rows, every picture whole."""
        shown, windows = places, None
        if self.windows is not None:
            shown, ranks = np.unique(self.windows[places], return_inverse=True)
            windows = ranks.reshape(len(places), -1)
        features = None if self.features is None else self.features[shown]
        labels = None if self.soft_labels is None else self.soft_labels[places]
        return Rows(self.codes[places], _Chosen(self.images, shown), features, soft_labels=labels, windows=windows)


@dataclass(frozen=True, eq=False)
class _Chosen(Sequence[bytes]):
    """Some of the pictures, which stay where they are."""

    images: Sequence[bytes]
    places: np.ndarray

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, place: int) -> bytes:
        return self.images[self.places[place]]


@dataclass(frozen=True, eq=False)
class _AndNothing(Sequence[bytes]):
    """Pictures, and behind them the one of an epoch that nobody recorded."""

    images: Sequence[bytes]
    nothing: bytes

    def __len__(self) -> int:
        return len(self.images) + 1

    def __getitem__(self, place: int) -> bytes:
        return self.nothing if place == len(self.images) else self.images[place]


def load_rows(dataset: Dataset, split: str, n_pictures: int = 1) -> Rows:
    """The scored epochs of a split, night by night in order; pictures are read when they are asked for.

    Parameters
    ----------
    dataset : Dataset
    split : str
    n_pictures : int
        Pictures the model is shown of each row, as `model.n_pictures`.

    Raises
    ------
    DatasetError
        Where the split holds none.
    """
    labelled = read_labelled(dataset, split, n_pictures)
    if not len(labelled.codes):
        raise DatasetError(
            f"The {split} split of {dataset.folder} holds no scored epoch. Add nights with scorings, or change "
            f"dataset.{split}_share."
            if split != "train"
            else f"{dataset.folder} holds no scored epoch to learn from."
        )
    if labelled.windows is None:
        return Rows(labelled.codes, labelled.images, soft_labels=labelled.soft_labels)
    images = _AndNothing(labelled.images, encode_png(draw_nothing(dataset.style), dataset.style.palette))
    windows = np.where(labelled.windows < 0, len(labelled.images), labelled.windows)
    return Rows(labelled.codes, images, soft_labels=labelled.soft_labels, windows=windows)


def hide_at_random(n_rows: int, share: float, seed: int, style: Style) -> Callable[[np.ndarray, int], np.ndarray]:
    """Choose rows whose pictures lose some derivations, so that an adapter learns to get on without them.

    Each derivation of a chosen row is hidden with a probability of one half, but never the last EEG. A row
    is shown alike in every pass, so that its vision features can be cached.
    """
    hidden = choose_hidden(n_rows, share, np.random.default_rng([seed, n_rows]), style.derivations)

    def hide(picture: np.ndarray, place: int) -> np.ndarray:
        return hide_derivations(picture, hidden[place], style) if hidden[place].any() else picture

    return hide


def choose_hidden(n_rows: int, share: float, rng: np.random.Generator, derivations: Sequence[str]) -> np.ndarray:
    """Derivations to hide by the rule of `hide_at_random`, bool, shape (n_rows, n_derivations)."""
    hidden = (rng.random((n_rows, 1)) < share) & (rng.random((n_rows, len(derivations))) < 0.5)
    eeg = np.array([RECOMMENDED_DERIVATIONS[name] == "EEG" for name in derivations])
    blind = hidden[:, eeg].all(axis=1)
    hidden[blind, rng.choice(np.flatnonzero(eeg), n_rows)[blind]] = False
    return hidden


def spread_evenly(n_rows: int, at_most: int) -> np.ndarray:
    """Places of at most `at_most` rows, evenly spaced."""
    return np.unique(np.linspace(0, n_rows - 1, min(n_rows, at_most)).round().astype(int))


def plan_batches(
    n_rows: int, batch_size: int, seed: int, n_pass: int, balance: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Places of the rows of each optimiser step of a pass; the order set by seed and pass alone.

    Every row once, or with `balance` every stage as often as the others. The last batch of a pass is filled up from
    the start of its order, so that every step is as long.

    Parameters
    ----------
    n_rows, batch_size, seed, n_pass : int
    balance : ndarray of int, shape (n_rows,), or None
        Stage codes of the rows; see `draw_evenly`.
    """
    if balance is None:
        order = np.random.default_rng([seed, n_pass]).permutation(n_rows)
    else:
        order = draw_evenly(balance, seed, n_pass)
    for first in range(0, n_rows, batch_size):
        yield np.take(order, np.arange(first, first + batch_size), mode="wrap")


def draw_evenly(codes: np.ndarray, seed: int, n_pass: int) -> np.ndarray:
    """Places of a pass in which each stage that occurs is shown as often, shape (n_rows,).

    Each stage goes through its rows in orders of its own, one after another without end, and a pass takes up where
    the last one stopped: rows of a rare stage come several times, and of a common stage no row is left out for ever.

    Examples
    --------
    >>> codes = np.array([0] * 9 + [1] * 3)
    >>> np.bincount(codes[draw_evenly(codes, seed=7, n_pass=0)]).tolist()
    [6, 6]
    """
    stages = np.unique(codes)
    shares = np.diff(np.linspace(0, len(codes), len(stages) + 1).round().astype(int))
    drawn = [_go_round(np.flatnonzero(codes == s), n, [seed, s], n_pass) for s, n in zip(stages, shares, strict=True)]
    return np.random.default_rng([seed, n_pass]).permutation(np.concatenate(drawn))


def _go_round(places: np.ndarray, n: int, seed: list[int], n_pass: int) -> np.ndarray:
    """The n places of this pass, of an endless row of shuffles."""
    first = n * n_pass
    rounds = range(first // len(places), (first + n - 1) // len(places) + 1)
    shuffled = np.concatenate([np.random.default_rng([*seed, one]).permutation(places) for one in rounds])
    return shuffled[first - rounds[0] * len(places) :][:n]


def weigh_stages(codes: np.ndarray, weighting: str, sampling: str = "each") -> tuple[np.ndarray, np.ndarray]:
    """Loss weight of each stage, and the share of each stage as so sampled and weighted.

    Parameters
    ----------
    codes : ndarray of int
    sampling : {'each', 'balanced'}
        Balanced, all stages that occur are equally frequent, and there is nothing left to weigh.
    weighting : {'none', 'sqrt', 'balanced'}
        Weight is the inverse of the stage's frequency to the power 0, 1/2 or 1, of mean 1 over the rows.

    Returns
    -------
    weights, shares : ndarray, shape (5,)
    """
    counts = np.bincount(codes, minlength=len(STAGES)).astype(float)
    if sampling == "balanced":
        counts = (counts > 0) * (len(codes) / (counts > 0).sum())
    power = {"none": 0.0, "sqrt": 0.5, "balanced": 1.0}[weighting]
    weights = np.maximum(counts, 1.0) ** -power
    weights /= (weights * counts).sum() / counts.sum()
    shares = np.maximum(weights * counts, 1e-3 * counts.sum())
    return weights, shares / shares.sum()

"""Questions about a night that is done, each answered by one function that knows neither HTTP nor Ray."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final, Self

import numpy as np

from somnolens.aasm import EPOCH_S, STAGES
from somnolens.errors import MissingDerivationError
from somnolens.evaluate.totals import measure_totals
from somnolens.explain.night import EpochEvidence
from somnolens.explain.occlusion import UNIT, occlude_signal
from somnolens.hypnogram import Hypnogram
from somnolens.render.pictures import render_epochs
from somnolens.render.png import encode_png
from somnolens.render.style import Style
from somnolens.report.spectrogram import Spectrogram, measure_spectrogram
from somnolens.report.statistics import Statistic, list_statistics
from somnolens.score.reader import N_STAGES, NightReader
from somnolens.score.review import Review, list_reviews
from somnolens.serve.messages.answers import Told
from somnolens.serve.messages.problems import RequestError
from somnolens.serve.nights.kept import KeptNight

MOST_COLUMNS: Final = 600
MOST_ROWS: Final = 60
"""Of a spectrogram that a page draws."""


class UnknownEpochError(RequestError):
    """The night has no such epoch."""

    status = HTTPStatus.NOT_FOUND


@dataclass(frozen=True, eq=False)
class Asked:
    """What a question is answered from.

    Parameters
    ----------
    kept : KeptNight
    corrections : dict
        `{"scorer": ..., "stages": {epoch: stage}}`; no stages where nothing was corrected.
    reader : NightReader
        Of the adapter that staged the night.
    look : callable
        Pictures to what `Engine.look` gives of them; blocks.
    wanted : dict
        Parameters of the request.
    """

    kept: KeptNight
    corrections: Mapping[str, Any]
    reader: NightReader
    look: Callable[[np.ndarray], np.ndarray]
    wanted: Mapping[str, Any]

    @property
    def epoch(self) -> int:
        """The epoch that is asked about.

        Raises
        ------
        UnknownEpochError
        """
        epoch, n_epochs = self.wanted["epoch"], len(self.kept.scored.hypnogram)
        if not 0 <= epoch < n_epochs:
            raise UnknownEpochError(f"There is no epoch {epoch}: the night has epochs 0 to {n_epochs - 1}. Name one.")
        return epoch

    @property
    def hypnogram(self) -> Hypnogram:
        """Stages that count: corrected ones in the place of the model's, unless the request wants the model's.

        The probabilities stay the model's.
        """
        own, corrected = self.kept.scored.hypnogram, self.corrections["stages"]
        if not corrected or not self.wanted.get("corrected", True):
            return own
        stages = list(own.stages)
        for epoch, stage in corrected.items():
            stages[int(epoch)] = stage
        return replace(own, stages=tuple(stages), scorer=self.corrections["scorer"])


class ThreadLook:
    """Lets one thread look at pictures through the event loop it was made in, until its block is left.

    A thread cannot be stopped: where whoever asked leaves, what it looks at is called off, and it ends there.

    Parameters
    ----------
    look : callable
        Pictures to what `Engine.look` gives of them; awaited.
    """

    def __init__(self, look: Callable[[np.ndarray], Awaitable[np.ndarray]]) -> None:
        self._look, self._loop = look, asyncio.get_running_loop()
        self._is_left, self._under_way = False, Future()

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        if self._is_left:
            raise CancelledError
        self._under_way = asyncio.run_coroutine_threadsafe(self._look(pictures), self._loop)
        if self._is_left:  # left between the two lines: each side writes before it asks, so that one sees the other
            self._under_way.cancel()
        return self._under_way.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._is_left = True
        self._under_way.cancel()


@dataclass(frozen=True, eq=False)
class RemoteEye:
    """Scores pictures for an explanation, where the model is elsewhere."""

    style: Style
    n_pictures: int
    look: Callable[[np.ndarray], np.ndarray]

    def score_pictures(self, pictures: np.ndarray, batch_size: int) -> np.ndarray:
        """Probabilities of each picture by itself, shape (n, 5); batches are made by the scorer."""
        return self.look(pictures)[:, :N_STAGES]


def draw_picture(asked: Asked) -> Told:
    """One epoch as the model saw it, PNG."""
    epoch, style = asked.epoch, asked.reader.style
    picture = render_epochs(asked.kept.signals, style, epoch, epoch + 1)[0]
    return Told(encode_png(picture, style.palette), "image/png")


def explain_epoch(asked: Asked) -> Told:
    """Why an epoch got its stage, or what there is for another one: heat, evidence, rules."""
    kept, epoch = asked.kept, asked.epoch
    stage = asked.wanted.get("stage") or kept.scored.hypnogram.stages[epoch]
    one = replace(kept.evidence.epochs[epoch], stage=stage)
    probabilities = kept.scored.hypnogram.probabilities[epoch]
    return Told.of_json(
        {
            "epoch": epoch,
            "stage": stage,
            "probabilities": dict(zip(STAGES, probabilities.round(5).tolist(), strict=True)),
            "cells": _measure_cells(asked, stage) if asked.wanted.get("heat", True) else None,
            **_list_evidence(one),
            "disagrees": bool(one.disagreement),
        }
    )


def _measure_cells(asked: Asked, stage: str) -> dict[str, Any]:
    kept, style = asked.kept, asked.reader.style
    eye = RemoteEye(style, asked.reader.n_pictures, asked.look)
    heat = occlude_signal(kept.signals, asked.epoch, eye, stage, background=kept.background)
    return {
        "derivations": list(style.derivations),
        "seconds": EPOCH_S,
        "values": heat.values.round(4).tolist(),
        "unit": UNIT,
    }


def _list_evidence(one: EpochEvidence) -> dict[str, Any]:
    about = [finding for finding in one.findings if finding.stage == one.stage]
    return {
        "evidence_for": [finding.text for finding in about if finding.speaks_for],
        "evidence_against": [finding.text for finding in about if not finding.speaks_for],
        "rules": [
            {"name": finding.rule, "stage": finding.stage, "verdict": finding.weight, "sentence": finding.text}
            for finding in one.findings
        ],
    }


def list_doubts(asked: Asked) -> Told:
    """The epochs that a person should look at, the most doubtful first."""
    kept, scored = asked.kept, asked.kept.scored
    probabilities = scored.hypnogram.probabilities
    reviews = list_reviews(
        probabilities, scored.quality, tuple(scored.derivations), kept.evidence.disagreements if kept.epochs else {}
    )
    stages = asked.hypnogram.stages
    return Told.of_json(
        {"epochs": [_describe_review(one, stages[one.epoch], probabilities[one.epoch]) for one in reviews]}
    )


def _describe_review(review: Review, stage: str, row: np.ndarray) -> dict[str, Any]:
    reasons = [f"{text[:1].upper()}{text[1:]}" for text in review.reason.rstrip(".").split("; ")]
    return {
        "index": review.epoch,
        "stage": stage,
        "confidence": round(float(row.max()), 5),
        "priority": review.priority,
        "reasons": [f"{text.rstrip('.')}." for text in reasons],
    }


def tell_statistics(asked: Asked) -> Told:
    """Statistics of the hypnogram that counts, beside what is usual of adults."""
    return Told.of_json([_describe_statistic(one) for one in list_statistics([measure_totals(asked.hypnogram)])])


def _describe_statistic(one: Statistic) -> dict[str, Any]:
    usual = one.usual if one.is_compared else None
    return {
        "name": one.name,
        "value": _number(one.values[0]),
        "unit": one.unit,
        "normal": [_number(usual.low), _number(usual.high)] if usual else None,
        "definition": one.definition,
        "source": usual.source if usual else None,
    }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 2)


def tell_spectrogram(asked: Asked) -> Told:
    """The spectrogram, thinned out to what a page can show.

    Raises
    ------
    MissingDerivationError
        Of a night without EEG.
    """
    epochs = asked.kept.signals
    found = measure_spectrogram(epochs)
    if found is None:
        raise MissingDerivationError("The night has no EEG, so that it has no spectrogram. Send one with C4-M1.")
    return Told.of_json(describe_spectrogram(found, epochs.start_s))


def describe_spectrogram(found: Spectrogram, start_s: float) -> dict[str, Any]:
    """Plain values: means of neighbouring epochs and frequencies, at most 600 of the first and 60 of the second.

    Examples
    --------
    >>> found = Spectrogram("C4-M1", np.arange(1, 151) / 5, np.ones((1201, 150)), (0.0, 1.0))
    >>> told = describe_spectrogram(found, 0.0)
    >>> len(told["times_s"]), told["times_s"][:2], len(told["frequencies_hz"]), told["frequencies_hz"][0]
    (401, [45.0, 135.0], 50, 0.4)
    """
    n_epochs, n_frequencies = found.power_db.shape
    wide, tall = -(-n_epochs // MOST_COLUMNS), -(-n_frequencies // MOST_ROWS)
    power_db = _mean_of_groups(_mean_of_groups(found.power_db, wide).T, tall).T
    middles_s = start_s + EPOCH_S * (np.arange(n_epochs) + 0.5)
    return {
        "derivation": found.derivation,
        "times_s": _mean_of_groups(middles_s, wide).round(1).tolist(),
        "frequencies_hz": _mean_of_groups(found.frequencies_hz, tall).round(3).tolist(),
        "power_db": power_db.round(1).tolist(),
        "limits_db": [round(limit, 1) for limit in found.limits_db],
    }


def _mean_of_groups(values: np.ndarray, size: int) -> np.ndarray:
    """Means of so many neighbours along the first axis, of fewer at its end."""
    edges = np.arange(0, len(values), size)
    counts = np.diff([*edges, len(values)])
    return np.add.reduceat(values, edges, axis=0) / counts.reshape(-1, *[1] * (values.ndim - 1))


ANSWERS: Final[dict[str, Callable[[Asked], Told]]] = {
    "picture": draw_picture,
    "explanation": explain_epoch,
    "review": list_doubts,
    "statistics": tell_statistics,
    "spectrogram": tell_spectrogram,
}

"""Systems held to the same nights: how well, how surely, at what cost.

Every system is fitted on the training nights, tuned on the validation nights and judged on the test nights of one
dataset. One that stages epochs by themselves is shown as it is and again with the night-level step that the adapter
has, fitted in the same way on its own validation probabilities: what a hidden Markov chain adds is nobody's merit.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import psutil

from somnolens.evaluate.agreement import N_STAGES
from somnolens.evaluate.evaluation import Evaluation, NightResult, name_stages
from somnolens.evaluate.systems import LabelledNight, Shown, System
from somnolens.score.sequence import SequenceStep, fit_sequence

STEP_SUFFIX: Final = " + night"
"""What tables add to the name of a system with the night-level step."""

_POLL_S: Final = 0.02

ReadNight = Callable[[np.ndarray], np.ndarray]
"""From the probabilities of each epoch by itself to those given the night, shape (n_epochs, 5) both."""


@dataclass(frozen=True, eq=False)
class Contestant:
    """A fitted system, with or without a night-level step.

    Parameters
    ----------
    name : str
    system : System
    read_night : callable or None
    """

    name: str
    system: System
    read_night: ReadNight | None = None

    def stage(self, shown: Shown) -> np.ndarray:
        """Probabilities, shape (n_epochs, 5)."""
        return self.finish(self.system.stage(shown))

    def finish(self, alone: np.ndarray) -> np.ndarray:
        """What is told, from what the system says of each epoch by itself."""
        return self.read_night(alone) if self.read_night else alone[:, :N_STAGES]


@dataclass(frozen=True)
class Cost:
    """What a system took.

    Parameters
    ----------
    training_s : float or None
        Tuning included; None where it was not trained here.
    scoring_s : float
        For one night of the test split, from the raw signal.
    memory_mb : float
        The most that the process held above what it held before, while the system was fitted and staged.
    n_parameters : int or None
        Of boosting, the leaves of its trees; None where nobody tells.
    """

    training_s: float | None
    scoring_s: float
    memory_mb: float
    n_parameters: int | None


@dataclass(frozen=True, eq=False)
class Standing:
    """What came of one contestant.

    Parameters
    ----------
    contestant : Contestant
    evaluation : Evaluation
        On the test nights.
    validation : Evaluation
    cost : Cost
    """

    contestant: Contestant
    evaluation: Evaluation
    validation: Evaluation
    cost: Cost

    @property
    def name(self) -> str:
        return self.contestant.name


@dataclass(frozen=True, eq=False)
class Entry:
    """A system as it enters.

    Parameters
    ----------
    system : System
    with_step : bool
        Whether it is shown with the night-level step too.
    read_night : callable or None
        A step of its own, which an adapter brings along; fitted here without.
    training_s : float or None
        For a system that comes trained, what its training took, where somebody wrote it down.
    """

    system: System
    with_step: bool = True
    read_night: ReadNight | None = None
    training_s: float | None = None


@dataclass(frozen=True, eq=False)
class Nights:
    """The nights of a comparison, by split."""

    training: Sequence[LabelledNight]
    validation: Sequence[LabelledNight]
    test: Sequence[LabelledNight]


@dataclass
class Memory:
    """The most resident memory of this process while it is watched, above what it held before, in megabytes."""

    most_mb: float = 0.0


def hold_contest(
    entries: Sequence[Entry], nights: Nights, report: Callable[[list[Standing]], None] = lambda standings: None
) -> list[Standing]:
    """Fit every system, and let it stage validation and test nights.

    Parameters
    ----------
    entries : sequence of Entry
    nights : Nights
    report : callable
        Hears how each system stands, as soon as it is done.

    Returns
    -------
    list of Standing
        In the order of the entries, each system with the step after itself.
    """
    standings = []
    for entry in entries:
        entered = enter(entry, nights)
        report(entered)
        standings += entered
    return standings


def enter(entry: Entry, nights: Nights) -> list[Standing]:
    """Fit one system and judge it, as it is and with the night-level step."""
    system = entry.system
    with watch_memory() as memory:
        started = time.perf_counter()
        system.fit(nights.training, nights.validation)
        trained = time.perf_counter()
        on_test = _stage_all(system, nights.test)
        scored = time.perf_counter()
        on_validation = _stage_all(system, nights.validation)
    fitted_s = None if system.shares is None else trained - started
    cost = Cost(
        training_s=entry.training_s if entry.training_s is not None else fitted_s,
        scoring_s=(scored - trained) / max(1, len(nights.test)),
        memory_mb=memory.most_mb,
        n_parameters=system.n_parameters,
    )
    contestants = [Contestant(system.name, system)]
    if entry.with_step:
        read_night = entry.read_night or fit_step(system, nights, on_validation).apply
        contestants.append(Contestant(system.name + STEP_SUFFIX, system, read_night))
    return [
        Standing(one, _judge(one, nights.test, on_test), _judge(one, nights.validation, on_validation), cost)
        for one in contestants
    ]


def fit_step(system: System, nights: Nights, on_validation: Sequence[np.ndarray]) -> SequenceStep:
    """The night-level step of a system: transitions of the training nights, its weight by the validation nights.

    A system that does not know how common the stages were where it learnt is taken to believe what it says on
    average.
    """
    shares = np.mean(np.concatenate(on_validation), axis=0) if system.shares is None else system.shares
    pairs = [(night.codes, said) for night, said in zip(nights.validation, on_validation, strict=True)]
    return fit_sequence([night.codes for night in nights.training], np.maximum(shares, 1e-3), pairs)


def choose_contestants(standings: Sequence[Standing]) -> list[Contestant]:
    """Each system once, as it did better on the validation nights: with the night-level step or without."""
    best: dict[int, Standing] = {}
    for standing in standings:
        rival = best.get(id(standing.contestant.system))
        if rival is None or standing.validation.pooled.kappa > rival.validation.pooled.kappa:
            best[id(standing.contestant.system)] = standing
    return [standing.contestant for standing in best.values()]


@contextmanager
def watch_memory() -> Iterator[Memory]:
    """Look at the memory of this process fifty times a second while the block runs."""
    process, memory = psutil.Process(), Memory()
    before = process.memory_info().rss

    ended = threading.Event()

    def look() -> None:
        while True:
            memory.most_mb = max(memory.most_mb, (process.memory_info().rss - before) / 1e6)
            if ended.is_set():
                return
            ended.wait(_POLL_S)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield memory
    finally:
        ended.set()
        watcher.join()


def _stage_all(system: System, nights: Sequence[LabelledNight]) -> list[np.ndarray]:
    return [system.stage(night.read()) for night in nights]


def _judge(contestant: Contestant, nights: Sequence[LabelledNight], said: Sequence[np.ndarray]) -> Evaluation:
    results = []
    for night, alone in zip(nights, said, strict=True):
        staged = name_stages(night.known, contestant.finish(alone), contestant.name)
        results.append(NightResult(night.known, staged, alone[:, :N_STAGES]))
    return Evaluation(results, contestant.name)

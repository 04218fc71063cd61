"""A system against the scorers of a dataset's split, night by night.

Every system is held to the same nights by the same types: an adapter, a peer, a corrupted night, a person. What
is known of a night whoever stages it is a `KnownNight`; with what one system said of it, it is a `NightResult`;
all nights of one system are an `Evaluation`. Intervals, slices, calibration and totals take an `Evaluation`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from somnolens.dataset.manifest import Dataset
from somnolens.evaluate.agreement import Agreement, measure_agreement, pair_codes, pair_probabilities, pool
from somnolens.evaluate.traits import read_traits
from somnolens.hypnogram import Hypnogram
from somnolens.model.adapter_card import check_render_hash
from somnolens.score.engine import Engine
from somnolens.score.reader import N_STAGES


@dataclass(frozen=True, eq=False)
class KnownNight:
    """What is known of a night whoever stages it.

    Parameters
    ----------
    night, subject, cohort : str
    truth : Hypnogram
        Of the scorer, or the consensus of several; UNSCORED epochs are left out of every figure, and counted.
    quality : ndarray of uint8, shape (n_epochs, n_derivations)
        Codes of `epochs.QUALITY`, on the epochs of the truth.
    derivations : tuple of str
    scorers : tuple of Hypnogram
        Of each scorer, on the epochs of the truth; empty where one scorer is all there is.
    traits : mapping
        `age` in years, `sex` and `ahi` an hour, those that are known.
    """

    night: str
    subject: str
    cohort: str
    truth: Hypnogram
    quality: np.ndarray
    derivations: tuple[str, ...]
    scorers: tuple[Hypnogram, ...] = ()
    traits: Mapping[str, float | str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.truth)


@dataclass(frozen=True, eq=False)
class NightResult:
    """What one system said of one night.

    Parameters
    ----------
    known : KnownNight
    scored : Hypnogram
        With `probabilities` where the system gives them. An epoch without a stage stays in the denominator.
    alone : ndarray, shape (n_epochs, 5), or None
        Probabilities of each epoch by itself, before the night-level step, of a system that has one.
    """

    known: KnownNight
    scored: Hypnogram
    alone: np.ndarray | None = None

    @property
    def night(self) -> str:
        return self.known.night

    @property
    def subject(self) -> str:
        return self.known.subject

    @property
    def cohort(self) -> str:
        return self.known.cohort

    @property
    def truth(self) -> Hypnogram:
        return self.known.truth

    @cached_property
    def agreement(self) -> Agreement:
        """Agreement of the whole night."""
        return measure_agreement(self.truth, self.scored)

    @cached_property
    def codes(self) -> tuple[np.ndarray, np.ndarray]:
        """True and named stage codes on the epochs of the truth, shape (n_epochs,) each; -1 where there is none."""
        return pair_codes(self.truth, self.scored)

    @cached_property
    def probabilities(self) -> np.ndarray | None:
        """On the epochs of the truth, shape (n_epochs, 5); zeros where no stage was named. None without any."""
        return pair_probabilities(self.truth, self.scored)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All nights of a split, staged by one system.

    Parameters
    ----------
    nights : sequence of NightResult
    system : str
        What tables call it.
    """

    nights: Sequence[NightResult]
    system: str = "somnolens"

    @property
    def pooled(self) -> Agreement:
        """Agreement over the epochs of all nights together."""
        return pool([night.agreement for night in self.nights])

    @property
    def subjects(self) -> list[str]:
        """Every subject once, sorted; cohorts keep theirs apart."""
        return sorted({name_person(night) for night in self.nights})


def name_person(night: NightResult | KnownNight) -> str:
    """A subject with the cohort: two cohorts may both have an S001."""
    return f"{night.cohort}/{night.subject}"


def read_known_nights(dataset: Dataset, split: str) -> list[KnownNight]:
    """What is known of every night of a split: truth, scorers, quality, and the traits of `subjects.csv`."""
    traits = read_traits(dataset.folder)
    return [read_known_night(dataset, night, traits) for night in dataset.nights(split)]


def read_known_night(
    dataset: Dataset, night: str, traits: Mapping[str, Mapping[str, float | str]] | None = None
) -> KnownNight:
    """What a dataset knows of one night.

    Parameters
    ----------
    dataset : Dataset
    night : str
    traits : mapping, optional
        By subject, as `read_traits` gives them.
    """
    subject, scorers = dataset.name_subject(night), dataset.read_scorers(night)
    return KnownNight(
        night=night,
        subject=subject,
        cohort=dataset.name_cohort(night),
        truth=dataset.read_truth(night),
        quality=dataset.read_quality(night),
        derivations=dataset.style.derivations,
        scorers=scorers if len(scorers) > 1 else (),
        traits=(traits or {}).get(subject, {}),
    )


def name_stages(known: KnownNight, probabilities: np.ndarray, system: str) -> Hypnogram:
    """The likeliest stage of each epoch of a night, as a hypnogram on the epochs of its truth.

    Parameters
    ----------
    known : KnownNight
    probabilities : ndarray, shape (n_epochs, 5)
    system : str
        Scorer of the hypnogram.
    """
    named = Hypnogram.from_codes(probabilities.argmax(1), system, known.truth.start_s)
    return Hypnogram(
        named.stages, system, named.start_s, probabilities=np.asarray(probabilities), step_s=known.truth.step_s
    )


def evaluate_system(
    system: str,
    stage: Callable[[KnownNight], NightResult],
    nights: Iterable[KnownNight],
    report: Callable[[str], None] = lambda night: None,
) -> Evaluation:
    """Let any system stage nights.

    Parameters
    ----------
    system : str
    stage : callable
        From what is known of a night to the result; it may read the night's pictures or signals by its name, and
        must not look at the truth.
    nights : iterable of KnownNight
    report : callable
        Gets the name of each night that is done.
    """
    results = []
    for known in nights:
        results.append(stage(known))
        report(known.night)
    return Evaluation(results, system)


def evaluate_adapter(
    engine: Engine,
    dataset: Dataset,
    split: str,
    report: Callable[[str], None] = lambda night: None,
    system: str = "somnolens",
) -> Evaluation:
    """Score every night of a split from its pictures and hold it to its scorer.

    Raises
    ------
    AdapterError
        Where the pictures are drawn otherwise than the adapter learnt.
    """
    check_render_hash(engine.card, dataset.style.hash, f"The dataset {dataset.folder}")
    batch_size = engine.card.resolved.score.batch_size

    def stage(known: KnownNight) -> NightResult:
        readings = engine.look(engine.lay(dataset.read_pictures(known.night)), batch_size)
        scored = name_stages(known, engine.read_night(readings), system)
        return NightResult(known, scored, engine.calibrate_pictures(readings[:, :N_STAGES]))

    return evaluate_system(system, stage, read_known_nights(dataset, split), report)

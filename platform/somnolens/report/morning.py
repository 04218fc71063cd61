"""What the morning report tells of a night, gathered once for the page and the PDF.

Nothing here identifies a person: the report has the name of the file, clock times without a date, and what was
measured.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from somnolens.aasm import EPOCH_S, STAGES
from somnolens.epochs import Epochs
from somnolens.evaluate.agreement import Agreement, measure_agreement
from somnolens.evaluate.totals import measure_totals
from somnolens.explain.night import NightEvidence, explain_night
from somnolens.hypnogram import Hypnogram
from somnolens.prepare.night import align, prepare_epochs
from somnolens.read.labels import Lead
from somnolens.read.montage import Montage, Part
from somnolens.read.night import read_drawn
from somnolens.recording import Recording
from somnolens.render.pictures import render_epochs
from somnolens.render.png import encode_png
from somnolens.render.style import Style
from somnolens.report.differences import Difference, list_differences, tell_time
from somnolens.report.drawing import Drawing
from somnolens.report.model_facts import list_model_facts
from somnolens.report.night_charts import draw_density, draw_spectrum, draw_stages
from somnolens.report.quality import NEEDED_FOR, DerivationQuality, explain_quality, measure_quality
from somnolens.report.spectrogram import Spectrogram, measure_spectrogram
from somnolens.report.statistics import Statistic, choose_group, list_sources, list_statistics
from somnolens.score.night import SIMULATION_NOTE, ScoredNight
from somnolens.score.reader import NightReader
from somnolens.score.review import Review, list_reviews

MOST_REASONS: Final = 5
"""Sentences of evidence under a picture."""

CORRECTED: Final = "corrected"


@dataclass(frozen=True, eq=False)
class Seen:
    """A recording as it is drawn: read, and prepared on the grid of a scorer."""

    recording: Recording
    montage: Montage
    epochs: Epochs


@dataclass(frozen=True)
class Sight:
    """An epoch to look at, with what a person needs to judge it.

    Parameters
    ----------
    review : Review
    time : str
    stage : str
        By the model.
    corrected : str
        By the person who went over it; empty where nobody did.
    chances : str
        The likelier stages, in words.
    evidence : tuple of str
        Measured values for and against the stage.
    picture : bytes
        PNG; empty where it is not shown.
    """

    review: Review
    time: str
    stage: str
    corrected: str
    chances: str
    evidence: tuple[str, ...] = ()
    picture: bytes = b""

    @property
    def reason(self) -> str:
        """Why, as a sentence."""
        text = self.review.reason.rstrip(".")
        return f"{text[:1].upper()}{text[1:]}."


@dataclass(frozen=True, eq=False)
class MorningReport:
    """Everything that the page and the PDF show.

    Parameters
    ----------
    name : str
        Of the recording's file.
    start : datetime or None
        Of the recording; only its clock time is shown.
    scored : ScoredNight
        By the model.
    corrected : Hypnogram or None
        By a person, on the same epochs.
    statistics : list of Statistic
        Of the corrected hypnogram first, where there is one.
    group : str
        Whom the night is compared with.
    sights : list of Sight
        The most urgent first; those at the top have pictures.
    qualities : tuple of DerivationQuality
    mind : list of str
        What the quality of the signals means for the stages.
    missing, notes : list of str
    model : list of (str, str)
    spectrogram : Spectrogram or None
    derivations : tuple of str
    """

    name: str
    start: datetime | None
    scored: ScoredNight
    corrected: Hypnogram | None
    statistics: list[Statistic]
    group: str
    sights: list[Sight]
    qualities: tuple[DerivationQuality, ...]
    mind: list[str]
    missing: list[str]
    notes: list[str]
    model: list[tuple[str, str]]
    spectrogram: Spectrogram | None
    derivations: tuple[str, ...]

    @property
    def hypnogram(self) -> Hypnogram:
        """The one that counts: a person's, where there is one."""
        return self.corrected or self.scored.hypnogram

    @property
    def scorers(self) -> tuple[str, ...]:
        """Whose statistics stand side by side."""
        model = self.scored.hypnogram.scorer
        return (CORRECTED, model) if self.corrected else (model,)

    @property
    def agreement(self) -> Agreement | None:
        """Of the model with the corrected hypnogram."""
        return measure_agreement(self.corrected, self.scored.hypnogram) if self.corrected else None

    @property
    def differences(self) -> list[Difference]:
        """Where the corrected hypnogram differs from the model's."""
        return list_differences(self.corrected, self.scored.hypnogram) if self.corrected else []

    def tell_scorers(self) -> str:
        """Who staged the night."""
        model = self.scored.hypnogram.scorer
        return f"Staged by {model}, corrected by a person." if self.corrected else f"Staged by {model}."

    @property
    def sources(self) -> list[str]:
        """Where what is usual was taken from."""
        return list_sources(self.statistics)

    @property
    def is_demonstration(self) -> bool:
        """Whether the adapter has never seen a person's sleep."""
        return SIMULATION_NOTE in self.scored.hypnogram.notes

    def tell_span(self) -> str:
        """When and how long."""
        hours = self.hypnogram.duration_s / 3600
        long = f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:g} min"
        when = f"from {tell_time(self.hypnogram.start_s, self.start)[:-3]}, " if self.start else ""
        return f"{when}{long}, {len(self.hypnogram):,} epochs of {EPOCH_S} s"

    def draw(self, width: float) -> Iterator[tuple[str, Drawing]]:
        """The charts of the night, each with its caption, all on one time axis."""
        model, start = self.scored.hypnogram, self.start
        if self.corrected:
            caption = "Hypnogram, corrected. The strip below marks every epoch that the model staged otherwise."
            yield caption, draw_stages(self.corrected, width, start, model, CORRECTED)
        whose = f"Hypnogram by {model.scorer}" if self.corrected else "Hypnogram"
        yield f"{whose}. R is the thick bar; grey is without a stage.", draw_stages(model, width, start)
        if model.probabilities is not None:
            caption = "Hypnodensity: how probable each stage is, a row each; a full row is certainty."
            yield caption, draw_density(model, width, start)
        if self.spectrogram:
            yield "Spectrogram, multitaper.", draw_spectrum(self.spectrogram, model, width, start)


def look_at(
    path: Path,
    style: Style,
    channels: Mapping[str, Part] | None = None,
    leads: Mapping[str, Lead] | None = None,
    start_s: float = 0.0,
) -> Seen:
    """Read and prepare a recording for a style.

    Parameters
    ----------
    path : Path
    style : Style
    channels, leads : mapping, optional
        As in `read_drawn`.
    start_s : float
        Where a scorer's first epoch begins: the epochs are cut on that grid, from the beginning of the recording.

    Raises
    ------
    UnreadableRecordingError
    MissingDerivationError
    """
    recording, montage = read_drawn(path, channels, leads)
    rate_hz, mains_hz = style.prepare.sampling_rate_hz, style.prepare.mains_hz
    return Seen(recording, montage, prepare_epochs(recording, montage, rate_hz, mains_hz, start_s % EPOCH_S))


def make_report(
    seen: Seen,
    scored: ScoredNight,
    reader: NightReader,
    adapter: str = "",
    corrected: Hypnogram | None = None,
    age: int | None = None,
    n_pictures: int = 12,
    qualities: tuple[DerivationQuality, ...] | None = None,
    evidence: NightEvidence | None = None,
) -> MorningReport:
    """Gather what the report tells of a scored night.

    Parameters
    ----------
    seen : Seen
    scored : ScoredNight
        Of `seen.epochs`.
    reader : NightReader
        Of the adapter that scored it: its card and how it draws.
    adapter : str
        How the adapter was named.
    corrected : Hypnogram, optional
        The same night by a person.
    age : int, optional
        In years, for what is usual; it is not shown.
    n_pictures : int
        Epochs to look at that are shown with their pictures.
    qualities : tuple of DerivationQuality, optional
        Where they were measured before; of the recording, its start alone is looked at then.
    evidence : NightEvidence, optional
        Of the model's stages, where it was measured before.

    Raises
    ------
    MismatchedHypnogramError
        Where the corrected hypnogram is of another stretch of time.
    """
    epochs = seen.epochs
    aligned = align(epochs, replace(corrected, scorer=CORRECTED))[1] if corrected else None
    hypnograms = [one for one in (aligned, scored.hypnogram) if one is not None]
    qualities = measure_quality(seen.recording, seen.montage, epochs) if qualities is None else qualities
    return MorningReport(
        name=epochs.night,
        start=seen.recording.start,
        scored=scored,
        corrected=aligned,
        statistics=list_statistics([measure_totals(one) for one in hypnograms], age),
        group=choose_group(age).name,
        sights=_look_closely(
            seen, scored, evidence or explain_night(epochs, scored.hypnogram), reader.style, aligned, n_pictures
        ),
        qualities=qualities,
        mind=[text for text in explain_quality(qualities, seen.montage) if not _is_told_elsewhere(text)],
        missing=[_tell_missing(one.name, one.reason) for one in seen.montage.missing],
        notes=list(_list_notes(scored, aligned)),
        model=list_model_facts(reader, adapter),
        spectrogram=measure_spectrogram(epochs),
        derivations=epochs.derivations,
    )


def _is_told_elsewhere(text: str) -> bool:
    """What is missing has a place of its own; hum that was removed is in the notes."""
    return " is missing. " in text or " has mains hum " in text


def _tell_missing(name: str, reason: str) -> str:
    return f"{name}: {reason}. {NEEDED_FOR[name]}."


def _list_notes(scored: ScoredNight, corrected: Hypnogram | None) -> Iterator[str]:
    """What was missing has a place of its own, and so has the warning of a demonstration."""
    told = [note for note in scored.hypnogram.notes if " is missing: " not in note and note != SIMULATION_NOTE]
    yield from told
    yield from (f"Corrected hypnogram: {note}" for note in (corrected.notes if corrected else ()) if note not in told)


def _look_closely(
    seen: Seen,
    scored: ScoredNight,
    evidence: NightEvidence,
    style: Style,
    corrected: Hypnogram | None,
    n_pictures: int,
) -> list[Sight]:
    """The epochs to look at; pictures and evidence for the most urgent."""
    epochs, chances = seen.epochs, _list_chances(scored.hypnogram)
    reviews = list_reviews(chances, scored.quality, epochs.derivations, evidence.disagreements)
    shown = {review.epoch for review in reviews[:n_pictures]}
    return [
        Sight(
            review=review,
            time=tell_time(epochs.start_s + review.epoch * epochs.step_s, seen.recording.start),
            stage=scored.hypnogram.stages[review.epoch],
            corrected=corrected.stages[review.epoch] if corrected else "",
            chances=_tell_chances(chances[review.epoch]),
            evidence=_list_evidence(evidence, review) if review.epoch in shown else (),
            picture=_draw(epochs, style, review.epoch) if review.epoch in shown else b"",
        )
        for review in reviews
    ]


def _list_chances(hypnogram: Hypnogram) -> np.ndarray:
    """Probabilities, shape (n_epochs, 5); certainty of the stage given where the scorer told none."""
    if hypnogram.probabilities is not None:
        return hypnogram.probabilities
    return np.vstack([np.eye(len(STAGES)), np.zeros(len(STAGES))])[hypnogram.codes()]


def _tell_chances(row: np.ndarray) -> str:
    likely = [code for code in np.argsort(-row, kind="stable")[:3] if row[code] >= 0.05]
    return ", ".join(f"{STAGES[code]} {100 * row[code]:.0f} %" for code in likely)


def _list_evidence(evidence: NightEvidence, review: Review) -> tuple[str, ...]:
    return tuple(evidence.epochs[review.epoch].reasons[:MOST_REASONS])


def _draw(epochs: Epochs, style: Style, epoch: int) -> bytes:
    return encode_png(render_epochs(epochs, style, epoch, epoch + 1)[0], style.palette)


def count_reviews(report: MorningReport) -> dict[str, int]:
    """Epochs to look at by what is the matter with them; one may count twice."""
    reasons = [sight.review.reason for sight in report.sights]
    return {
        "in doubt": sum("in doubt" in reason for reason in reasons),
        "poor signals": sum("no EEG that can be read" in reason or "poor signals" in reason for reason in reasons),
        "stage and measurement disagree": sum(", measured as " in reason for reason in reasons),
    }


def tell_warning(report: MorningReport) -> tuple[str, str]:
    """What a reader must know before anything else: in short, and in full."""
    if report.is_demonstration:
        return (
            "Demonstration.",
            "The adapter was trained on simulated nights only: it has never seen a person's sleep. Do not rest "
            "anything on these stages.",
        )
    return "A research tool, not a medical device.", "No diagnosis may rest on these stages alone."


def tell_statistics(report: MorningReport) -> str:
    """How the statistics are to be read."""
    short = "" if report.statistics[0].is_compared else "The record is too short to be held against whole nights. "
    return (
        "By YASA's definitions, which follow the AASM manual. Time in bed is the whole record. "
        f"{short}Healthy sleepers lie outside what is usual often: it is a comparison and no finding."
    )


def tell_agreement(report: MorningReport) -> str:
    """The model against the corrected hypnogram, in words; empty where there is none."""
    agreement = report.agreement
    if agreement is None:
        return ""
    left_out = f" {agreement.n_left_out} without a stage in the corrected one are left out."
    return (
        f"Cohen's kappa {agreement.kappa:.3f}, {100 * agreement.accuracy:.1f} % of {agreement.n_epochs:,} epochs the "
        f"same.{left_out if agreement.n_left_out else ''}"
    )


def tell_reviews(report: MorningReport) -> str:
    """What the list of epochs to look at is."""
    if not report.sights:
        return "None: the model was sure, the signals were good, and no measured evidence spoke for another stage."
    counts = ", ".join(f"{count} {what}" for what, count in count_reviews(report).items() if count)
    return (
        f"{len(report.sights):,} of {len(report.hypnogram):,} epochs, the most urgent first: {counts}. Priority is how "
        "likely the stage is to be wrong, as far as that is known. Epochs count from 0; all are in review.csv."
    )


def list_headlines(report: MorningReport) -> list[tuple[str, str, str]]:
    """Name, value and remark of what a reader looks for first."""
    by_name = {one.name: one for one in report.statistics}
    told = [
        (name, by_name[name].tell(0), _tell_usual(by_name[name]))
        for name in ("Total sleep time", "Sleep efficiency", "Wake after sleep onset")
    ]
    n_epochs, n_sights = len(report.hypnogram), len(report.sights)
    told.append(("Epochs to look at", f"{n_sights:,}", f"{100 * n_sights / n_epochs:.0f} % of {n_epochs:,}"))
    if report.agreement:
        accuracy = f"{100 * report.agreement.accuracy:.1f} % of epochs the same"
        told.append(("Agreement", f"κ {report.agreement.kappa:.2f}", accuracy))
    return told


def _tell_usual(statistic: Statistic) -> str:
    if not statistic.usual or not statistic.place:
        return ""
    return f"{statistic.place}: usual is {statistic.usual.tell(statistic.unit)}"


def tell_hour(quality: DerivationQuality, hour: int) -> tuple[str, str]:
    """A sign and words for one derivation in one hour: '!' what is wrong, '~' what was mended, '✓' nothing."""
    found = next((one for one in quality.hours if one.hour == hour), None)
    if found is None:
        return "", ""
    if not found.worst:
        return "✓", "good"
    if found.worst not in found.shares:
        return "~", found.worst
    return "!", f"{found.worst} {100 * found.shares[found.worst]:.0f} %"


def tabulate_quality(report: MorningReport) -> tuple[Sequence[str], list[tuple[str, list[tuple[str, str]]]]]:
    """Derivations, and for each hour its clock time and a cell for each derivation."""
    by_name = {one.derivation.name: one for one in report.qualities}
    hours = sorted({hour.hour for one in report.qualities for hour in one.hours})
    rows = [
        (
            tell_time((hour - 1) * 3600.0, report.start)[:-3],
            [tell_hour(by_name[name], hour) if name in by_name else ("-", "missing") for name in report.derivations],
        )
        for hour in hours
    ]
    return report.derivations, rows


def describe_made_by(report: MorningReport) -> dict[str, Any]:
    """What the exports remember of how they came about."""
    return report.scored.made_by | {"derivations": report.scored.derivations}

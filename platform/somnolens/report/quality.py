"""Signal quality per derivation and hour, with what a person needs to know of it.

The commonest question to a stager is why it never scores a stage. Mostly the answer is a derivation that is
missing, flat, clipped, detached, buried in mains hum, or in another unit than the header says.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from rich import box
from rich.table import Table

from somnolens.epochs import GOOD, QUALITY, Epochs
from somnolens.prepare.filters import find_mains
from somnolens.prepare.night import prepare_epochs
from somnolens.read.montage import Derivation, Montage
from somnolens.recording import Recording

HOUR_S: Final = 3600

LEAST_SHARE: Final = 0.2
"""Of an hour's epochs: less of a trouble is passed over."""

USUAL_RMS_UV: Final = {"EEG": (3.0, 120.0), "EOG": (3.0, 250.0), "EMG": (0.3, 200.0)}
"""Median root mean square of filtered epochs; outside it a unit or gain is wrong more often than a brain."""

CAUSES: Final = {
    "flat": "the electrode was off, or the channel not connected",
    "clipped": "the signal ran into the limits of the recorder: its range was too small, or the electrode loose",
    "detached": "the electrode was loose: no brain, eye or muscle is that strong",
    "not a number": "the file has gaps in these samples",
}

NEEDED_FOR: Final = {
    "F4-M1": "N3 is told by slow waves of 75 microvolts at the forehead",
    "C4-M1": "N2 is told by spindles and K-complexes, which are largest in the middle",
    "O2-M1": "W and the beginning of N1 are told by alpha at the back of the head",
    "E1-M2": "R, and W with open eyes, are told by eye movements, which both eyes show in opposite directions",
    "E2-M2": "R, and W with open eyes, are told by eye movements, which both eyes show in opposite directions",
    "chin EMG": "R is told from W and N1 by the lowest muscle tone of the night",
}


@dataclass(frozen=True)
class HourQuality:
    """Trouble of one derivation in one hour.

    Parameters
    ----------
    hour : int
        From 1, counted from the beginning of the recording.
    shares : dict of str to float
        Share of the hour's epochs by trouble, a word of `epochs.QUALITY`; good ones left out.
    mains_hz : float or None
        Hum that stands out.
    """

    hour: int
    shares: dict[str, float]
    mains_hz: float | None

    @property
    def worst(self) -> str:
        """The most frequent trouble, if it is worth telling; else hum; else ''."""
        word, share = max(self.shares.items(), key=lambda item: item[1], default=("", 0.0))
        if share >= LEAST_SHARE:
            return word
        return f"hum {self.mains_hz:g} Hz" if self.mains_hz else ""


@dataclass(frozen=True)
class DerivationQuality:
    """One derivation over the night; `rms_uv` is the median over the epochs of its root mean square."""

    derivation: Derivation
    hours: tuple[HourQuality, ...]
    rms_uv: float


def measure_quality(
    recording: Recording, montage: Montage, epochs: Epochs | None = None
) -> tuple[DerivationQuality, ...]:
    """Measure each derivation that the recording has, hour by hour.

    Parameters
    ----------
    recording : Recording
        With samples.
    montage : Montage
    epochs : Epochs, optional
        Those of the recording, where they are prepared already.

    Raises
    ------
    UnreadableRecordingError
        When the recording is shorter than one epoch.
    """
    epochs = prepare_epochs(recording, montage) if epochs is None else epochs
    return tuple(
        DerivationQuality(one, tuple(_measure_hours(recording, one, epochs, row)), _measure_rms(epochs, row))
        for row, one in enumerate(montage.derivations)
        if one.parts
    )


def _measure_hours(recording: Recording, derivation: Derivation, epochs: Epochs, row: int) -> Iterator[HourQuality]:
    hours = ((epochs.start_s + epochs.step_s * np.arange(len(epochs))) // HOUR_S).astype(int)
    signals = [(recording[name], sign) for name, sign in derivation.parts]
    rate_hz = signals[0][0].sampling_rate_hz
    for hour in np.unique(hours):
        codes = epochs.quality[hours == hour, row]
        shares = {word: float(np.mean(codes == code)) for code, word in enumerate(QUALITY) if code != GOOD}
        span = slice(round(hour * HOUR_S * rate_hz), round((hour + 1) * HOUR_S * rate_hz))
        samples_uv = np.nan_to_num(sum(sign * signal.samples_uv[span] for signal, sign in signals))
        yield HourQuality(int(hour) + 1, {w: s for w, s in shares.items() if s}, find_mains(samples_uv, rate_hz))


def _measure_rms(epochs: Epochs, row: int) -> float:
    return float(np.median(np.sqrt(np.mean(epochs.signals_uv[:, row] ** 2, axis=1))))


def format_quality(qualities: tuple[DerivationQuality, ...]) -> Table:
    """A row for each derivation, a column for each hour; what is not good by its name."""
    table = Table(box=box.SIMPLE_HEAD, title="Quality by hour", title_justify="left")
    table.add_column("derivation")
    table.add_column("rms, uV", justify="right")
    for hour in qualities[0].hours if qualities else ():
        table.add_column(f"{hour.hour}", justify="center")
    for one in qualities:
        cells = (f"[red]{hour.worst}[/]" if hour.worst else "[green]good[/]" for hour in one.hours)
        table.add_row(one.derivation.name, f"{one.rms_uv:.1f}", *cells)
    return table


def explain_quality(qualities: tuple[DerivationQuality, ...], montage: Montage) -> Iterator[str]:
    """Sentences: what is wrong, why that comes about, and which stage suffers."""
    for derivation in montage.missing:
        yield f"{derivation.name} is missing. {NEEDED_FOR[derivation.name]}."
    if [one.name for one in montage.derivations if one.kind == "EOG" and one.parts] == ["E1-M2"]:
        yield "Both eyes are in one signal, so that eye movements cannot be told from slow waves by their direction."
    for one in qualities:
        yield from _explain_troubles(one)
        yield from _explain_scale(one)


def _explain_troubles(quality: DerivationQuality) -> Iterator[str]:
    name = quality.derivation.name
    for word in dict.fromkeys(hour.worst for hour in quality.hours if hour.worst):
        hours = ", ".join(str(hour.hour) for hour in quality.hours if hour.worst == word)
        if word in CAUSES:
            yield f"{name} is {word} in hour {hours}: {CAUSES[word]}. {NEEDED_FOR[name]}."
        else:
            yield f"{name} has mains {word} in hour {hours}: an electrode with a bad contact. It is filtered out."


def _explain_scale(quality: DerivationQuality) -> Iterator[str]:
    low_uv, high_uv = USUAL_RMS_UV[quality.derivation.kind]
    is_mostly_good = np.mean([hour.worst not in CAUSES for hour in quality.hours]) > 0.5
    if is_mostly_good and not low_uv <= quality.rms_uv <= high_uv:
        yield (
            f"{quality.derivation.name} has {quality.rms_uv:.3g} microvolts (median rms); {low_uv:g} to {high_uv:g} "
            "are usual. Check its unit and gain in the header: pictures are drawn to scale."
        )

"""One explained epoch: the picture with its heat, the probabilities, the evidence and its reasons."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from somnolens.aasm import STAGES
from somnolens.epochs import Epochs
from somnolens.errors import SettingsError
from somnolens.explain.heat import HeatMap
from somnolens.explain.maps import draw_heat
from somnolens.explain.night import EpochEvidence, NightEvidence
from somnolens.render.pictures import render_epochs
from somnolens.render.style import Style
from somnolens.score.engine import Engine
from somnolens.score.night import ScoredNight


@dataclass(frozen=True, eq=False)
class Explanation:
    """Everything known of why an epoch got its stage.

    Parameters
    ----------
    night : str
    epoch : int
    onset_s : float
        Since the start of the recording.
    picture : ndarray of uint8, shape (height_px, width_px)
    style : Style
    heat : HeatMap
    probabilities : ndarray, shape (5,)
        Of the night-level step; those of the picture by itself are in the heat.
    evidence : EpochEvidence
    step_s : float
        From one epoch to the next.
    """

    night: str
    epoch: int
    onset_s: float
    picture: np.ndarray
    style: Style
    heat: HeatMap
    probabilities: np.ndarray
    evidence: EpochEvidence
    step_s: float

    @property
    def verdict(self) -> str:
        """What the rules make of the stage, in one sentence."""
        one = self.evidence
        if one.is_supported:
            return f"The measured evidence supports {one.stage}."
        if one.disagreement:
            return f"Rules and model disagree: the measured evidence supports {one.measured_as}, not {one.stage}."
        if one.supported:
            return (
                f"The measured evidence is thin: it does not rule {one.stage} out and would do for {one.supported[0]}."
            )
        return f"The measured evidence supports no stage, {one.stage} as little as another."

    @property
    def reasons(self) -> list[str]:
        """Sentences for and against the stage, and what speaks for the one that is supported instead of it."""
        one = self.evidence
        other = "" if one.is_supported or not one.supported else one.measured_as or one.supported[0]
        more = [finding.text for finding in one.findings if finding.stage == other and finding.weight == "defines"]
        return [*one.reasons, *more]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "night": self.night,
            "epoch": self.epoch,
            "onset_s": self.onset_s,
            "stage": self.evidence.stage,
            "probabilities": dict(zip(STAGES, self.probabilities.round(5).tolist(), strict=True)),
            "verdict": self.verdict,
            "reasons": self.reasons,
            "evidence": self.evidence.to_dict(),
            "heat": self.heat.to_dict(),
        }


def explain_epochs(
    epochs: Epochs,
    scored: ScoredNight,
    evidence: NightEvidence,
    engine: Engine,
    chosen: Sequence[int],
    method: str = "signal",
    stage: str | None = None,
) -> Iterator[Explanation]:
    """Explain some epochs of a scored night, one after the other.

    Parameters
    ----------
    epochs, scored, evidence : Epochs, ScoredNight, NightEvidence
        Of the same night.
    engine : Engine
    chosen : sequence of int
    method : str
        Of `maps.METHODS`.
    stage : str, optional
        Whose heat is drawn; without, the one that each epoch was given.
    """
    probabilities = scored.hypnogram.probabilities
    assert probabilities is not None
    for epoch in chosen:
        heat = draw_heat(method, epochs, epoch, engine, stage or scored.hypnogram.stages[epoch])
        picture = render_epochs(epochs, engine.style, epoch, epoch + 1)[0]
        onset_s = epochs.start_s + epoch * epochs.step_s
        one = evidence.epochs[epoch]
        yield Explanation(
            epochs.night, epoch, onset_s, picture, engine.style, heat, probabilities[epoch], one, epochs.step_s
        )


def parse_epochs(text: str, n_epochs: int) -> list[int]:
    """Numbers of epochs, counted from 0, from a list with ranges.

    Raises
    ------
    SettingsError

    Examples
    --------
    >>> parse_epochs("2,5-7", 10)
    [2, 5, 6, 7]
    """
    chosen: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise SettingsError(
                f"--epochs {text!r}: {part!r} is no epoch. Write numbers and ranges, as in 120,300-305."
            )
        chosen += range(int(first), int(last or first) + 1)
    beyond = [epoch for epoch in chosen if epoch >= n_epochs]
    if beyond or not chosen:
        wrong = f"{beyond[0]} is none of them" if beyond else "a range must rise"
        raise SettingsError(f"--epochs {text!r}: the night has epochs 0 to {n_epochs - 1}, and {wrong}.")
    return chosen

"""Reasons for a whole night: what was measured in each epoch, and where it contradicts the scorer.

For the review list: `explain_night(epochs, hypnogram).disagreements` is a sentence for each epoch whose stage the
evidence does not support while it supports another.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from somnolens.aasm import UNSCORED
from somnolens.epochs import Epochs
from somnolens.explain.evidence import Evidence, measure_night
from somnolens.explain.rules import Finding, Look, judge_epoch, list_supported
from somnolens.hypnogram import Hypnogram


@dataclass(frozen=True)
class EpochEvidence:
    """What the signal says of one epoch.

    Parameters
    ----------
    epoch : int
    stage : str
        Of the scorer.
    measured : Evidence
    findings : tuple of Finding
        Of all stages, in the order of the table of rules.
    supported : tuple of str
        Stages that the evidence supports; none where it decides nothing.
    """

    epoch: int
    stage: str
    measured: Evidence
    findings: tuple[Finding, ...]
    supported: tuple[str, ...]

    @property
    def is_supported(self) -> bool:
        """Whether the evidence supports the stage the scorer gave."""
        return self.stage in self.supported

    @property
    def reasons(self) -> list[str]:
        """Sentences for and against the scorer's stage, what defines it first; each has its measured values."""
        return self.list_reasons(self.stage)

    def list_reasons(self, stage: str) -> list[str]:
        """Sentences for and against any stage."""
        order = ("defines", "agrees", "against", "rules out")
        about = sorted((f for f in self.findings if f.stage == stage), key=lambda f: order.index(f.weight))
        return [finding.text for finding in about]

    @property
    def measured_as(self) -> str:
        """The stage that the evidence supports against the scorer's; empty where it does not.

        N1 is what is left where nothing else is found, and so it contradicts only a stage that is ruled out.
        """
        ruled_out = any(f.stage == self.stage and f.weight == "rules out" for f in self.findings)
        others = [stage for stage in self.supported if stage != "N1" or ruled_out]
        return "" if self.stage == UNSCORED or self.is_supported or not others else others[0]

    @property
    def disagreement(self) -> str:
        """A sentence where the evidence supports another stage than the scorer's; empty elsewhere."""
        other = self.measured_as
        if not other:
            return ""
        why = next(f for f in self.findings if f.stage == other and f.weight == "defines")
        against = next((f for f in self.findings if f.stage == self.stage and not f.speaks_for), None)
        against_text = f" Against {self.stage}: {against.sentence}." if against else ""
        return f"Scored {self.stage}, measured as {other}: {why.sentence} [{why.rule}].{against_text}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "epoch": self.epoch,
            "stage": self.stage,
            "supported": list(self.supported),
            "reasons": self.reasons,
            "disagreement": self.disagreement,
            "findings": [
                {"rule": f.rule, "weight": f.weight, "clause": f.clause, "text": f.text} for f in self.findings
            ],
            "measured": self.measured.to_dict(),
        }


@dataclass(frozen=True)
class NightEvidence:
    """What the signal says of every epoch of a night."""

    epochs: tuple[EpochEvidence, ...]

    @property
    def disagreements(self) -> dict[int, str]:
        """A sentence for each epoch where the evidence supports another stage than the scorer's."""
        return {one.epoch: one.disagreement for one in self.epochs if one.disagreement}


def explain_night(epochs: Epochs, hypnogram: Hypnogram | Sequence[str]) -> NightEvidence:
    """Measure a night and judge each epoch of it by the rules.

    Parameters
    ----------
    epochs : Epochs
        All epochs of the night, prepared.
    hypnogram : Hypnogram or sequence of str
        One stage for each of the epochs, by whoever scored: person or model.

    Returns
    -------
    NightEvidence

    Examples
    --------
    >>> signals_uv = np.random.default_rng(0).normal(0, 5, (4, 6, 3000)).astype(np.float32)
    >>> names = ("F4-M1", "C4-M1", "O2-M1", "E1-M2", "E2-M2", "chin EMG")
    >>> night = Epochs("night", signals_uv, names, 100.0, np.zeros((4, 6), np.uint8), names)
    >>> said = explain_night(night, ("W", "N3", "N3", "W"))
    >>> said.epochs[1].reasons[0]
    'Against N3: waves of 75 microvolts or more fill 0 % of the epoch (the manual: at least 20 %) [N3.2]'
    """
    stages = hypnogram.stages if isinstance(hypnogram, Hypnogram) else tuple(hypnogram)
    assert len(stages) == len(epochs), (len(stages), len(epochs))
    measured = measure_night(epochs)
    return NightEvidence(tuple(judge_measured(measured, stages, epochs.step_s)))


def judge_measured(measured: Sequence[Evidence], stages: Sequence[str], step_s: float = 30.0) -> list[EpochEvidence]:
    """The rules on evidence that was measured before, for one scorer's stages."""
    judged = []
    for epoch, stage in enumerate(stages):
        findings = judge_epoch(Look(measured, stages, epoch, step_s))
        judged.append(EpochEvidence(epoch, stage, measured[epoch], tuple(findings), list_supported(findings)))
    return judged

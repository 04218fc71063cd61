"""The rules of the AASM manual (version 3, chapter IV, adults) as a table, judged on measured evidence.

A rule looks at one epoch with its neighbours and either says one sentence with the numbers it measured, or nothing.
Each speaks for or against one stage, with one of four weights:

- *defines*: this alone makes the stage, as long as nothing rules it out;
- *agrees*: the manual names it for the stage, and it is not enough;
- *against*: the manual names it for another stage;
- *rules out*: with this the manual does not allow the stage.

A stage is supported where a rule defines it and none rules it out.

Neighbours are handled simply: 'continues' looks back (for R also ahead) along the run of epochs to which the scorer
gave this same stage, as far as the last arousal or movement, and asks for one with defining evidence of its own.
So a long run stands on its clearest epoch, and a run without any clear epoch is not supported.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from somnolens.aasm import EPOCH_S, SLOW_WAVE_SHARE, STAGES
from somnolens.explain.events import Event
from somnolens.explain.evidence import Evidence

Weight = Literal["defines", "agrees", "against", "rules out"]

LOW_TONE: Final = 1.8
"""Chin tone up to so many times the night's lowest is low; the manual gives no number."""

HIGH_TONE: Final = 2.5
"""Above so many times it, tone is that of wakefulness or at least not that of R."""


@dataclass(frozen=True)
class Look:
    """One epoch among its neighbours.

    Parameters
    ----------
    night : sequence of Evidence
    stages : sequence of str
        What the scorer said of each epoch of the night.
    epoch : int
    step_s : float
        From the beginning of one epoch to that of the next.
    """

    night: Sequence[Evidence]
    stages: Sequence[str]
    epoch: int
    step_s: float = float(EPOCH_S)

    @property
    def here(self) -> Evidence:
        return self.night[self.epoch]

    @property
    def middle_s(self) -> float:
        return self.epoch * self.step_s + EPOCH_S / 2

    def walk(self, stage: str, step: int) -> Iterator[int]:
        """Epochs before (-1) or after (1) this one with the same stage, nearest first, up to an arousal or movement."""
        place = self.epoch
        while not self.is_broken(place) and 0 <= place + step < len(self.night) and self.stages[place + step] == stage:
            place += step
            yield place

    def is_broken(self, epoch: int) -> bool:
        """Whether an arousal, or movement in half of it, breaks what went on in an epoch."""
        evidence = self.night[epoch]
        return bool(evidence.arousals) or (evidence.movement_s or 0) > EPOCH_S / 2


@dataclass(frozen=True)
class Rule:
    """One line of the table.

    Parameters
    ----------
    id : str
    stage : str
    weight : str
    clause : str
        Where the manual says so.
    judge : callable
        From a `Look` to a sentence with measured values, or None where the rule does not apply.
    """

    id: str
    stage: str
    weight: Weight
    clause: str
    judge: Callable[[Look], str | None]


@dataclass(frozen=True)
class Finding:
    """What one rule said of one epoch."""

    rule: str
    stage: str
    weight: Weight
    clause: str
    sentence: str

    @property
    def speaks_for(self) -> bool:
        return self.weight in ("defines", "agrees")

    @property
    def text(self) -> str:
        """As a person reads it: for or against which stage, the measured values, the rule."""
        side = "For" if self.speaks_for else "Against"
        return f"{side} {self.stage}: {self.sentence} [{self.rule}]"


def judge_epoch(look: Look) -> list[Finding]:
    """Everything the table says of one epoch, in its order; nothing where most of the epoch is movement."""
    sentences = ((rule, rule.judge(look)) for rule in RULES)
    return [Finding(r.id, r.stage, r.weight, r.clause, said) for r, said in sentences if said is not None]


def list_supported(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Stages that a finding defines and none rules out, in the order of `aasm.STAGES`."""
    by_weight = {
        weight: {finding.stage for finding in findings if finding.weight == weight}
        for weight in ("defines", "rules out")
    }
    return tuple(stage for stage in STAGES if stage in by_weight["defines"] - by_weight["rules out"])


def _alpha_fills(look: Look) -> str | None:
    seconds = look.here.alpha_s
    if seconds is None or seconds <= EPOCH_S / 2:
        return None
    return f"alpha rhythm in {seconds:.0f} of {EPOCH_S} s (the manual: more than half of the epoch)"


def _alpha_is_short(look: Look) -> str | None:
    seconds = look.here.alpha_s
    if seconds is None or seconds > EPOCH_S / 2:
        return None
    return f"alpha rhythm in only {seconds:.0f} of {EPOCH_S} s (wakefulness with closed eyes: more than half)"


def _eyes_are_open(look: Look) -> str | None:
    rapid, ratio = look.here.rapid, look.here.tone_ratio
    if not rapid or len(rapid) < 2 or ratio is None or ratio < HIGH_TONE:
        return None
    return f"{len(rapid)} rapid eye movements or blinks with chin tone {ratio:.1f} times the night's lowest"


def _tone_is_high(look: Look) -> str | None:
    ratio = look.here.tone_ratio
    if ratio is None or ratio < HIGH_TONE:
        return None
    return f"chin tone is {ratio:.1f} times the night's lowest"


def _tone_is_low(look: Look) -> str | None:
    ratio = look.here.tone_ratio
    if ratio is None or ratio > LOW_TONE:
        return None
    return f"chin tone is {ratio:.1f} times the night's lowest"


def _spindles_or_complexes(look: Look) -> str | None:
    """In the first half of this epoch or the last half of the one before, not with an arousal."""
    evidence = look.here
    if evidence.spindles is None and evidence.k_complexes is None:
        return None
    early = [event for event in _list_marks(evidence) if event.start_s < look.middle_s]
    before = _marks_of_last_half(look)
    arousals = evidence.arousals or ()
    early = [event for event in early if not any(a.overlap_s(event.start_s - 1, event.end_s + 1) for a in arousals)]
    if not early and not before:
        return None
    places = [f"{_count(early)} in the first half"] if early else []
    places += [f"{_count(before)} in the last half of the epoch before"] if before else []
    return " and ".join(places)


def _later_marks(look: Look) -> str | None:
    late = [event for event in _list_marks(look.here) if event.start_s >= look.middle_s]
    return f"{_count(late)} in the second half" if late else None


def _many_marks(look: Look) -> str | None:
    """One mark may be a detector's error; two are not likely to be."""
    marks = _list_marks(look.here)
    return f"{_count(marks)} in the epoch" if len(marks) >= 2 else None


def _list_marks(evidence: Evidence) -> list[Event]:
    marks = (*(evidence.spindles or ()), *(evidence.k_complexes or ()))
    return sorted(marks, key=lambda event: event.start_s)


def _marks_of_last_half(look: Look) -> list[Event]:
    """Of the epoch before, unless it is N3, whose marks begin nothing."""
    if look.epoch == 0 or look.stages[look.epoch - 1] not in ("N1", "N2"):
        return []
    half_s = look.middle_s - look.step_s
    return [event for event in _list_marks(look.night[look.epoch - 1]) if event.start_s >= half_s]


def _count(events: Sequence[Event]) -> str:
    """How many of each kind, with the middle of what was measured.

    Examples
    --------
    >>> _count([Event("spindle", 2.0, 0.8, "C4-M1", 30.0, 13.2), Event("K-complex", 9.0, 1.1, "F4-M1", 120.0)])
    '1 spindle (0.8 s, 13.2 Hz) and 1 K-complex (120 microvolts)'
    """
    parts = []
    for kind in dict.fromkeys(event.kind for event in events):
        some = [event for event in events if event.kind == kind]
        size = f"{np.median([event.size_uv for event in some]):.0f} microvolts"
        pace = f"{np.median([e.duration_s for e in some]):.1f} s, {np.median([e.frequency_hz for e in some]):.1f} Hz"
        plural = {"K-complex": "K-complexes"}.get(kind, f"{kind}s") if len(some) > 1 else kind
        parts.append(f"{len(some)} {plural} ({pace if some[0].frequency_hz else size})")
    return " and ".join(parts)


def _n2_continues(look: Look) -> str | None:
    for epoch in look.walk("N2", -1):
        marks = _list_marks(look.night[epoch])
        if marks:
            ago = look.epoch - epoch
            return (
                f"{_count(marks)} {ago} {'epoch' if ago == 1 else 'epochs'} earlier in this run of N2, no arousal since"
            )
    return None


def _slow_waves_fill(look: Look) -> str | None:
    share = look.here.slow_wave_share
    if share is None or share < SLOW_WAVE_SHARE:
        return None
    return f"waves of 75 microvolts or more fill {100 * share:.0f} % of the epoch (the manual: at least 20 %)"


def _slow_waves_are_few(look: Look) -> str | None:
    share = look.here.slow_wave_share
    if share is None or share >= SLOW_WAVE_SHARE:
        return None
    return f"waves of 75 microvolts or more fill {100 * share:.0f} % of the epoch (the manual: at least 20 %)"


def _low_mixed(look: Look) -> str | None:
    """N1 replaces alpha for more than half of the epoch and has nothing that would be another stage."""
    evidence = look.here
    if evidence.low_mixed_s is None or evidence.low_mixed_s <= EPOCH_S / 2 or _dreams(look) is not None:
        return None
    alpha = "" if evidence.alpha_s is None else f", alpha rhythm in {evidence.alpha_s:.0f}"
    return f"low-amplitude mixed-frequency EEG in {evidence.low_mixed_s:.0f} of {EPOCH_S} s{alpha}"


def _eyes_roll(look: Look) -> str | None:
    seconds = look.here.rolls_s
    if seconds is None or seconds < 3:
        return None
    return f"slow eye movements in {seconds:.0f} of {EPOCH_S} s"


def _dreams(look: Look) -> str | None:
    """Rapid eye movements with low tone and a flat, mixed EEG."""
    evidence = look.here
    if not evidence.rapid or evidence.tone_ratio is None or evidence.tone_ratio > LOW_TONE:
        return None
    n = len(evidence.rapid)
    return (
        f"{n} rapid eye {'movement' if n == 1 else 'movements'} with chin tone {evidence.tone_ratio:.1f} times the "
        "night's lowest"
    )


def _r_continues(look: Look) -> str | None:
    """Low tone and no mark of N2 here, and along the same run an epoch with rapid eye movements and low tone."""
    ratio = look.here.tone_ratio
    if ratio is None or ratio > LOW_TONE or len(_list_marks(look.here)) >= 2:
        return None
    for step, word in ((-1, "earlier"), (1, "later")):
        for epoch in look.walk("R", step):
            if _dreams(Look(look.night, look.stages, epoch, look.step_s)):
                return (
                    f"chin tone {ratio:.1f} times the night's lowest, and rapid eye movements "
                    f"{abs(epoch - look.epoch)} epochs {word} in this run of R, no arousal between"
                )
    return None


def _eyes_rest(look: Look) -> str | None:
    rapid = look.here.rapid
    return None if rapid is None or rapid else f"no rapid eye movement in {EPOCH_S} s"


def _moves(look: Look) -> str | None:
    seconds = look.here.movement_s
    return f"body movement in {seconds:.0f} of {EPOCH_S} s" if seconds is not None and seconds > EPOCH_S / 2 else None


RULES: Final[tuple[Rule, ...]] = (
    Rule("W.1", "W", "defines", "IV, stage W: alpha rhythm over the occipital region", _alpha_fills),
    Rule(
        "W.2",
        "W",
        "defines",
        "IV, stage W: eye blinks, or rapid eye movements with normal or high tone",
        _eyes_are_open,
    ),
    Rule(
        "W.3", "W", "agrees", "IV, stage W: chin EMG of variable amplitude, usually higher than asleep", _tone_is_high
    ),
    Rule("W.4", "W", "agrees", "IV, major body movements", _moves),
    Rule("W.5", "W", "against", "IV, stage N1: alpha is attenuated for more than half of the epoch", _alpha_is_short),
    Rule("W.6", "W", "rules out", "IV, stage N2: spindles and K-complexes", _many_marks),
    Rule("W.7", "W", "rules out", "IV, stage N3", _slow_waves_fill),
    Rule("W.8", "W", "against", "IV, stage R: low chin tone", _tone_is_low),
    Rule("N1.1", "N1", "defines", "IV, stage N1: alpha replaced by low-amplitude mixed-frequency activity", _low_mixed),
    Rule("N1.2", "N1", "agrees", "IV, stage N1: slow eye movements", _eyes_roll),
    Rule("N1.3", "N1", "rules out", "IV, stage W: alpha rhythm for more than half of the epoch", _alpha_fills),
    Rule("N1.4", "N1", "rules out", "IV, stage N2: begins with a spindle or K-complex", _spindles_or_complexes),
    Rule("N1.5", "N1", "rules out", "IV, stage N3", _slow_waves_fill),
    Rule("N1.6", "N1", "rules out", "IV, stage R: rapid eye movements and low tone", _dreams),
    Rule("N2.1", "N2", "defines", "IV, stage N2: begins with a spindle or K-complex", _spindles_or_complexes),
    Rule(
        "N2.2", "N2", "defines", "IV, stage N2: continues until an arousal, a movement or another stage", _n2_continues
    ),
    Rule("N2.3", "N2", "agrees", "IV, stage N2: a mark in the second half begins N2 with the next epoch", _later_marks),
    Rule("N2.4", "N2", "rules out", "IV, stage W: alpha rhythm for more than half of the epoch", _alpha_fills),
    Rule("N2.5", "N2", "rules out", "IV, stage N3", _slow_waves_fill),
    Rule("N2.6", "N2", "against", "IV, stage R: rapid eye movements and low tone", _dreams),
    Rule("N3.1", "N3", "defines", "IV, stage N3: slow waves for at least 20 % of the epoch", _slow_waves_fill),
    Rule("N3.2", "N3", "rules out", "IV, stage N3: slow waves for at least 20 % of the epoch", _slow_waves_are_few),
    Rule("N3.3", "N3", "against", "IV, stage W: alpha rhythm for more than half of the epoch", _alpha_fills),
    Rule("R.1", "R", "defines", "IV, stage R: rapid eye movements and low chin tone", _dreams),
    Rule(
        "R.2", "R", "defines", "IV, stage R: continues with low tone and without spindles or K-complexes", _r_continues
    ),
    Rule("R.3", "R", "against", "IV, stage R: rapid eye movements", _eyes_rest),
    Rule("R.4", "R", "rules out", "IV, stage R: low chin tone", _tone_is_high),
    Rule("R.5", "R", "rules out", "IV, stage N2: two spindles or K-complexes", _many_marks),
    Rule("R.6", "R", "rules out", "IV, stage N3", _slow_waves_fill),
    Rule("R.7", "R", "rules out", "IV, stage W: alpha rhythm for more than half of the epoch", _alpha_fills),
)
"""All rules, stage by stage. Where two stages are supported, the evidence does not decide between them."""

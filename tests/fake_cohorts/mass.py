"""MASS: linked ears under two names, an ear recorded or not, a scoring that begins later, 20-s epochs."""

from pathlib import Path

from tests.fake_cohorts.files import write_annotations, write_edf
from tests.fake_cohorts.signals import Channel
from tests.fake_cohorts.truth import Sources, Truth

RATE_HZ = 256
TEXTS = {
    **{"W": "Sleep stage W", "N1": "Sleep stage 1", "N2": "Sleep stage 2"},
    **{"N3": "Sleep stage 3", "N4": "Sleep stage 4", "R": "Sleep stage R", "UNSCORED": "Sleep stage ?"},
}
AASM = ("W", "N1", "N2", "N2", "N3", "R", "UNSCORED", "W")
RK = ("W", "W", "N1", "N2", "N2", "N3", "N4", "N4", "R", "R", "UNSCORED", "W", "W", "N1")
AROUSAL = '<Event channel="EEG C4-LER" groupName="MicroArousal" name="CARSM expert" scoringType="expert"/>'


def derive(reference: str, ear: str | None, chins: tuple[str, ...]) -> list[Channel]:
    """A subject's channels; `ear` is the one recorded against the reference."""
    mixes = {
        f"EEG {place}-{reference}": {f"{place}-{mastoid}": 1, mastoid: 1}
        for mastoid, places in (("M2", ("F3", "C3", "O1")), ("M1", ("F4", "C4", "O2")))
        for place in places
    }
    if ear:
        mixes[f"EEG {ear}-{reference}"] = {ear.replace("A", "M"): 1}
    mixes |= {"EOG Left Horiz": {"E1-M2": 1}, "EOG Right Horiz": {"E2-M2": 1}, "ECG ECGI": {"heart": 1}}
    common = {"chin wire": 1} if len(chins) > 1 else {}
    mixes |= {chin: dict(common) for chin in chins}
    mixes[chins[0]] |= {"chin EMG": 1}
    return [Channel(label, RATE_HZ, mix) for label, mix in mixes.items()]


def write_mass(folder: Path) -> list[Truth]:
    """Write a subject each of SS1, SS2, SS3 and SS5."""
    chins = ("EMG Chin1", "EMG Chin2", "EMG Chin3")
    eyes, pair = ("EOG Left Horiz", "EOG Right Horiz"), "EMG Chin1 - EMG Chin2"
    mirrored = [f"EEG {place}-CLE - EEG A2-CLE" for place in ("F3", "C3", "O1")]
    recommended = [f"EEG {place}-CLE - EEG A1-CLE" for place in ("F4", "C4", "O2")]
    linked = [f"EEG {place}-LER" for place in ("F4", "C4", "O2")]
    widened = tuple("N3" if stage == "N4" else stage for stage in RK)
    return [
        _write(folder, "01-01-0002", derive("CLE", "A2", chins), (*mirrored, *eyes, pair), AASM, 30, 4.5, AASM),
        _write(
            folder,
            "01-02-0007",
            derive("CLE", "A1", ("EMG Chin",)),
            (*recommended, *eyes, "EMG Chin"),
            *(RK, 20, 3.75, widened[1:]),
        ),
        _write(folder, "01-03-0001", derive("LER", None, chins), (*linked, *eyes, pair), AASM, 30, 4.5, AASM),
        _write(folder, "01-05-0020", derive("LER", None, chins), (*linked, *eyes, pair), RK, 20, 16.0, widened[:-1]),
    ]


def _write(
    folder: Path,
    subject: str,
    channels: list[Channel],
    sources: Sources,
    scored: tuple[str, ...],
    epoch_s: int,
    onset_s: float,
    stages: tuple[str, ...],
) -> Truth:
    lasting = epoch_s + 0.0002  # durations of the real files are not exact
    annotations = [(onset_s + epoch_s * epoch, lasting, TEXTS[stage]) for epoch, stage in enumerate(scored)]
    annotations.append((onset_s + 7, 3.2, AROUSAL))
    write_edf(folder / f"{subject} PSG.edf", channels, plus=True)
    write_annotations(folder / f"{subject} Base.edf", annotations)
    first_s = onset_s - (30 - epoch_s) / 2
    return Truth(
        *(subject, subject, sources, {"expert": stages}),
        start_s=first_s if first_s >= 0 else first_s + epoch_s,
        step_s=epoch_s,
    )

"""Sleep-EDF: two nights of a cassette subject and one of a telemetry subject; scoring until 24 h."""

from pathlib import Path

from tests.fake_cohorts.files import Annotations, write_annotations, write_edf
from tests.fake_cohorts.signals import DURATION_S, Channel
from tests.fake_cohorts.truth import Truth

STAGES = ("W", "W", "N1", "N2", "N3", "N3", "UNSCORED", "R", "R", "N2")
RUNS: Annotations = (
    (0, 60, "Sleep stage W"),
    (60, 30, "Sleep stage 1"),
    (90, 30, "Sleep stage 2"),
    (120, 30, "Sleep stage 3"),
    (150, 30, "Sleep stage 4"),
    (180, 30, "Movement time"),
    (210, 60, "Sleep stage R"),
    (270, 30, "Sleep stage 2"),
    (300, 86_100, "Sleep stage ?"),
)
EEG = (
    Channel("EEG Fpz-Cz", 100, {"F4-M1": 1}),
    Channel("EEG Pz-Oz", 100, {"O2-M1": 1}),
    Channel("EOG horizontal", 100, {"E1-M2": 1}),
)
SLOW = (
    Channel("Resp oro-nasal", 1, {}, ""),
    Channel("EMG submental", 1, {}),
    Channel("Temp rectal", 1, {}, "DegC"),
    Channel("Event marker", 1, {}, ""),
)
TELEMETRY = (*EEG, Channel("EMG submental", 100, {"chin EMG": 1}), Channel("Marker", 10, {}, "ST + bat"))


def write_sleep_edf(folder: Path) -> list[Truth]:
    """Write the nights under the folders of the two studies."""
    assert RUNS[-1][0] == DURATION_S
    return [
        _write(folder / "sleep-cassette", "SC4011E", "C", (*EEG, *SLOW), None),
        _write(folder / "sleep-cassette", "SC4012E", "H", (*EEG, *SLOW), None),
        _write(folder / "sleep-telemetry", "ST7011J", "P", TELEMETRY, "EMG submental"),
    ]


def _write(folder: Path, name: str, scorer: str, channels: tuple[Channel, ...], chin: str | None) -> Truth:
    write_edf(folder / f"{name}0-PSG.edf", channels)
    write_annotations(folder / f"{name}{scorer}-Hypnogram.edf", RUNS)
    sources = ("EEG Fpz-Cz", None, "EEG Pz-Oz", "EOG horizontal", None, chin)
    return Truth(name[:6], name[:5], sources, {f"scorer {scorer}": STAGES})

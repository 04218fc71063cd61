"""HMC: the recommended montage, one annotation for each epoch, lights off between epochs."""

from pathlib import Path

from tests.fake_cohorts.files import spread, write_annotations, write_edf, write_text
from tests.fake_cohorts.signals import Channel
from tests.fake_cohorts.truth import Truth

STAGES = ("W", "W", "N1", "N2", "N2", "N3", "N3", "N3", "R", "W")
TEXTS = {stage: f"Sleep stage {stage}" for stage in STAGES}
MIXES = {
    **{"EEG F4-M1": "F4-M1", "EEG C4-M1": "C4-M1", "EEG O2-M1": "O2-M1", "EEG C3-M2": "C3-M2"},
    **{"EMG chin": "chin EMG", "EOG E1-M2": "E1-M2", "EOG E2-M2": "E2-M2", "ECG": "heart"},
}
SOURCES = ("EEG F4-M1", "EEG C4-M1", "EEG O2-M1", "EOG E1-M2", "EOG E2-M2", "EMG chin")


def write_hmc(folder: Path) -> list[Truth]:
    """Write one night scored as EDF+, and one as a table."""
    channels = [Channel(label, 256, {mix: 1}) for label, mix in MIXES.items()]
    for name in ("SN001", "SN002"):
        write_edf(folder / "recordings" / f"{name}.edf", channels)
    lights = [(12.5, -1, "Lights off@@EEG F4-A1"), (281.0, -1, "Lights on@@EEG Fpz-Cz")]
    write_annotations(folder / "recordings/SN001_sleepscoring.edf", [*spread(STAGES, TEXTS), *lights])
    table = "Date, Time, Recording onset, Duration, Annotation, Linked channel\n"
    table += "2001-01-01, 22:00:12, 12, , Lights off@@EEG F4-A1, \n"
    table += "".join(f"2001-01-01, 22:00:00, {at}, 30, {text}, \n" for at, _, text in spread(STAGES, TEXTS))
    write_text(folder / "recordings/SN002_sleepscoring.txt", table)
    return [Truth(name, name, SOURCES, {"expert": STAGES}) for name in ("SN001", "SN002")]

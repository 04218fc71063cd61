"""A folder of somebody's own: BIDS, scoring inside the recording, a table, none at all."""

from pathlib import Path

from tests.fake_cohorts.files import spread, write_edf, write_text
from tests.fake_cohorts.hmc import MIXES, SOURCES, STAGES, TEXTS
from tests.fake_cohorts.signals import Channel
from tests.fake_cohorts.truth import Truth


def write_own_folder(folder: Path) -> list[Truth]:
    """Write five nights, each scored in another way."""
    channels = [Channel(label, 128, {mix: 1}) for label, mix in MIXES.items()]
    bids = folder / "sub-01" / "ses-1" / "eeg"
    names = ("sub-01_ses-1_task-sleep", "sub-01_ses-2_task-sleep", "anna_night1", "bert", "carl")
    write_edf(bids / f"{names[0]}_eeg.edf", channels)
    rows = [f"{at}\t30\t{text}" for at, _, text in spread(STAGES, TEXTS)]
    write_text(bids / f"{names[0]}_events.tsv", "\n".join(["onset\tduration\ttrial_type", *rows, "41\t3\tarousal"]))
    write_edf(folder / f"{names[1]}_eeg.edf", channels)
    stages = "\n".join(f"{at}\t30\t{stage}" for (at, _, _), stage in zip(spread(STAGES, TEXTS), STAGES, strict=True))
    write_text(folder / f"{names[1]}_hypnogram.tsv", f"onset\tduration\tstage\n{stages}\n")
    write_edf(folder / f"{names[2]}.edf", channels, [*spread(STAGES, TEXTS), (41.0, 3.0, "Arousal")])
    write_edf(folder / f"{names[3]}.edf", channels)
    write_text(folder / f"{names[3]}.csv", "stage\n" + "\n".join(STAGES))
    write_edf(folder / f"{names[4]}.edf", channels, [(41.0, 3.0, "Obstructive apnea")])
    subjects = ("sub-01", "sub-01", "anna", "bert", "carl")
    scored = [{"unknown": STAGES}] * 4 + [{}]
    return [Truth(*known[:2], SOURCES, known[2]) for known in zip(names, subjects, scored, strict=True)]

"""DOD-H and DOD-O: HDF5 signals under long names, five scorers as JSON lists, a consensus in the recording."""

import json
from collections.abc import Mapping
from pathlib import Path

import h5py

from tests.fake_cohorts.files import write_edf, write_text
from tests.fake_cohorts.signals import Channel, Mix
from tests.fake_cohorts.truth import Truth

RATE_HZ = 250
CODES = {"UNSCORED": -1, "W": 0, "N1": 1, "N2": 2, "N3": 3, "R": 4}
SCORERS = {
    "scorer 1": ("UNSCORED", "W", "N1", "N2", "N2", "N3", "N3", "R", "R", "W"),
    "scorer 2": ("W", "W", "N1", "N2", "N2", "N3", "N2", "R", "R", "W"),
    "scorer 3": ("W", "N1", "N1", "N2", "N2", "N3", "N3", "R", "N1", "W"),
    "scorer 4": ("W", "W", "N2", "N2", "N2", "N3", "N2", "R", "R", "UNSCORED"),
    "scorer 5": ("W", "N1", "N2", "N2", "N3", "N3", "N3", "R", "R", "W"),
}
CONSENSUS = ("W", "W", "N1", "N2", "N2", "N3", "N3", "R", "R", "W")
"""Worked out by hand: more votes everywhere, no tie."""

EYES = {"eog/EOG1": {"E1-M2": 1}, "eog/EOG2": {"E2-M2": 1}, "emg/EMG": {"chin EMG": 1}, "emg/ECG": {"heart": 1}}
HEALTHY = {
    **{"eeg/C3_M2": {"C3-M2": 1}, "eeg/F4_M1": {"F4-M1": 1}, "eeg/F3_M2": {"F3-M2": 1}},
    **{"eeg/F4_O2": {"F4-M1": 1, "O2-M1": -1}, "eeg/FP1_M2": {"front": 1}},
    **EYES,
}
APNOEA = {
    **{"eeg/C3_M2": {"C3-M2": 1}, "eeg/C4_M1": {"C4-M1": 1}, "eeg/F3_M2": {"F3-M2": 1}, "eeg/O2_M1": {"O2-M1": 1}},
    **{"eeg/O1_M2": {"O1-M2": 1}, "eeg/F4_O2": {"F4-M1": 1, "O2-M1": -1}},
    **EYES,
}


def write_dod_h(folder: Path) -> list[Truth]:
    """Write a night with five scorers, one with the consensus alone, and one converted to EDF."""
    eyes = ("EOG1", "EOG2", "EMG")
    scored, alone, converted = "119f9726-a", "3e842aa8-b", "14c012bd-c"
    _write_hdf5(folder / f"{scored}.h5", HEALTHY)
    _write_hdf5(folder / f"{alone}.h5", HEALTHY)
    channels = [Channel(place.partition("/")[2], RATE_HZ, mix) for place, mix in HEALTHY.items()]
    write_edf(folder / f"{converted}.edf", channels)
    for night in (scored, converted):
        _write_scorers(folder / "scorers", night)
    sources = ("F4_M1", "C3_M2", "- F4_O2 + F4_M1", *eyes)
    return [
        Truth(scored, scored, sources, SCORERS),
        Truth(alone, alone, sources, {"consensus of the owner": CONSENSUS}),
        Truth(converted, converted, sources, SCORERS),
    ]


def write_dod_o(folder: Path) -> list[Truth]:
    """Write a night of DOD-O beside one of DOD-H."""
    night = "039ce8ad-d"
    _write_hdf5(folder / "dodo" / f"{night}.h5", APNOEA)
    _write_hdf5(folder / "dodh" / "119f9726-a.h5", HEALTHY)
    _write_scorers(folder / "scorers" / "dodo", night)
    _write_scorers(folder / "scorers" / "dodh", "119f9726-a")
    return [Truth(night, night, ("F4_O2 + O2_M1", "C4_M1", "O2_M1", "EOG1", "EOG2", "EMG"), SCORERS)]


def _write_hdf5(path: Path, mixes: Mapping[str, Mix]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    description = [{"path": f"signals/{place}", "fs": RATE_HZ, "unit": "uV"} for place in mixes]
    with h5py.File(path, "w") as file:
        for place, mix in mixes.items():
            file[f"signals/{place}"] = Channel(place, RATE_HZ, mix).draw().astype("float32")
        file["hypnogram"] = [CODES[stage] for stage in CONSENSUS]
        file.attrs["description"] = json.dumps(description)
        file.attrs["start_time"] = 983_572_215.0
        file.attrs["record_id"] = b"not to be told"


def _write_scorers(folder: Path, night: str) -> None:
    for scorer, stages in SCORERS.items():
        codes = [CODES[stage] for stage in stages]
        write_text(folder / scorer.replace(" ", "_") / f"{night}.json", json.dumps(codes))

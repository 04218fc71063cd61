"""ISRUC: three subgroups, names that differ by subject, text longer than the signal, a spreadsheet."""

from collections.abc import Sequence
from pathlib import Path

import openpyxl

from tests.fake_cohorts.files import write_edf, write_text
from tests.fake_cohorts.signals import Channel
from tests.fake_cohorts.truth import Sources, Truth

RATE_HZ = 200
CODES = {"W": 0, "N1": 1, "N2": 2, "N3": 3, "R": 5}
FIRST = ("W", "W", "N1", "N2", "N2", "N2", "N3", "R", "R", "W")
SECOND = ("W", "N1", "N1", "N2", "N2", "N3", "N3", "R", "R", "W")
BEYOND = ("W",) * 30
OTHERS = (Channel("X2", RATE_HZ, {"heart": 1}), Channel("SaO2", RATE_HZ, {}, "%"), Channel("DC3", RATE_HZ))


def reference(mastoids: tuple[str, str], chin: str) -> list[Channel]:
    """Derivations as most files name them, A1 and A2 or M1 and M2."""
    left, right = mastoids
    mixes = {
        **{f"F3-{right}": {"F3-M2": 1}, f"C3-{right}": {"C3-M2": 1}, f"O1-{right}": {"O1-M2": 1}},
        **{f"F4-{left}": {"F4-M1": 1}, f"C4-{left}": {"C4-M1": 1}, f"O2-{left}": {"O2-M1": 1}},
        **{f"{'LOC' if right == 'A2' else 'E1'}-{right}": {"E1-M2": 1}},
        **{f"{'ROC' if right == 'A2' else 'E2'}-{left}": {"E2-M2": 1}},
        chin: {"chin EMG": 1},
    }
    return [Channel(label, RATE_HZ, mix) for label, mix in mixes.items()] + [*OTHERS]


def separate() -> list[Channel]:
    """Electrodes recorded apart."""
    mixes = {
        **{"C3": {"C3-M2": 1, "M2": 1}, "C4": {"C4-M1": 1, "M1": 1}},
        **{"O1": {"O1-M2": 1, "M2": 1}, "O2": {"O2-M1": 1, "M1": 1}},
        **{"F3": {"F3-M2": 1, "M2": 1}, "F4": {"F4-M1": 1, "M1": 1}},
        **{"LOC": {"E1-M2": 1, "M2": 1}, "ROC": {"E2-M2": 1, "M2": 1}},
        **{"A1": {"M1": 1}, "A2": {"M2": 1}, "24": {"chin EMG": 1}},
    }
    return [Channel(label, RATE_HZ, mix) for label, mix in mixes.items()] + [*OTHERS]


def write_isruc(folder: Path) -> list[Truth]:
    """Write two subjects of subgroup I, both nights of one of II, one of III."""
    usual = ("F4-A1", "C4-A1", "O2-A1", "LOC-A2", "ROC-A1", "X1")
    mastoids = ("F4-M1", "C4-M1", "O2-M1", "E1-M2", "E2-M1", "X1")
    apart = ("F4 - A1", "C4 - A1", "O2 - A1", "LOC - A2", "ROC - A2", "24")
    return [
        _write(folder / "subgroupI" / "1", "I-1", "I-1", reference(("A1", "A2"), "X1"), usual, FIRST + BEYOND),
        _write(folder / "subgroupI" / "37", "I-37", "I-37", separate(), apart, FIRST),
        _write(folder / "subgroupII" / "3" / "1", "II-3-1", "II-3", reference(("M1", "M2"), "X1"), mastoids, FIRST),
        _write(folder / "subgroupII" / "3" / "2", "II-3-2", "II-3", reference(("M1", "M2"), "X1"), mastoids, FIRST),
        _write(folder / "subgroupIII" / "1", "III-1", "III-1", reference(("A1", "A2"), "X1"), usual, FIRST, True),
    ]


def _write(
    folder: Path,
    night: str,
    subject: str,
    channels: list[Channel],
    sources: Sources,
    first: tuple[str, ...],
    as_sheet: bool = False,
) -> Truth:
    name = folder.name
    write_edf(folder / f"{name}.edf", channels).rename(folder / f"{name}.rec")
    write_text(folder / f"{name}_1.txt", _list_codes(first))
    if as_sheet:
        _write_sheet(folder / f"{name}_2.xlsx", SECOND)
    else:
        write_text(folder / f"{name}_2.txt", _list_codes(SECOND) + "\n\n")
        _write_sheet(folder / f"{name}_2.xlsx", BEYOND)
    return Truth(night, subject, sources, {"scorer 1": FIRST, "scorer 2": SECOND})


def _list_codes(stages: Sequence[str]) -> str:
    return "".join(f"{CODES[stage]}\n" for stage in stages)


def _write_sheet(path: Path, stages: Sequence[str]) -> None:
    workbook = openpyxl.Workbook()
    workbook.active.append(["Epoch", "Stage", "SpO2", "HR", "Events"])
    for epoch, stage in enumerate(stages, 1):
        workbook.active.append([epoch, stage, 97, 60, None])
    workbook.save(path)

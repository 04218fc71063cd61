"""Files changed in the ways real archives are wrong, each with what may come of it.

A changed night may fail, with a sentence, or it may be read; but then each epoch has the stage that the scorer
gave it, or is UNSCORED and a note says so. A change that moves the truth itself says what is true now.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from somnolens.config import DatasetSettings
from somnolens.dataset.rows import ShardReport, build_shard
from somnolens.hypnogram import Hypnogram
from somnolens.read.night import Night, Scoring
from somnolens.render.style import Style
from somnolens.simulate.night import simulate_night
from somnolens.simulate.subject import draw_subject
from somnolens.simulate.writing import write_hypnogram, write_recording
from tests.small_cohort import find_shard

STAGES = ("W", "W", "N1", "N2", "N2", "N3", "R", "W")
Change = Callable[[bytes], bytes]
LIMITS = DatasetSettings(max_night_s=20)


@dataclass(frozen=True)
class Mutant:
    """One changed file.

    Parameters
    ----------
    name : str
    kind : str
        'recording', 'annotations' or 'table': which file is changed.
    change : callable
    truths : tuple of tuples of str
        Stages that may be read, beginning with the first epoch; a shorter reading is one of a shorter signal.
    """

    name: str
    kind: str
    change: Change
    truths: tuple[tuple[str, ...], ...]


def put(offset: int, text: bytes, width: int) -> Change:
    """Overwrite a header field."""
    return lambda content: content[:offset] + text.ljust(width)[:width] + content[offset + width :]


def put_signal(field_offset: int, width: int, text: bytes, number: int = 0, n_signals: int = 7) -> Change:
    """Overwrite a field of one signal; fields stand signal by signal, 256 bytes after the start."""
    return put(256 + field_offset * n_signals + width * number, text, width)


def swap(old: bytes, new: bytes, count: int = -1) -> Change:
    return lambda content: content.replace(old, new, count)


def reword(old: bytes, new: bytes, count: int = -1) -> Change:
    """Exchange words in the annotations of a file that stays as long as it was."""

    def change(content: bytes) -> bytes:
        return content.replace(old, new, count).ljust(len(content), b"\0")[: len(content)]

    return change


def flip(seed: int, first: int, last: int, n: int) -> Change:
    """Overwrite `n` bytes between two places with random ones."""

    def change(content: bytes) -> bytes:
        rng = np.random.default_rng(seed)
        changed = bytearray(content)
        for place in rng.integers(first, min(last, len(content)), n):
            changed[place] = rng.integers(0, 256)
        return bytes(changed)

    return change


def cut(share: float) -> Change:
    return lambda content: content[: int(len(content) * share)]


def lines(change: Callable[[list[bytes]], list[bytes]]) -> Change:
    return lambda content: b"\n".join(change(content.split(b"\n")))


def number(content: bytes) -> bytes:
    """Codes in place of letters, as ISRUC writes them."""
    for stage, code in ((b"N1", b"1"), (b"N2", b"2"), (b"N3", b"3"), (b",R", b",5"), (b",W", b",0")):
        content = content.replace(stage, code)
    return content


def without(lost: str) -> tuple[str, ...]:
    """What the scorer wrote, less one stage."""
    return tuple("UNSCORED" if stage == lost else stage for stage in STAGES)


SHARES = (0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999, 0.99999)

FIELDS = {
    "version": (0, 8, (b"1", b"", b"\xffBIOSEMI", b"EDF")),
    "patient": (8, 80, (b"", "Müller".encode(), b"\0" * 80, b"\xff\xfe")),
    "date": (168, 8, (b"", b"99.99.99", b"1.1.2001", b"31/12/99", b"00.00.00")),
    "time": (176, 8, (b"", b"25.61.61", b"1:2:3", b"99999999")),
    "header bytes": (184, 8, (b"", b"0", b"-1", b"99999999", b"256", b"abc", b"2048.0")),
    "reserved": (192, 44, (b"", b"EDF+D", b"BDF", b"EDF+C" + b"\xff" * 39)),
    "records": (236, 8, (b"", b"0", b"-1", b"1", b"99999999", b"12.5", b"x")),
    "record time": (244, 8, (b"", b"0", b"-1", b"1e9", b"0.5", b"nan", b"inf", b"1,0")),
    "signals": (252, 4, (b"", b"0", b"-1", b"1", b"6", b"8", b"9999", b"7.0")),
}
"""Place, width and wrong texts of the fields of an EDF header."""

SIGNAL_FIELDS = {
    "label": (0, 16, (b"", b"EEG C4-M1", b"\xc4\xd6\xdc", b"EDF Annotations", b"?")),
    "unit": (96, 8, (b"", b"V", b"mv", b"kg", b"\xb5V", b"\xce\xbcV")),
    "physical min": (104, 8, (b"", b"0", b"nan", b"1e99", b"abc", b"9999999")),
    "physical max": (112, 8, (b"", b"0", b"inf", b"-9999999", b"1,5")),
    "digital min": (120, 8, (b"", b"32767", b"-99999", b"1.5", b"x")),
    "digital max": (128, 8, (b"", b"-32767", b"99999", b"x")),
    "filter": (136, 80, (b"\xff" * 80, b"\0" * 80)),
    "samples": (216, 8, (b"", b"0", b"-1", b"1", b"99999999", b"200.5", b"x")),
}
"""The same of the first signal; places count from the end of the general header, for one signal."""

RECORDING = {
    **{f"cut to {share}": cut(share) for share in SHARES},
    "longer than told": lambda content: content + bytes(5000),
    "twice": lambda content: content * 2,
    "all zero": lambda content: bytes(len(content)),
    "all ones": lambda content: b"\xff" * len(content),
    "all blank": lambda content: b" " * len(content),
    **{f"{name} {text[:10]!r}": put(at, text, width) for name, (at, width, texts) in FIELDS.items() for text in texts},
    **{
        f"{name} {text[:10]!r}": put_signal(at, width, text)
        for name, (at, width, texts) in SIGNAL_FIELDS.items()
        for text in texts
    },
    **{f"header bytes flipped, seed {seed}": flip(seed, 0, 2048, 1 + seed % 12) for seed in range(30)},
    **{f"signal bytes flipped, seed {seed}": flip(seed, 2048, 10**9, 2000) for seed in range(6)},
}

ANNOTATIONS = {
    **{f"cut to {share}": cut(share) for share in SHARES},
    "R&K texts": reword(b"Sleep stage N", b"Sleep stage "),
    "stage 4": reword(b"Sleep stage N3", b"Sleep stage 4"),
    "stage 5": reword(b"Sleep stage N3", b"Sleep stage 5"),
    "unknown text": reword(b"Sleep stage N3", b"Sleep stage X3"),
    "question mark": reword(b"Sleep stage N3", b"Sleep stage ?"),
    "movement time": reword(b"Sleep stage N3", b"Movement time "),
    "other words": reword(b"Sleep stage", b"Schlafphase"),
    "lower case": reword(b"Sleep stage", b"sleep stage"),
    "not UTF-8": reword(b"Sleep stage R", b"Sleep stage \xff"),
    "no separator": reword(b"\x14", b" "),
    "no duration mark": reword(b"\x15", b" "),
    "zeros for marks": reword(b"\x15", b"\0"),
    "negative onset": reword(b"+60", b"-60"),
    "words for onset": reword(b"+60", b"abc"),
    "onset nan": reword(b"+60", b"nan"),
    "onset between epochs": reword(b"+60", b"+75"),
    "duration 0": reword(b"\x1560", b"\x150"),
    "duration of a year": reword(b"\x1560", b"\x1531536000"),
    "duration of 20 s": reword(b"\x1530", b"\x1520"),
    "no first stretch": reword(b"Sleep stage W", b"Sleep stage ?", 1),
    "records -1": put(236, b"-1", 8),
    "records 0": put(236, b"0", 8),
    "no signal": put(252, b"0", 4),
    "label lost": put(256, b"EEG", 16),
    "samples 1": put(256 + 216, b"1", 8),
    "another hour": put(176, b"20.00.00", 8),
    "no date": put(168, b"", 8),
    **{f"header bytes flipped, seed {seed}": flip(seed, 0, 512, 1 + seed % 8) for seed in range(20)},
}

TABLE = {
    **{f"cut to {share}": cut(share) for share in (0.0, 0.05, 0.2)},
    "carriage returns": swap(b"\n", b"\r\n"),
    "old Macintosh": swap(b"\n", b"\r"),
    "byte order mark": lambda content: b"\xef\xbb\xbf" + content,
    "UTF-16": lambda content: content.decode().encode("utf-16"),
    "UTF-16 without mark": lambda content: content.decode().encode("utf-16-le"),
    "semicolons": swap(b",", b";"),
    "tabs": swap(b",", b"\t"),
    "spaces": swap(b",", b" "),
    "quoted": lines(lambda rows: [b'"' + row.replace(b",", b'","') + b'"' for row in rows if row]),
    "blank lines": swap(b"\n", b"\n\n"),
    "spaces around": swap(b",", b" , "),
    "no header": lines(lambda rows: rows[1:]),
    "header twice": lines(lambda rows: rows[:1] + rows),
    "other header": swap(b"stage", b"schlaf"),
    "upper case": bytes.upper,
    "lower case": bytes.lower,
    "decimal commas": swap(b".0,", b",0,"),
    "negative onset": swap(b"60.0,", b"-60.0,"),
    "onset a word": swap(b"60.0,", b"soon,"),
    "onset empty": swap(b"60.0,", b","),
    "onset nan": swap(b"60.0,", b"nan,"),
    "onset inf": swap(b"60.0,", b"inf,"),
    "duration 0": swap(b",30.0,", b",0,"),
    "duration of 20 s": swap(b",30.0,", b",20.0,"),
    "rows reversed": lines(lambda rows: rows[:1] + [row for row in rows[:0:-1] if row]),
    "a row lost": lines(lambda rows: rows[:4] + rows[5:]),
    "a row twice": lines(lambda rows: rows[:4] + rows[3:]),
    "two stages of one epoch": lines(lambda rows: [*rows[:4], rows[3].replace(b"N1", b"N2"), *rows[4:]]),
    "unknown stage": swap(b"N3", b"N7"),
    "empty stage": swap(b"N3", b""),
    "numbers": number,
    "R&K digits": swap(b"N", b""),
    "a short row": lines(lambda rows: [*rows[:4], rows[4].rpartition(b",")[0], *rows[5:]]),
    "long rows": lines(lambda rows: rows[:1] + [row + b",more" for row in rows[1:] if row]),
    "zero bytes inside": swap(b"N3", b"N\x003"),
    **{f"column names flipped, seed {seed}": flip(seed, 0, 20, 2) for seed in range(6)},
}

TRUTHS = {
    ("annotations", "stage 5"): tuple("R" if stage == "N3" else stage for stage in STAGES),
    ("annotations", "question mark"): without("N3"),
    ("annotations", "movement time"): without("N3"),
    ("annotations", "no first stretch"): ("UNSCORED", "UNSCORED", *STAGES[2:]),
    ("annotations", "another hour"): ("UNSCORED", *STAGES),
    ("table", "a row lost"): (*STAGES[:3], "UNSCORED", *STAGES[4:]),
    ("table", "empty stage"): without("N3"),
}
"""Where a change moves the truth: what may be read beside what the scorer wrote."""


def list_mutants() -> list[Mutant]:
    changes = {"recording": RECORDING, "annotations": ANNOTATIONS, "table": TABLE}
    return [
        Mutant(name, kind, change, (STAGES, TRUTHS.get((kind, name), STAGES)))
        for kind, named in changes.items()
        for name, change in named.items()
    ]


def write_good_night(folder: Path) -> dict[str, Path]:
    """A short night and its scoring, as annotations and as a table; each mutant changes one of them."""
    recording, _ = simulate_night(draw_subject(3), hours=len(STAGES) / 120, seed=3)
    paths = {
        "recording": folder / "SIM001-PSG.edf",
        "annotations": folder / "SIM001-Hypnogram.edf",
        "table": folder / "SIM001.csv",
    }
    write_recording(recording, paths["recording"])
    write_hypnogram(Hypnogram(STAGES), paths["annotations"], recording.start)
    rows = [f"{30.0 * epoch},30.0,{stage}" for epoch, stage in enumerate(STAGES)]
    paths["table"].write_text("\n".join(["onset,duration,stage", *rows, ""]))
    return paths


def _of(paths: dict[str, Path], scoring: str) -> Night:
    return Night("simulated", "SIM001", "SIM001", paths["recording"], (Scoring(paths[scoring]),))


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: the report of its night, and the stages in its shard where there is one."""

    mutant: Mutant
    report: ShardReport
    stages: tuple[str, ...] | None
    usual_notes: str

    @property
    def is_crash(self) -> bool:
        return self.report.kind in ("Bug", "TimeLimit")

    @property
    def is_silently_wrong(self) -> bool:
        """Read, and not what the scorer wrote."""
        if self.stages is None:
            return False
        return not any(self._agrees(truth) for truth in self.mutant.truths)

    def _agrees(self, truth: tuple[str, ...]) -> bool:
        if self.report.notes != self.usual_notes:
            pairs = zip(self.stages, truth, strict=False)
            return all(stage in (true, "UNSCORED") for stage, true in pairs)
        return self.stages == truth[: len(self.stages)]


def try_mutants(mutants: list[Mutant], style: Style, folder: Path) -> Iterator[Outcome]:
    """Build the shard of each mutant's night."""
    good = write_good_night(folder)
    usual = build_shard(_of(good, "annotations"), "train", style, folder / "good", LIMITS).notes
    for number, mutant in enumerate(mutants):
        place = folder / f"mutant-{number}"
        place.mkdir()
        paths = good | {mutant.kind: place / good[mutant.kind].name}
        paths[mutant.kind].write_bytes(mutant.change(good[mutant.kind].read_bytes()))
        night = _of(paths, "table" if mutant.kind == "table" else "annotations")
        report = build_shard(night, "train", style, place, LIMITS)
        stages = None
        if not report.error:
            stages = tuple(pq.read_table(find_shard(place, "SIM001"), columns=["stage"])["stage"].to_pylist())
        yield Outcome(mutant, report, stages, usual)

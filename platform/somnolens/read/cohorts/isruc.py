"""ISRUC-Sleep, subgroups I, II and III: `.rec` recordings (EDF), each scored by two experts.

Source: sleeptight.isr.uc.pt; S. Khalighi et al., "ISRUC-Sleep: a comprehensive public dataset for sleep
researchers", Comput. Methods Programs Biomed. 124, 180-192, 2016. Free for research; not redistributable here.
Scoring: AASM, epochs of 30 s, one code per line: 0 W, 1 N1, 2 N2, 3 N3, 5 REM (4 is not used). Where the two
scorers differ, the consensus is the stage of the first, whom the literature uses.
Derivations: F4-A1, C4-A1, O2-A1, LOC-A2, ROC-A1 and the chin as `X1` or `24`, at 200 Hz; A1 and A2 are M1 and
M2 in some files, and some record electrodes apart (`C4` and `A1`), which are then subtracted.

Layout: `N/N.rec` with `N/N_1.txt` and `N/N_2.txt` (subgroups I and III), `S/1/1.rec` and `S/2/2.rec` for the
two nights of subject S (subgroup II). A scorer's `.xlsx` is read where the text is missing.

Unconfirmed on real files: whether the text has 30 epochs more than the signal, or whether only the extracted
`.mat` files lack the last 30. Both are handled: stages and signal begin together, stages beyond the end of the
signal are dropped, and a note says how many of each there are.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from somnolens.aasm import EPOCH_S, UNSCORED
from somnolens.errors import UnreadableHypnogramError
from somnolens.hypnogram import Hypnogram
from somnolens.read.code_lists import read_code_lines
from somnolens.read.folders import list_files, require_nights
from somnolens.read.labels import Lead
from somnolens.read.night import Night, Scoring
from somnolens.read.spreadsheet import read_sheet
from somnolens.read.stage_texts import parse_stage
from somnolens.recording import Recording

STAGES: Final = {0: "W", 1: "N1", 2: "N2", 3: "N3", 5: "R"}
LEADS: Final = {"X1": Lead("CHIN"), "24": Lead("CHIN")}

_SUBGROUP: Final = re.compile(r"(?:^|[^a-z])(?:sub)?[-_ ]?group[-_ ]?(iii|ii|i|3|2|1)(?![a-z0-9])", re.IGNORECASE)
_ROMAN: Final = {"1": "I", "2": "II", "3": "III"}


def find_nights(folder: Path) -> list[Night]:
    """Find the nights below a folder, which may hold one subgroup or all.

    Raises
    ------
    EmptyCohortError
    """
    files = list_files(folder)
    named = [path for path in files if path.stem == path.parent.name and path.suffix.lower() in (".edf", ".rec")]
    recordings = [*{path.parent: path for path in named}.values()]  # a copy with the other ending is the same night
    nights = [_describe(path, folder, recordings) for path in recordings]
    return require_nights(nights, folder, "N/N.rec, N being the number of the subject", len(files))


def _describe(path: Path, folder: Path, recordings: list[Path]) -> Night:
    parents = [folder.resolve().name, *path.relative_to(folder).parent.parts]
    subgroup = next((_ROMAN.get(m[1], m[1].upper()) for name in reversed(parents) if (m := _SUBGROUP.search(name))), "")
    numbers = parents[-2:] if _is_visit(path, recordings) else parents[-1:]
    subject, night = ("-".join(filter(None, (subgroup, *some))) for some in (numbers[:1], numbers))
    return Night("isruc", subject, night, path, tuple(_iterate_scorings(path)), LEADS)


def _is_visit(path: Path, recordings: list[Path]) -> bool:
    """Whether a recording is one of two nights of a subject, S/1/1.rec and S/2/2.rec: subgroup II."""
    above = path.parent.parent
    return above.name.isdecimal() and {one.parent.name for one in recordings if one.parent.parent == above} <= {
        "1",
        "2",
    }


def _iterate_scorings(path: Path) -> Iterator[Scoring]:
    for scorer in ("1", "2"):
        text, sheet = (path.with_name(f"{path.stem}_{scorer}.{ending}") for ending in ("txt", "xlsx"))
        if text.is_file():
            yield Scoring(text, f"scorer {scorer}", read_lines)
        elif sheet.is_file():
            yield Scoring(sheet, f"scorer {scorer}", read_spreadsheet)


def read_lines(path: Path, recording: Recording) -> Hypnogram:
    """Read a scorer's text.

    Blank lines between stages are epochs without a stage only where the count of lines then fits the
    signal, and passed over otherwise; either is said.

    Raises
    ------
    UnreadableHypnogramError
    """
    stages, n_epochs = read_code_lines(path, STAGES), int((recording.duration_s + 1e-6) // EPOCH_S)
    scored = tuple(stage for stage in stages if stage)
    n_blank = len(stages) - len(scored)
    if n_blank and len(stages) == n_epochs != len(scored):
        stages, note = tuple(stage or UNSCORED for stage in stages), f"{n_blank} blank line(s) were taken for epochs"
    else:
        stages, note = scored, f"{n_blank} blank line(s) were passed over"
    notes = (f"{note}: there are {len(stages)} stages for {n_epochs} epochs of signal.",) if n_blank else ()
    return Hypnogram(stages, notes=(*notes, *_tell_length(len(stages), n_epochs)))


def _tell_length(n_stages: int, n_epochs: int) -> Iterator[str]:
    if n_stages > n_epochs:
        yield (
            f"The scoring has {n_stages - n_epochs} epoch(s) more than the signal: both were taken to begin together, "
            "and the last ones are dropped."
        )
    elif n_stages == n_epochs:
        yield "The scoring is as long as the signal: no epoch is dropped at its end."
    else:
        n_fewer = n_epochs - n_stages
        yield f"The scoring has {n_fewer} epoch(s) fewer than the signal: both were taken to begin together."


def read_spreadsheet(path: Path, recording: Recording) -> Hypnogram:
    """Read a scorer's spreadsheet: the column 'Stage', or the second where no heading names it.

    Rows whose text is no stage leave their epoch UNSCORED, and a note says so.

    Raises
    ------
    UnreadableHypnogramError
    """
    rows = read_sheet(path)
    headings = [cell.lower() for cell in rows[0]]
    column = headings.index("stage") if "stage" in headings else 1
    texts = [row[column] for row in rows[int("stage" in headings) :] if len(row) > column]
    while texts and not texts[-1]:
        texts.pop()
    stages = [parse_stage(text) for text in texts]
    if not any(stage not in (None, UNSCORED) for stage in stages):
        raise UnreadableHypnogramError(
            f"{path.name} holds no stage. Looked for a column 'Stage', else in the second. Name the scorer's file."
        )
    found = Hypnogram(tuple(stage or UNSCORED for stage in stages))
    n_unknown, n_epochs = stages.count(None), int((recording.duration_s + 1e-6) // EPOCH_S)
    notes = (f"{n_unknown} row(s) hold no known stage and are UNSCORED.",) if n_unknown else ()
    return replace(found, notes=(*notes, *_tell_length(len(found), n_epochs)))

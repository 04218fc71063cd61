"""Counts over the shards of a dataset: epochs by cohort, split and stage, and by derivation and quality.

A shard is opened once, and only its narrow columns are read: never its pictures.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from somnolens.aasm import EPOCH_S, STAGES, UNSCORED
from somnolens.dataset.splits import SPLITS
from somnolens.epochs import QUALITY

STATISTICS_FILE, QUALITY_FILE = "statistics.csv", "quality.csv"

DRAWN_STAGES = (*STAGES, UNSCORED)
"""What an epoch of a shard can be scored."""

READERS = 8
"""Shards read side by side: on a remote store each waits for the network."""

_COLUMNS = ["cohort", "subject", "night", "split", "onset_s", "stage", "quality"]


@dataclass(frozen=True, eq=False)
class NightCounts:
    """What one shard holds.

    Parameters
    ----------
    shard : Path
    cohort, subject, night, split : str
    step_s : float
        From the beginning of one epoch to that of the next, so that epochs which overlap (scored in 20 s,
        drawn in 30 s) are not counted as more sleep than there was.
    stages : dict of str to int
        Epochs of each stage that occurs.
    quality : ndarray of int, shape (n_derivations, n_words)
        Epochs of each derivation by the words of `epochs.QUALITY`.
    """

    shard: Path
    cohort: str
    subject: str
    night: str
    split: str
    step_s: float
    stages: dict[str, int]
    quality: np.ndarray


def count_nights(shards: Iterable[Path]) -> list[NightCounts]:
    """Count every shard, in the given order."""
    with ThreadPoolExecutor(READERS) as readers:
        return list(readers.map(count_night, shards))


def count_night(shard: Path) -> NightCounts:
    """Count the epochs of one shard."""
    with shard.open("rb") as stream, pq.ParquetFile(stream) as file:
        table = file.read(columns=_COLUMNS)
    about = {name: table[name][0].as_py() for name in ("cohort", "subject", "night", "split")}
    return NightCounts(
        shard,
        **about,
        step_s=_measure_step(table["onset_s"].to_numpy()),
        stages=dict(sorted(Counter(table["stage"].to_pylist()).items())),
        quality=_count_words(table["quality"], table.num_rows),
    )


def _measure_step(onset_s: np.ndarray) -> float:
    return float(onset_s[-1] - onset_s[0]) / (len(onset_s) - 1) if len(onset_s) > 1 else float(EPOCH_S)


def _count_words(quality: pa.ChunkedArray, n_epochs: int) -> np.ndarray:
    codes = pc.index_in(pc.list_flatten(quality), pa.array(QUALITY)).to_numpy().reshape(n_epochs, -1)
    return np.stack([np.bincount(column, minlength=len(QUALITY)) for column in codes.T])


def tabulate_stages(nights: Sequence[NightCounts]) -> list[dict[str, Any]]:
    """A line for each cohort, split and stage.

    Subjects and nights are those with at least one epoch of the stage; hours are epochs times the step from one
    to the next; the share is of the epochs of that cohort and split.
    """
    groups: dict[tuple[str, str], list[NightCounts]] = {}
    for night in nights:
        groups.setdefault((night.cohort, night.split), []).append(night)
    return [
        {"cohort": cohort, "split": split, "stage": stage, **_tabulate_stage(members, stage)}
        for (cohort, split), members in sorted(groups.items(), key=lambda item: _place(*item[0]))
        for stage in DRAWN_STAGES
    ]


def _place(cohort: str, split: str) -> tuple[str, int]:
    return cohort, SPLITS.index(split)


def _tabulate_stage(nights: Sequence[NightCounts], stage: str) -> dict[str, Any]:
    having = [night for night in nights if stage in night.stages]
    n_epochs = sum(night.stages[stage] for night in having)
    return {
        "subjects": len({night.subject for night in having}),
        "nights": len(having),
        "epochs": n_epochs,
        "hours": round(sum(night.stages[stage] * night.step_s for night in having) / 3600, 4),
        "share": round(n_epochs / sum(sum(night.stages.values()) for night in nights), 4),
    }


def tabulate_quality(nights: Sequence[NightCounts], derivations: Sequence[str]) -> list[dict[str, Any]]:
    """A line for each cohort and derivation: epochs by the words of `epochs.QUALITY`."""
    cohorts = sorted({night.cohort for night in nights})
    sums = {cohort: sum(night.quality for night in nights if night.cohort == cohort) for cohort in cohorts}
    return [
        {"cohort": cohort, "derivation": name} | dict(zip(QUALITY, map(int, counts), strict=True))
        for cohort in cohorts
        for name, counts in zip(derivations, sums[cohort], strict=True)
    ]


def format_csv(rows: Sequence[dict[str, Any]]) -> bytes:
    """A table with the keys of its first row as its head."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()

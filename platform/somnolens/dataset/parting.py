"""Parts of a dataset by cohort: one left out of training, or one alone.

Nothing is copied: a part is another reading of the same folder, told by another manifest.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from somnolens.dataset.splits import SPLITS
from somnolens.dataset.statistics import NightCounts
from somnolens.errors import DatasetError
from somnolens.provenance import fingerprint


def leave_out(manifest: Mapping[str, Any], counts: Sequence[NightCounts], cohort: str) -> dict[str, Any]:
    """The manifest of a dataset that learns from all cohorts but one, and is tested on all nights of that one.

    Training and validation nights of the others stay what they are; their test nights are in no split, so that
    nothing of another cohort is among what is told of this one.

    Parameters
    ----------
    manifest : mapping
        Contents of `dataset.json`.
    counts : sequence of NightCounts
        Of every night of it.
    cohort : str

    Raises
    ------
    DatasetError
        Where there is no such cohort, or no other.
    """
    _check(manifest, cohort)
    if len(manifest["cohorts"]) < 2:
        raise DatasetError(
            f"The dataset holds no cohort but {cohort}, so that nothing is left to learn from. Build a dataset of "
            "several cohorts."
        )
    rows = [
        row | {"split": "test" if row["cohort"] == cohort else row["split"]} for row in _tell_rows(manifest, counts)
    ]
    kept = [row for row in rows if row["cohort"] == cohort or row["split"] != "test"]
    return _rewrite(manifest, kept, counts, {"without": cohort}) | {
        "cohorts": [name for name in manifest["cohorts"] if name != cohort]
    }


def keep_one(manifest: Mapping[str, Any], counts: Sequence[NightCounts], cohort: str) -> dict[str, Any]:
    """The manifest of one cohort alone, every night in the split it has.

    Raises
    ------
    DatasetError
        Where there is no such cohort.
    """
    _check(manifest, cohort)
    kept = [row for row in _tell_rows(manifest, counts) if row["cohort"] == cohort]
    return _rewrite(manifest, kept, counts, {"only": cohort}) | {"cohorts": [cohort]}


def _check(manifest: Mapping[str, Any], cohort: str) -> None:
    if cohort not in manifest["cohorts"]:
        raise DatasetError(f"The dataset holds no cohort {cohort!r}; there are {', '.join(manifest['cohorts'])}.")


def _tell_rows(manifest: Mapping[str, Any], counts: Sequence[NightCounts]) -> list[dict[str, str]]:
    """Rows with the cohort, and the split whose folder the shard lies in."""
    cohorts = {night.night: night.cohort for night in counts}
    return [row | {"cohort": cohorts[row["night"]], "lies_in": row["split"]} for row in manifest["nights"]]


def _rewrite(
    manifest: Mapping[str, Any], rows: list[dict[str, str]], counts: Sequence[NightCounts], change: dict[str, str]
) -> dict[str, Any]:
    stages = {night.night: Counter(night.stages) for night in counts}
    by_split = {split: [row for row in rows if row["split"] == split] for split in SPLITS}
    return dict(manifest) | {
        "nights": rows,
        "subjects": {split: sorted({row["subject"] for row in these}) for split, these in by_split.items()},
        "epochs": {
            split: dict(sorted(sum((stages[row["night"]] for row in these), Counter()).items()))
            for split, these in by_split.items()
        },
        "fingerprint": fingerprint([manifest["fingerprint"], change]),
    }

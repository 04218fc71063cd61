"""Shards written by hand, with nothing in them but what a test counts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from somnolens.dataset.rows import locate_shard
from somnolens.render.png import encode_png

SIZE_PX = (40, 400)
"""Height and width; wide enough for whole captions."""


def write_shard(
    folder: Path, night: tuple[str, str, str, str], stages: Sequence[str], words: Sequence[str], step_s: float = 30.0
) -> Path:
    """Write the shard of a night: cohort, subject, name and split; the same quality words in every epoch.

    The picture of epoch n is all of palette index n.
    """
    cohort, subject, name, split = night
    n = len(stages)
    palette = np.zeros((256, 3), np.uint8)
    images = [{"bytes": encode_png(np.full(SIZE_PX, epoch, np.uint8), palette), "path": None} for epoch in range(n)]
    columns = {
        "cohort": [cohort] * n,
        "subject": [subject] * n,
        "night": [name] * n,
        "split": [split] * n,
        "epoch": list(range(n)),
        "onset_s": [7.0 + step_s * epoch for epoch in range(n)],
        "stage": list(stages),
        "quality": [list(words)] * n,
        "image": images,
    }
    path = locate_shard(folder, split, name)
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table(columns), path, row_group_size=3)
    return path

"""A page of pictures for each stage of each cohort, so that a person sees what a dataset holds."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from somnolens.dataset.statistics import DRAWN_STAGES, NightCounts
from somnolens.render.png import decode_png
from somnolens.render.sheet import Section, Tile, compose_sheet, encode_sheet
from somnolens.render.style import Style
from somnolens.storage import write_bytes

SHEETS_FOLDER = "contact-sheets"

MOST_TILES = 12

_UNFIT = re.compile(r"[^\w.-]+")
"""What a file name does without."""

_ROOM_PX = 1376
"""Width of a sheet's tiles: three of 448 px, with their gaps."""


def write_contact_sheets(folder: Path, nights: Sequence[NightCounts], style: Style) -> dict[tuple[str, str], str]:
    """Write `contact-sheets/{cohort}-{stage}.png` for every stage that occurs; sheets of an earlier build go.

    Which epochs are shown depends on the dataset alone, not on the order in which its nights ended.

    Returns
    -------
    dict
        File name of the sheet, relative to `folder`, by cohort and stage.
    """
    written = {}
    for cohort in sorted({night.cohort for night in nights}):
        for stage in DRAWN_STAGES:
            having = [night for night in nights if night.cohort == cohort and stage in night.stages]
            if having:
                name = f"{SHEETS_FOLDER}/{_UNFIT.sub('-', cohort)}-{stage}.png"
                write_bytes(folder / name, encode_sheet(_compose(cohort, stage, having, style)))
                written[cohort, stage] = name
    for path in (folder / SHEETS_FOLDER).glob("*.png"):
        if f"{SHEETS_FOLDER}/{path.name}" not in written.values():
            path.unlink()
    return written


def _compose(cohort: str, stage: str, nights: Sequence[NightCounts], style: Style) -> np.ndarray:
    shares = share_tiles([(night.subject, night.night, night.stages[stage]) for night in nights])
    shards = {night.night: night for night in nights}
    tiles = []
    for name, places in shares.items():
        pictures = _read_pictures(shards[name].shard, stage, places)
        about = f"night {name}, subject {shards[name].subject}"
        tiles += [Tile(style.palette[picture], f"epoch {epoch}, {about}") for epoch, picture in pictures.items()]
    n_columns = min(3, max(1, round(_ROOM_PX / style.render.width_px)))
    n_epochs, n_subjects = sum(night.stages[stage] for night in nights), len({night.subject for night in nights})
    note = f"{n_epochs:,} epochs in {len(nights):,} nights of {n_subjects:,} subjects, {len(tiles)} of them here"
    return compose_sheet(f"{cohort}: {stage}", note, [Section(tiles, n_columns, _ROOM_PX // n_columns)])


def _read_pictures(shard: Path, stage: str, places: Sequence[int]) -> dict[int, np.ndarray]:
    """Palette indices by epoch; of the shard's row groups only those that hold them are read."""
    with shard.open("rb") as stream, pq.ParquetFile(stream) as file:
        of_stage = pc.equal(file.read(columns=["stage"])["stage"], stage).to_numpy()
        rows = np.flatnonzero(of_stage)[list(places)]
        ends = np.cumsum([file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)])
        pictures = {}
        for group in np.unique(np.searchsorted(ends, rows, side="right")):
            table = file.read_row_group(int(group), columns=["epoch", "image"])
            first = ends[group] - table.num_rows
            for row in rows[(rows >= first) & (rows < ends[group])] - first:
                pictures[table["epoch"][row].as_py()] = decode_png(table["image"][row].as_py()["bytes"])
        return pictures


def share_tiles(nights: Sequence[tuple[str, str, int]], n_tiles: int = MOST_TILES) -> dict[str, list[int]]:
    """Which epochs of a stage stand on its sheet.

    Tiles go to subjects first, evenly spaced by name, then to their nights, then to epochs evenly spaced over
    the night.

    Parameters
    ----------
    nights : sequence of (subject, night, number of epochs of the stage)
    n_tiles : int

    Returns
    -------
    dict
        By night, in order of subject and night: places among its epochs of the stage, from 0.

    Examples
    --------
    >>> share_tiles([("B", "B1", 9), ("A", "A1", 9), ("A", "A2", 9)], n_tiles=4)
    {'A1': [4], 'A2': [4], 'B1': [2, 6]}
    """
    order = sorted(nights)
    subjects = list(dict.fromkeys(subject for subject, _, _ in order))
    chosen = [subjects[place] for place in _spread(len(subjects), n_tiles)]
    waiting = {one: [(night, n) for subject, night, n in order if subject == one] for one in chosen}
    tiles = _deal(list(waiting.values()), n_tiles)
    return {night: _spread(n, tiles[night]) for _, night, n in order if night in tiles}


def _deal(queues: Sequence[list[tuple[str, int]]], n_tiles: int) -> Counter[str]:
    """Tiles by night: one to each subject in turn, whose nights take turns as well."""
    tiles: Counter[str] = Counter()
    while any(queues) and tiles.total() < n_tiles:
        for queue in [queue for queue in queues if queue][: n_tiles - tiles.total()]:
            night, n_epochs = queue.pop(0)
            tiles[night] += 1
            if tiles[night] < n_epochs:
                queue.append((night, n_epochs))
    return tiles


def _spread(n: int, n_wanted: int) -> list[int]:
    """Places of at most `n_wanted` out of `n`, evenly spaced.

    Examples
    --------
    >>> _spread(9, 2), _spread(3, 5)
    ([2, 6], [0, 1, 2])
    """
    n_wanted = min(n, n_wanted)
    return [(2 * place + 1) * n // (2 * n_wanted) for place in range(n_wanted)]

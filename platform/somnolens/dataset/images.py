"""Pictures of many nights, each read from its place when it is asked for.

Pictures lie in a shard uncompressed, one behind the other. So a group of rows is looked through once, when its first
picture is wanted, and from then on a picture is read from its own place. What does not lie open like that (in an object
store, written by another program, drawn anew from signals) goes into a temporary file on this machine the first time.
What stays in memory is the place of every picture, 16 bytes a row.
"""

import os
import tempfile
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from somnolens.aasm import STAGES
from somnolens.dataset.manifest import Dataset, encode_stages
from somnolens.errors import DatasetError
from somnolens.storage import is_here, read_span

_COLUMN = "image.bytes"
_BEGIN, _END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_SCANNED_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Group:
    """A row group of a shard.

    Parameters
    ----------
    night : str
    number : int
        Among the groups of the shard.
    shard : Path
    start, stop : int
        Bytes of the shard in which its pictures lie.
    n_rows : int
    lies_open : bool
        Whether pictures stand in those bytes as they are.
    """

    night: str
    number: int
    shard: Path
    start: int
    stop: int
    n_rows: int
    lies_open: bool


@dataclass(frozen=True, eq=False)
class Labelled:
    """Scored epochs of a split, in the order of its nights.

    Parameters
    ----------
    codes : ndarray of int, shape (n_rows,)
        Index into `aasm.STAGES`.
    soft_labels : ndarray of float32, shape (n_rows, 5)
    images : ShardImages
        Of the scored epochs; of all epochs where there are windows.
    windows : ndarray of int, shape (n_rows, n_pictures), or None
        Places among the images of each row and its neighbours, -1 beyond the ends of a night; None for rows alone.
    """

    codes: np.ndarray
    soft_labels: np.ndarray
    images: "ShardImages"
    windows: np.ndarray | None = None


class ShardImages(Sequence[bytes]):
    """PNG of each row; may be asked by several threads.

    Parameters
    ----------
    dataset : Dataset
    groups : sequence of Group
    group_of, row_of : ndarray of int, shape (n_rows,)
        Group of each row, and its number in there.
    """

    def __init__(self, dataset: Dataset, groups: Sequence[Group], group_of: np.ndarray, row_of: np.ndarray) -> None:
        self._dataset, self._groups, self._group_of, self._row_of = dataset, groups, group_of, row_of
        self._spans: dict[int, np.ndarray] = {}
        self._spool = _Spool()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._group_of)

    def __getitem__(self, place: int) -> bytes:
        number = int(self._group_of[place])
        if number not in self._spans:
            with self._lock:
                if number not in self._spans:
                    self._spans[number] = self._look_through(self._groups[number])
        start, stop = self._spans[number][self._row_of[place]]
        if start < 0:
            return self._spool.read(-start - 1, -stop - 1)
        return read_span(self._groups[number].shard, int(start), int(stop))

    def _look_through(self, group: Group) -> np.ndarray:
        """Spans of the pictures of a group: of the shard, or of the temporary file, where they count down from -1."""
        if self._dataset.drawn_anew:
            return self._spool.keep(self._dataset.read_images(group.night, group.number))
        column = read_span(group.shard, group.start, group.stop) if group.lies_open else b""
        spans = find_images(column)
        if len(spans) != group.n_rows:
            return self._spool.keep(self._dataset.read_images(group.night, group.number))
        if is_here(group.shard):
            return spans + group.start
        return self._spool.keep([column[start:stop] for start, stop in spans])


class _Spool:
    """A file without a name, which is gone with this process."""

    def __init__(self) -> None:
        self._file, self._size = None, 0

    def _open(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="somnolens-", buffering=0)  # noqa: SIM115 - it stays open
        weakref.finalize(self, self._file.close)

    def keep(self, images: Sequence[bytes]) -> np.ndarray:
        if self._file is None:
            self._open()
        ends = self._size + np.cumsum([len(image) for image in images])
        try:
            for left in map(memoryview, images):
                while left:
                    left = left[self._file.write(left) :]
        except OSError as error:
            raise DatasetError(
                f"Pictures could not be kept in {tempfile.gettempdir()} ({error.strerror}). Make room there, or set "
                "TMPDIR to a folder of a disk that holds the pictures of the training split."
            ) from None
        starts = np.concatenate([[self._size], ends[:-1]])
        self._size = int(ends[-1])
        return -1 - np.stack([starts, ends], axis=1)

    def read(self, start: int, stop: int) -> bytes:
        return os.pread(self._file.fileno(), int(stop - start), int(start))


def find_images(column: bytes) -> np.ndarray:
    """Where pictures stand in the bytes of a Parquet column that is neither compressed nor coded.

    Each is there as it is, behind its length in four bytes, little-endian. Source: Apache Parquet format, Encodings,
    PLAIN, BYTE_ARRAY.

    Returns
    -------
    ndarray of int64, shape (n_images, 2)
        First byte of each, and the one behind it.
    """
    spans, at = [], 0
    while (at := column.find(_BEGIN, at)) >= 0:
        stop = at + int.from_bytes(column[max(0, at - 4) : at], "little")
        whole = stop <= len(column) and column.endswith(_END, at, stop)
        if whole:
            spans.append((at, stop))
        at = stop if whole else at + 1
    return np.array(spans, dtype=np.int64).reshape(-1, 2)


def read_labelled(dataset: Dataset, split: str, n_pictures: int = 1) -> Labelled:
    """Stages, soft labels and pictures of the scored epochs of a split, night by night in order.

    Parameters
    ----------
    dataset : Dataset
    split : str
    n_pictures : int
        Of each row: itself, and as many before it as after it, scored or not.
    """
    nights = dataset.nights(split)
    with ThreadPoolExecutor(_SCANNED_AT_ONCE) as threads:
        scans = list(threads.map(lambda night: _scan(dataset, night), nights))
    groups: list[Group] = []
    codes, soft_labels, group_of, row_of = [np.empty(0, int)], [np.empty((0, len(STAGES)), np.float32)], [], []
    windows, n_images = [np.empty((0, n_pictures), int)], 0
    for stages, softened, found in scans:
        scored = np.flatnonzero(stages >= 0)
        codes.append(stages[scored])
        soft_labels.append(softened[scored])
        kept = scored if n_pictures == 1 else np.arange(len(stages))
        sizes = [group.n_rows for group in found]
        group_of.append(np.repeat(np.arange(len(found), dtype=np.int32) + len(groups), sizes)[kept])
        row_of.append(np.concatenate([np.arange(size, dtype=np.int32) for size in sizes])[kept])
        windows.append(_place_windows(scored, len(stages), n_pictures, n_images))
        groups += found
        n_images += len(kept)
    images = ShardImages(dataset, groups, *(np.concatenate([np.empty(0, np.int32), *of]) for of in (group_of, row_of)))
    beside = None if n_pictures == 1 else np.concatenate(windows)
    return Labelled(np.concatenate(codes), np.concatenate(soft_labels), images, beside)


def _place_windows(scored: np.ndarray, n_epochs: int, n_pictures: int, n_before: int) -> np.ndarray:
    """Places of the scored epochs of a night and their neighbours, behind the images of the nights before.

    Examples
    --------
    >>> _place_windows(np.array([0, 2]), n_epochs=3, n_pictures=3, n_before=10).tolist()
    [[-1, 10, 11], [11, 12, -1]]
    """
    places = scored[:, None] + np.arange(n_pictures) - n_pictures // 2
    return np.where((places < 0) | (places >= n_epochs), -1, places + n_before)


def _scan(dataset: Dataset, night: str) -> tuple[np.ndarray, np.ndarray, list[Group]]:
    """Stage codes, soft labels and row groups of a night; no picture is read."""
    with dataset.open_shard(night) as file:
        table, metadata = file.read(columns=["stage", "soft_label"]), file.metadata
        column = [file.schema.column(n).path for n in range(len(file.schema))].index(_COLUMN)
    shard = dataset.locate(night)
    groups = [_describe(night, n, shard, metadata.row_group(n), column) for n in range(metadata.num_row_groups)]
    return encode_stages(table["stage"].to_pylist()), _take_soft_labels(table["soft_label"]), groups


def _describe(night: str, number: int, shard: Path, group: pq.RowGroupMetaData, column: int) -> Group:
    image = group.column(column)
    start = image.data_page_offset
    lies_open = image.compression == "UNCOMPRESSED" and image.dictionary_page_offset is None
    return Group(night, number, shard, start, start + image.total_compressed_size, group.num_rows, lies_open)


def _take_soft_labels(column: pa.ChunkedArray) -> np.ndarray:
    """Shares as float32, shape (n_epochs, 5); not a number where nobody gave one."""
    labels = np.full((len(column), len(STAGES)), np.nan, dtype=np.float32)
    given = column.is_valid().to_numpy()
    labels[given] = column.drop_null().combine_chunks().flatten().to_numpy().reshape(-1, len(STAGES))
    return labels

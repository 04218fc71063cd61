"""One night to one Parquet shard: a row per epoch, with its picture."""

import io
import json
import resource
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from somnolens.aasm import EPOCH_S
from somnolens.config import DatasetSettings, PrepareSettings
from somnolens.dataset.time_limit import limit_time
from somnolens.epochs import QUALITY, Epochs
from somnolens.errors import describe_error
from somnolens.hypnogram import Hypnogram
from somnolens.prepare.night import align, prepare_epochs
from somnolens.read.night import Night, bring_night, read_drawn, read_stages
from somnolens.read.scorers import share_votes
from somnolens.render.pictures import render_epochs
from somnolens.render.png import encode_png
from somnolens.render.style import Style
from somnolens.storage import write_bytes

SCHEMA = pa.schema(
    [
        ("cohort", pa.string()),
        ("subject", pa.string()),
        ("night", pa.string()),
        ("split", pa.string()),
        ("epoch", pa.int32()),
        ("onset_s", pa.float64()),
        ("stage", pa.string()),
        ("scorer", pa.string()),
        ("scorers", pa.list_(pa.string())),
        ("scorer_stages", pa.list_(pa.string())),
        ("soft_label", pa.list_(pa.float32())),
        ("quality", pa.list_(pa.string())),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("render_hash", pa.string()),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}}}})},
)
"""Columns of every shard; `image` is what the Hugging Face `datasets` library shows as a picture.

`scorer_stages` has the stage of each of the `scorers`; `soft_label` the share of them for each stage, in the
order of `aasm.STAGES`, and is null where nobody gave one.
"""

SIGNAL_FIELDS = (pa.field("signals", pa.binary()), pa.field("uv_per_step", pa.list_(pa.float32())))
SIGNAL_NAMES = [field.name for field in SIGNAL_FIELDS]
"""Columns of a shard that keeps signals: int16, derivation after derivation, and the microvolts of one step of each."""

ROWS_PER_GROUP = 120


@dataclass(frozen=True)
class ShardReport:
    """What became of one night: a line of `nights.csv`, or of `failures.csv` where `error` is not empty.

    `peak_mb` is the most memory that the process had held until then, in megabytes.
    """

    cohort: str
    subject: str
    night: str
    split: str
    n_epochs: int = 0
    n_unscored: int = 0
    seconds: float = 0.0
    peak_mb: float = 0.0
    notes: str = ""
    kind: str = ""
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def locate_shard(dataset: Path, split: str, night: str) -> Path:
    """Where the shard of a night lies: a folder for each split, so that other readers find them by a pattern."""
    return dataset / name_shard(split, night)


def name_shard(split: str, night: str) -> str:
    """The same, relative to the dataset."""
    return f"shards/{split}/night={night}/part-0.parquet"


def build_shard(night: Night, split: str, style: Style, dataset: Path, settings: DatasetSettings) -> ShardReport:
    """Read, prepare, render and write one night, whole or not at all.

    Whatever is wrong with the night becomes its report: a bad file neither stops the others nor
    disappears. A bug of ours becomes one too: see `errors.describe_error`.
    """
    started = time.perf_counter()
    about = {"cohort": night.cohort, "subject": night.subject, "night": night.night, "split": split}
    try:
        with limit_time(settings.max_night_s, f"Night {night.night}"), bring_night(night) as here:
            scored = read_night(here, style.prepare)
            content = encode_shard(night, split, style, scored, settings.keep_signals)
        write_bytes(locate_shard(dataset, split, night.night), content)
    except Exception as error:
        kind, text = describe_error(error)
        return ShardReport(**about, kind=kind, error=text, seconds=_since(started), peak_mb=_measure_peak())
    return ShardReport(
        **about,
        n_epochs=len(scored.epochs),
        n_unscored=scored.hypnogram.stages.count("UNSCORED"),
        seconds=_since(started),
        peak_mb=_measure_peak(),
        notes=" ".join((*scored.epochs.notes, *scored.hypnogram.notes)),
    )


@dataclass(frozen=True, eq=False)
class ScoredNight:
    """Epochs of a night and what was said of each.

    Parameters
    ----------
    epochs : Epochs
    hypnogram : Hypnogram
        Of the scorer, or the consensus of several; all UNSCORED where nobody scored.
    scorers : tuple of Hypnogram
        Of each scorer, on the same epochs.
    """

    epochs: Epochs
    hypnogram: Hypnogram
    scorers: tuple[Hypnogram, ...] = ()


def read_night(night: Night, settings: PrepareSettings) -> ScoredNight:
    """Read a night and its scoring on one grid of epochs."""
    recording, montage = read_drawn(night.recording_path, night.channels, night.leads)
    hypnogram, scorers = read_stages(night, recording)
    epochs = prepare_epochs(
        recording,
        montage,
        settings.sampling_rate_hz,
        settings.mains_hz,
        start_s=hypnogram.start_s if hypnogram else 0.0,
        step_s=hypnogram.step_s if hypnogram else float(EPOCH_S),
    )
    if hypnogram is None:
        return ScoredNight(epochs, Hypnogram(("UNSCORED",) * len(epochs), scorer="nobody"))
    epochs, hypnogram = align(epochs, hypnogram)
    return ScoredNight(epochs, hypnogram, tuple(align(epochs, one)[1] for one in scorers))


def encode_shard(night: Night, split: str, style: Style, scored: ScoredNight, keep_signals: bool = False) -> bytes:
    """Parquet file of a night; equal input gives equal bytes. Only one row group's pictures are held at a time."""
    schema = pa.schema([*SCHEMA, *SIGNAL_FIELDS], SCHEMA.metadata) if keep_signals else SCHEMA
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, schema, compression={"image.bytes": "none"}, use_dictionary=_repeated()) as writer:
        for first in range(0, len(scored.epochs), ROWS_PER_GROUP):
            rows = slice(first, min(first + ROWS_PER_GROUP, len(scored.epochs)))
            columns = _describe_rows(night, split, style, scored, rows)
            if keep_signals:
                columns |= zip(SIGNAL_NAMES, _encode_signals(scored.epochs.signals_uv[rows]), strict=True)
            writer.write_table(pa.table(columns, schema=schema))
    return sink.getvalue()


def _describe_rows(night: Night, split: str, style: Style, scored: ScoredNight, rows: slice) -> dict[str, Any]:
    """Columns of a stretch of epochs."""
    epochs, n = scored.epochs, rows.stop - rows.start
    pictures = render_epochs(epochs, style, rows.start, rows.stop)
    numbers = np.arange(rows.start, rows.stop, dtype=np.int32)
    return {
        "cohort": [night.cohort] * n,
        "subject": [night.subject] * n,
        "night": [night.night] * n,
        "split": [split] * n,
        "epoch": numbers,
        "onset_s": epochs.start_s + epochs.step_s * numbers,
        "stage": scored.hypnogram.stages[rows],
        "scorer": [scored.hypnogram.scorer] * n,
        "scorers": [[one.scorer for one in scored.scorers]] * n,
        "scorer_stages": list(zip(*(one.stages[rows] for one in scored.scorers), strict=True)) or [[]] * n,
        "soft_label": _soften(scored.scorers, rows),
        "quality": [[QUALITY[code] for code in codes] for codes in epochs.quality[rows]],
        "image": [{"bytes": encode_png(picture, style.palette), "path": None} for picture in pictures],
        "render_hash": [style.hash] * n,
    }


def _soften(scorers: tuple[Hypnogram, ...], rows: slice) -> list[np.ndarray | None]:
    """Share of the scorers for each stage, epoch by epoch; None where nobody gave one."""
    if not scorers:
        return [None] * (rows.stop - rows.start)
    codes = np.stack([one.codes()[rows] for one in scorers])
    voted = (codes >= 0).any(axis=0)
    return [row if known else None for row, known in zip(share_votes(codes).astype(np.float32), voted, strict=True)]


def _encode_signals(signals_uv: np.ndarray) -> tuple[list[bytes], list[np.ndarray]]:
    """Each epoch of each derivation over its own range, in 65,534 steps."""
    uv_per_step = np.maximum(np.abs(signals_uv).max(axis=2), 1e-3) / np.float32(32_767)
    steps = np.rint(signals_uv / uv_per_step[:, :, None]).astype("<i2")
    return [epoch.tobytes() for epoch in steps], list(uv_per_step)


def decode_signals(signals: list[bytes], uv_per_step: np.ndarray) -> np.ndarray:
    """Signals kept in a shard, in microvolts.

    Parameters
    ----------
    signals : list of bytes, one per epoch
    uv_per_step : ndarray, shape (n_epochs, n_derivations)

    Returns
    -------
    ndarray of float32, shape (n_epochs, n_derivations, n_samples)
    """
    steps = np.stack([np.frombuffer(epoch, dtype="<i2") for epoch in signals]).astype(np.float32)
    return steps.reshape(*uv_per_step.shape, -1) * uv_per_step[:, :, None].astype(np.float32)


def _repeated() -> list[str]:
    """Columns worth a dictionary."""
    plain = ["cohort", "subject", "night", "split", "stage", "scorer", "render_hash"]
    return plain + [f"{name}.list.element" for name in ("quality", "scorers", "scorer_stages")]


def _measure_peak() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 3)

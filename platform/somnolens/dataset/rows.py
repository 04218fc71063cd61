"""One night to one Parquet shard: a row per epoch, with its picture."""

import io
import json
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
from somnolens.provenance import write_bytes
from somnolens.read.night import Night, read_drawn, read_stages
from somnolens.render.pictures import render_epochs
from somnolens.render.png import encode_png
from somnolens.render.style import Style

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
        ("quality", pa.list_(pa.string())),
        ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
        ("render_hash", pa.string()),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}}}})},
)
"""Columns of every shard; `image` is what the Hugging Face `datasets` library shows as a picture."""

SIGNAL_FIELDS = (pa.field("signals", pa.binary()), pa.field("uv_per_step", pa.list_(pa.float32())))
"""Columns of a shard that keeps signals: int16, derivation after derivation, and the microvolts of one step of each."""

ROWS_PER_GROUP = 120


@dataclass(frozen=True)
class ShardReport:
    """What became of one night: a line of `nights.csv`, or of `failures.csv` where `error` is not empty."""

    cohort: str
    subject: str
    night: str
    split: str
    n_epochs: int = 0
    n_unscored: int = 0
    seconds: float = 0.0
    notes: str = ""
    kind: str = ""
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def locate_shard(dataset: Path, split: str, night: str) -> Path:
    """Where the shard of a night lies: a folder for each split, so that other readers find them by a pattern."""
    return dataset / "shards" / split / f"night={night}" / "part-0.parquet"


def build_shard(night: Night, split: str, style: Style, dataset: Path, settings: DatasetSettings) -> ShardReport:
    """Read, prepare, render and write one night, whole or not at all.

    Whatever is wrong with the night becomes its report: a bad file neither stops the others nor
    disappears. A bug of ours becomes one too: see `errors.describe_error`.
    """
    started = time.perf_counter()
    about = {"cohort": night.cohort, "subject": night.subject, "night": night.night, "split": split}
    try:
        with limit_time(settings.max_night_s, f"Night {night.night}"):
            epochs, hypnogram = read_night(night, style.prepare)
            content = encode_shard(night, split, style, epochs, hypnogram, settings.keep_signals)
        write_bytes(locate_shard(dataset, split, night.night), content)
    except Exception as error:
        kind, text = describe_error(error)
        return ShardReport(**about, kind=kind, error=text, seconds=_since(started))
    return ShardReport(
        **about,
        n_epochs=len(epochs),
        n_unscored=hypnogram.stages.count("UNSCORED"),
        seconds=_since(started),
        notes=" ".join((*epochs.notes, *hypnogram.notes)),
    )


def read_night(night: Night, settings: PrepareSettings) -> tuple[Epochs, Hypnogram]:
    """Read a night and its scoring on one grid of epochs; without scoring all stages are UNSCORED."""
    recording, montage = read_drawn(night.recording_path, night.channels, night.leads)
    hypnogram = read_stages(night, recording)
    epochs = prepare_epochs(
        recording,
        montage,
        settings.sampling_rate_hz,
        settings.mains_hz,
        start_s=hypnogram.start_s if hypnogram else 0.0,
        step_s=hypnogram.step_s if hypnogram else float(EPOCH_S),
    )
    if hypnogram is None:
        return epochs, Hypnogram(("UNSCORED",) * len(epochs), scorer="nobody")
    return align(epochs, hypnogram)


def encode_shard(
    night: Night, split: str, style: Style, epochs: Epochs, hypnogram: Hypnogram, keep_signals: bool = False
) -> bytes:
    """Parquet file of a night; equal input gives equal bytes."""
    pictures = render_epochs(epochs, style)
    n = len(epochs)
    images = [{"bytes": encode_png(picture, style.palette), "path": None} for picture in pictures]
    table = pa.table(
        {
            "cohort": [night.cohort] * n,
            "subject": [night.subject] * n,
            "night": [night.night] * n,
            "split": [split] * n,
            "epoch": np.arange(n, dtype=np.int32),
            "onset_s": epochs.start_s + epochs.step_s * np.arange(n),
            "stage": list(hypnogram.stages),
            "scorer": [hypnogram.scorer] * n,
            "quality": [[QUALITY[code] for code in codes] for codes in epochs.quality],
            "image": images,
            "render_hash": [style.hash] * n,
        },
        schema=SCHEMA,
    )
    if keep_signals:
        for field, values in zip(SIGNAL_FIELDS, _encode_signals(epochs.signals_uv), strict=True):
            table = table.append_column(field, pa.array(values, field.type))
    sink = io.BytesIO()
    pq.write_table(
        table, sink, row_group_size=ROWS_PER_GROUP, compression={"image.bytes": "none"}, use_dictionary=_repeated()
    )
    return sink.getvalue()


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
    return ["cohort", "subject", "night", "split", "stage", "scorer", "render_hash", "quality.list.element"]


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 3)

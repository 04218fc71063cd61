"""A dataset folder: shards, the table of nights, the table of failures, and `dataset.json`."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from somnolens.aasm import EPOCH_S, STAGES
from somnolens.config import RenderSettings, Settings, resolve_settings
from somnolens.dataset.gains import Gains
from somnolens.dataset.overview import write_overview
from somnolens.dataset.parting import keep_one, leave_out
from somnolens.dataset.rows import ShardReport, decode_signals, locate_shard, name_shard
from somnolens.dataset.splits import SPLITS, check_splits
from somnolens.dataset.statistics import NightCounts, count_nights
from somnolens.epochs import QUALITY, find_drawn
from somnolens.errors import DatasetError
from somnolens.hypnogram import Hypnogram
from somnolens.provenance import describe_code, fingerprint
from somnolens.render.pictures import render_signals
from somnolens.render.png import decode_png, encode_png
from somnolens.render.style import Style
from somnolens.storage import explain, list_names, write_bytes, write_json

MANIFEST_FILE, NIGHTS_FILE, FAILURES_FILE = "dataset.json", "nights.csv", "failures.csv"
REPORT_FILE = "report.json"
_REPORT = re.compile(rf"shards/[^/]+/night=[^/]+/{re.escape(REPORT_FILE)}")
_READERS = 8
"""Reports read side by side: on a remote store each waits for the network."""

_KEYS = ("nights", "subjects", "epochs", "cohorts", "derivations", "fingerprint", "settings")
"""What readers of a manifest rely on."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """A finished dataset folder, opened for reading.

    Parameters
    ----------
    folder : Path
    manifest : dict
        Contents of `dataset.json`.
    drawn_anew : RenderSettings or None
        See `draw_anew`; None for the pictures as they lie there.
    gains : Gains or None
        See `vary_gain`; None for the signals as they were recorded.
    """

    folder: Path
    manifest: dict[str, Any]
    drawn_anew: RenderSettings | None = None
    gains: Gains | None = None

    @cached_property
    def style(self) -> Style:
        settings = resolve_settings(self.manifest["settings"], str(self.folder))
        return Style(self.drawn_anew or settings.render, settings.prepare, tuple(self.manifest["derivations"]))

    @property
    def keeps_signals(self) -> bool:
        return self.manifest["settings"]["dataset"]["keep_signals"]

    def draw_anew(self, render: RenderSettings) -> "Dataset":
        """The same epochs in another style, drawn from the signals that the dataset keeps.

        Raises
        ------
        DatasetError
            Where it keeps none.
        """
        if not self.keeps_signals:
            raise DatasetError(
                f"{self.folder} keeps no signals to draw anew. Build it with --set dataset.keep_signals=true, "
                "or take its pictures as they are."
            )
        return replace(self, drawn_anew=render)

    def vary_gain(self, most: float, seed: int) -> "Dataset":
        """The same epochs, each at a gain of its own; of a dataset that is drawn anew."""
        return replace(self, gains=Gains(most, seed))

    def leave_out(self, cohort: str) -> "Dataset":
        """All cohorts but one to learn from, and that one as the test split; see `parting.leave_out`."""
        return replace(self, manifest=leave_out(self.manifest, self._count(), cohort))

    def keep_one(self, cohort: str) -> "Dataset":
        """One cohort alone, every night in the split it has."""
        return replace(self, manifest=keep_one(self.manifest, self._count(), cohort))

    def _count(self) -> list[NightCounts]:
        return count_nights(locate_shard(self.folder, split, night) for night, split in self._splits.items())

    @property
    def summary(self) -> dict[str, Any]:
        """What an adapter remembers of its dataset."""
        return {key: self.manifest[key] for key in ("cohorts", "fingerprint", "subjects", "epochs")}

    def nights(self, split: str) -> list[str]:
        return [row["night"] for row in self.manifest["nights"] if row["split"] == split]

    def subjects(self, split: str) -> list[str]:
        """Subjects of a split, sorted."""
        return sorted({row["subject"] for row in self.manifest["nights"] if row["split"] == split})

    def read_stages(self, night: str) -> np.ndarray:
        """Stage codes of a night, shape (n_epochs,), -1 where unscored."""
        return encode_stages(self._read(night, ["stage"])["stage"].to_pylist())

    def read_soft_labels(self, night: str) -> np.ndarray:
        """Share of the scorers for each stage, shape (n_epochs, 5); not a number where nobody gave one."""
        nobody = [np.nan] * len(STAGES)
        return np.array([label or nobody for label in self._read(night, ["soft_label"])["soft_label"].to_pylist()])

    def read_truth(self, night: str) -> Hypnogram:
        """The scoring of a night as a hypnogram, at its place in the recording."""
        table = self._read(night, ["stage", "scorer", "onset_s"])
        onset_s = table["onset_s"].to_numpy()
        step_s = float(onset_s[1] - onset_s[0]) if len(onset_s) > 1 else float(EPOCH_S)
        stages = tuple(table["stage"].to_pylist())
        return Hypnogram(stages, table["scorer"][0].as_py() or "expert", float(onset_s[0]), step_s=step_s)

    def read_scorers(self, night: str) -> tuple[Hypnogram, ...]:
        """Hypnogram of each scorer of a night, on its epochs; empty where the shard holds none by name."""
        truth, table = self.read_truth(night), self._read(night, ["scorers", "scorer_stages"])
        if "scorer_stages" not in table.column_names:  # shards of version 0.1 before there were several scorers
            return ()
        stages = zip(*table["scorer_stages"].to_pylist(), strict=True)
        names = table["scorers"][0].as_py()
        return tuple(replace(truth, stages=own, scorer=name) for name, own in zip(names, stages, strict=True))

    def read_quality(self, night: str) -> np.ndarray:
        """Codes of `epochs.QUALITY`, uint8, shape (n_epochs, n_derivations)."""
        return _encode_quality(self._read(night, ["quality"])["quality"])

    def name_cohort(self, night: str) -> str:
        """The cohort that a night is of."""
        return self._read(night, ["cohort"])["cohort"][0].as_py()

    def name_subject(self, night: str) -> str:
        """The subject whose night it is."""
        return next(row["subject"] for row in self.manifest["nights"] if row["night"] == night)

    def read_pictures(self, night: str) -> np.ndarray:
        """Pictures of a night, uint8 palette indices, shape (n_epochs, height_px, width_px)."""
        if self.drawn_anew:
            return render_signals(*self.read_signals(night), self.style)
        return np.stack([decode_png(content) for content in self.read_images(night)])

    def read_images(self, night: str, group: int | None = None) -> list[bytes]:
        """PNG bytes of the pictures of a night, or of one row group of its shard."""
        if self.drawn_anew:
            pictures = render_signals(*self.read_signals(night, group), self.style)
            return [encode_png(picture, self.style.palette) for picture in pictures]
        return self._read(night, ["image"], group)["image"].combine_chunks().field("bytes").to_pylist()

    def read_signals(self, night: str, group: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Kept signals in microvolts, float32, shape (n_epochs, n_derivations, n_samples), and which are drawn."""
        table = self._read(night, ["epoch", "signals", "uv_per_step", "quality"], group)
        uv_per_step = np.array(table["uv_per_step"].to_pylist(), dtype=np.float32)
        if self.gains:
            uv_per_step *= self.gains.draw(night, table["epoch"].to_numpy())[:, None]
        drawn = find_drawn(_encode_quality(table["quality"]))
        return decode_signals(table["signals"].to_pylist(), uv_per_step), drawn

    def locate(self, night: str) -> Path:
        """The shard of a night."""
        return locate_shard(self.folder, self._splits[night], night)

    @contextmanager
    def open_shard(self, night: str) -> Iterator[pq.ParquetFile]:
        """The shard of a night, for as long as the block runs."""
        with self.locate(night).open("rb") as stream, pq.ParquetFile(stream) as file:
            yield file

    def _read(self, night: str, columns: list[str], group: int | None = None) -> pa.Table:
        with self.open_shard(night) as file:
            return file.read(columns=columns) if group is None else file.read_row_group(group, columns=columns)

    @cached_property
    def _splits(self) -> dict[str, str]:
        """The split in whose folder each night lies; a part of a dataset may use it for another."""
        return {row["night"]: row.get("lies_in", row["split"]) for row in self.manifest["nights"]}


def _encode_quality(column: pa.ChunkedArray) -> np.ndarray:
    """Codes of `epochs.QUALITY`, uint8, shape (n_epochs, n_derivations), from their words."""
    return np.array([[QUALITY.index(word) for word in row] for row in column.to_pylist()], dtype=np.uint8)


def open_dataset(folder: Path) -> Dataset:
    """Open a dataset folder and check its splits.

    Raises
    ------
    DatasetError
        Where it is missing, unfinished, incomplete, or leaks between splits.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise DatasetError(
            f"{folder} is not a finished dataset: it has no {MANIFEST_FILE}. Build it with jobs/build_dataset.py; "
            "started again, it goes on where it stopped."
        )
    manifest = _read_manifest(path)
    rows = manifest["nights"]
    check_splits(rows)
    there = set(list_names(folder))
    missing = [row["night"] for row in rows if name_shard(row["split"], row["night"]) not in there]
    if missing:
        raise DatasetError(f"{folder} lacks the shards of {', '.join(missing)}. Run jobs/build_dataset.py again.")
    return Dataset(folder, manifest)


def open_training_dataset(folder: Path, settings: Settings) -> Dataset:
    """Open a dataset folder as a training run sees it: without `train.leave_out`, drawn anew for `train.redraw`."""
    dataset = open_dataset(folder)
    if settings.train.leave_out:
        dataset = dataset.leave_out(settings.train.leave_out)
    return dataset.draw_anew(settings.render) if settings.train.redraw else dataset


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        lacking = [key for key in _KEYS if key not in manifest]
    except (ValueError, TypeError) as error:
        raise DatasetError(f"{path} cannot be understood: {error}. Run jobs/build_dataset.py again.") from None
    if lacking:
        raise DatasetError(f"{path} cannot be understood: no {', '.join(lacking)}. Run jobs/build_dataset.py again.")
    return manifest


def write_manifest(folder: Path, reports: Sequence[ShardReport], settings: Settings, style: Style) -> Dataset:
    """Write the tables and, last, `dataset.json`, which makes the folder a dataset."""
    reports = sorted(reports, key=lambda report: report.night)
    built, failed = [r for r in reports if not r.error], [r for r in reports if r.error]
    _write_table(folder / NIGHTS_FILE, built)
    _write_table(folder / FAILURES_FILE, failed)
    if not built:
        first = f" The first: {failed[0].error}" if failed else ""
        raise DatasetError(f"Not one of {len(failed)} nights could be used; see {folder / FAILURES_FILE}.{first}")
    rows = [{"night": r.night, "subject": r.subject, "split": r.split} for r in built]
    check_splits(rows)
    nights = count_nights(locate_shard(folder, r.split, r.night) for r in built)
    counts = {night.night: night.stages for night in nights}
    manifest = {
        "cohorts": sorted({r.cohort for r in built}),
        "subjects": {split: sorted({r.subject for r in built if r.split == split}) for split in SPLITS},
        "epochs": {split: _sum_counts([counts[r.night] for r in built if r.split == split]) for split in SPLITS},
        "n_failed": len(failed),
        "derivations": list(style.derivations),
        "render_hash": style.hash,
        "fingerprint": fingerprint([rows, counts, style.hash]),
        "settings": settings.model_dump(mode="json"),
        "code": describe_code(),
        "nights": rows,
    }
    write_overview(folder, nights, manifest, style)
    write_json(folder / MANIFEST_FILE, manifest)
    return open_dataset(folder)


def _sum_counts(counts: Sequence[dict[str, int]]) -> dict[str, int]:
    return dict(sorted(sum((Counter(count) for count in counts), Counter()).items()))


def _write_table(path: Path, reports: Sequence[ShardReport]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(ShardReport)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(report.to_dict() for report in reports)
    write_bytes(path, text.getvalue().encode())


def write_report(folder: Path, report: ShardReport, render_hash: str) -> None:
    """Leave the report of a built night beside its shard, for a run that goes on later."""
    if not report.error:
        path = locate_shard(folder, report.split, report.night).with_name(REPORT_FILE)
        write_json(path, {"render_hash": render_hash, "report": report.to_dict()})


def read_reports(folder: Path, render_hash: str, splits: dict[str, str]) -> list[ShardReport]:
    """Reports of the nights that an interrupted run has left in the folder.

    Raises
    ------
    DatasetError
        Where its nights are drawn in another style, or split otherwise.
    """
    there = set(list_names(folder))
    left = [name for name in sorted(there) if _REPORT.fullmatch(name)]
    with explain(folder, "read"), ThreadPoolExecutor(_READERS) as readers:
        contents = list(readers.map(lambda name: json.loads((folder / name).read_text()), left))
    reports = [(ShardReport(**content["report"]), content["render_hash"]) for content in contents]
    for report, drawn in reports:
        if drawn != render_hash or splits.get(report.subject, report.split) != report.split:
            raise DatasetError(
                f"{folder} holds night {report.night} of another run, drawn or split otherwise. "
                "Name a new folder, or repeat the settings of that run."
            )
    return sorted(
        (report for report, _ in reports if name_shard(report.split, report.night) in there), key=lambda r: r.night
    )


def encode_stages(stages: Sequence[str]) -> np.ndarray:
    """Index of each stage in `aasm.STAGES`, -1 for what is none.

    Examples
    --------
    >>> encode_stages(["W", "UNSCORED"]).tolist()
    [0, -1]
    """
    order = {stage: code for code, stage in enumerate(STAGES)}
    return np.array([order.get(stage, -1) for stage in stages], dtype=np.int64)

"""A folder of nights to a dataset, in parallel on Ray Data.

A row of the pipeline is a recording. Each task writes its night's shard itself, whole or not at
all, and hands back one report; so a run that was stopped goes on with the nights that are not
there yet, and the output does not depend on the number of workers. The longest nights come first, so
that none is left to a single worker at the end.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import ray.data

from somnolens.config import DatasetSettings, Settings
from somnolens.dataset.failures import check_failures
from somnolens.dataset.manifest import FAILURES_FILE, Dataset, read_reports, write_manifest, write_report
from somnolens.dataset.rows import ShardReport, build_shard
from somnolens.dataset.splits import split_subjects
from somnolens.read.night import Night
from somnolens.render.style import Style
from somnolens.storage import measure_sizes


def build_dataset(
    nights: Sequence[Night],
    settings: Settings,
    folder: Path,
    report: Callable[[ShardReport], None] = lambda _: None,
) -> Dataset:
    """Render every night into `folder` and write its manifest.

    Parameters
    ----------
    nights : sequence of Night
        Splits are made by their subjects before anything is read.
    settings : Settings
    folder : Path
        New, or one that an interrupted run with the same settings has begun.
    report : callable
        Called once for each night as it ends.

    Raises
    ------
    DatasetError
        Where more than `dataset.max_failed_share` of the nights failed; shards and tables are kept.
    """
    style = Style(settings.render, settings.prepare)
    splits = split_subjects(
        (night.subject for night in nights),
        settings.dataset.validation_share,
        settings.dataset.test_share,
        settings.dataset.split_seed,
    )
    done = {old.night: old for old in read_reports(folder, style.hash, splits)}
    for old in done.values():
        report(old)
    reports = list(done.values())
    for new in _build_shards(
        [night for night in nights if night.night not in done], splits, style, folder, settings.dataset
    ):
        reports.append(new)
        report(new)
    dataset = write_manifest(folder, reports, settings, style)
    check_failures(reports, settings.dataset.max_failed_share, folder / FAILURES_FILE)
    return dataset


def _build_shards(
    nights: Sequence[Night], splits: dict[str, str], style: Style, folder: Path, settings: DatasetSettings
) -> Iterator[ShardReport]:
    """Yield a report for each night, in the order they end."""
    if not nights:
        return
    folder = folder.resolve()
    sizes = measure_sizes([night.recording_path for night in nights])
    longest_first = [nights[place] for place in np.argsort(-np.array(sizes), kind="stable")]

    def build(row: dict[str, Any]) -> dict[str, Any]:
        night = row["night"]
        made = build_shard(night, splits[night.subject], style, folder, settings)
        write_report(folder, made, style.hash)
        return made.to_dict()

    rows = ray.data.from_items([{"night": night} for night in longest_first], override_num_blocks=len(nights))
    compute = ray.data.TaskPoolStrategy(size=min(settings.n_workers, len(nights)) or None)
    for row in rows.map(build, compute=compute, memory=settings.night_memory_mb * 1e6).iter_rows():
        yield ShardReport(**row)

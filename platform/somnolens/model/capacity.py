"""Machines, hours and money for a cohort, from measured rates; and how far more workers help.

Everything here is arithmetic on figures that were measured, which are shown beside what comes out.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

from somnolens.errors import SettingsError

EPOCHS_PER_NIGHT = 960
"""Eight hours."""

COHORTS = {"ISRUC": 126, "MASS": 200, "SHHS": 8_444, "100,000 nights": 100_000}
"""Nights."""

WORKERS = (1, 4, 16, 64, 256)

KEYS = {
    "night_s": "dataset.night_s",
    "looking_per_s": "train.seeing_rows_per_s",
    "training_per_s": "train.rows_per_s_cached",
    "whole_per_s": "train.rows_per_s",
    "scoring_per_s": "score.epochs_per_s",
    "dispatch_ms": "cluster.dispatch_ms",
}
"""Fields of `Measured` by the names they are measured under."""


@dataclass(frozen=True)
class Measured:
    """What one machine was measured to do.

    Parameters
    ----------
    night_s : float
        Seconds of one core that draws a night of 8 h.
    looking_per_s, training_per_s : float
        Epochs per second of a machine with `n_cores`, the vision side once, then training on its kept features.
    whole_per_s : float
        Epochs per second of such a machine that trains from pictures.
    scoring_per_s : float
    dispatch_ms : float
        Milliseconds of the driver for each task it hands out.
    n_cores : int
        Of the machine that was measured.
    source : str
        Where and when.
    """

    night_s: float
    looking_per_s: float
    training_per_s: float
    whole_per_s: float
    scoring_per_s: float
    dispatch_ms: float
    n_cores: int
    source: str

    def per_core(self, rate: float) -> float:
        """Epochs per second of one core, of what all cores did."""
        return rate / self.n_cores


def read_measured(path: Path | None = None) -> Measured:
    """Figures that `make bench` wrote, over those that come with the package.

    Parameters
    ----------
    path : Path or None
        `.bench/results.jsonl` of the machine to plan for; None for the package's figures.

    Raises
    ------
    SettingsError
        Where the file holds none of them.
    """
    shipped = json.loads((files("somnolens.model") / "measured.json").read_text())
    source, figures = f"{shipped['hardware']}, {shipped['date']}", dict(shipped)
    if path is not None:
        rows = _read_rows(path)
        found = {name: row["value"] for name, row in rows.items() if name in KEYS.values()}
        if not found:
            raise SettingsError(f"{path} holds none of {', '.join(KEYS.values())}. Measure them with `make bench`.")
        hardware = sorted({rows[name]["hardware"] for name in found})
        source, figures = f"{', '.join(hardware)}, of {path}", figures | found | {"hardware": hardware[0]}
    values = {field: float(figures[name]) for field, name in KEYS.items()}
    return Measured(**values, n_cores=_count_cores(figures["hardware"]), source=source)


def _read_rows(path: Path) -> Mapping[str, Any]:
    try:
        return {row["name"]: row for row in map(json.loads, path.read_text().splitlines())}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{path} is not the results of `make bench`: {error}.") from None


def _count_cores(hardware: str) -> int:
    """Cores, of a description as `2 cores x86_64, 24 GB, no GPU`."""
    number = hardware.split()[0]
    return int(number) if number.isdigit() else 1


@dataclass(frozen=True)
class Place:
    """What is assumed of the cluster; the command line changes it.

    Parameters
    ----------
    cores_per_machine : int
    start_s : float
        Until the first worker works.
    night_mb : float
        A night's file: 8.5 h of SHHS by the rates of its channels.
    stream_mb_s, store_mb_s : float
        What one worker, and what all together, read of the store.
    usd_per_core_hour : float
    """

    cores_per_machine: int = 8
    start_s: float = 120.0
    night_mb: float = 39.0
    stream_mb_s: float = 100.0
    store_mb_s: float = 2_500.0
    usd_per_core_hour: float = 0.04

    def __post_init__(self) -> None:
        wrong = [f"{one.name} = {getattr(self, one.name)}" for one in fields(self) if getattr(self, one.name) <= 0]
        if wrong:
            raise SettingsError(f"{', '.join(wrong)} cannot be planned with; it must be more than 0.")


@dataclass(frozen=True)
class Estimate:
    """A piece of work on so many workers of one core.

    Parameters
    ----------
    n_workers : int
    seconds : float
        From the first worker's first task to the last one's last.
    start_s : float
        Before it.
    bottleneck : str
        What would have to be more for it to be faster.
    usd : float
    """

    n_workers: int
    seconds: float
    start_s: float
    bottleneck: str
    usd: float

    @property
    def hours(self) -> float:
        return (self.start_s + self.seconds) / 3600


def estimate_rendering(n_nights: int, n_workers: int, measured: Measured, place: Place) -> Estimate:
    """Time to draw nights, one core a worker: the slowest of three queues, and the last night.

    The workers take `n (t + b / s) / w` seconds for `n` nights of `t` seconds and `b` MB at `s` MB/s each; the store
    takes `n b / S` for all of them at `S` MB/s; the driver takes `n d`, handing out one at a time. When the slowest is
    through, the last night is still under way.

    Examples
    --------
    >>> one = estimate_rendering(1000, 10, read_measured(), Place())
    >>> round(one.seconds), one.bottleneck
    (144, 'workers')
    """
    each_s = measured.night_s + place.night_mb / place.stream_mb_s
    n_working = min(n_workers, n_nights)
    queues = {
        "workers": n_nights * each_s / n_working,
        "object store": n_nights * place.night_mb / place.store_mb_s,
        "driver": n_nights * measured.dispatch_ms / 1000,
    }
    bottleneck = max(queues, key=lambda name: queues[name])
    full_rounds = bottleneck == "workers"
    seconds = queues[bottleneck] + (0.5 * each_s * (n_working > 1) if full_rounds else each_s)
    if n_workers >= n_nights:
        bottleneck = "nights" if full_rounds else bottleneck
    hours = (place.start_s + seconds) / 3600
    return Estimate(n_workers, seconds, place.start_s, bottleneck, hours * n_workers * place.usd_per_core_hour)


def estimate_work(n_epochs: float, per_core: float, n_workers: int, place: Place) -> Estimate:
    """Time of work that is shared evenly: training or scoring, at so many epochs per second of a core."""
    seconds = n_epochs / per_core / n_workers
    hours = (place.start_s + seconds) / 3600
    return Estimate(n_workers, seconds, place.start_s, "workers", hours * n_workers * place.usd_per_core_hour)


def count_machines(n_workers: int, place: Place) -> int:
    """Machines that hold so many workers of one core."""
    return -(-n_workers // place.cores_per_machine)


def measure_efficiency(n_nights: int, n_workers: int, measured: Measured, place: Place) -> float:
    """Time of one worker over `n_workers` times the time of so many; the start is not counted."""
    alone = estimate_rendering(n_nights, 1, measured, place).seconds
    return alone / (n_workers * estimate_rendering(n_nights, n_workers, measured, place).seconds)


def advise_workers(n_nights: int, measured: Measured, place: Place) -> int:
    """Workers from which on the object store or the driver is the slowest: more of them only cost."""
    each_s = measured.night_s + place.night_mb / place.stream_mb_s
    slowest = max(place.night_mb / place.store_mb_s, measured.dispatch_ms / 1000)
    return max(1, min(n_nights, int(each_s / slowest)))

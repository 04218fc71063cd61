"""From EDF on disk to a Parquet shard: against matplotlib, against the floor, on one worker and on two."""

import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyedflib
import ray
from scipy import signal

from somnolens.aasm import FILTER_BAND_HZ, RECOMMENDED_DERIVATIONS
from somnolens.config import Settings, SimulateSettings
from somnolens.dataset.building import build_dataset
from somnolens.dataset.rows import ScoredNight, ShardReport, encode_shard, read_night
from somnolens.read.cohorts import find_nights
from somnolens.read.night import Night
from somnolens.render.pictures import render_epochs
from somnolens.render.png import encode_png
from somnolens.simulate.night import simulate_subject
from tests.benchmarks.bench_render import N_MATPLOTLIB, STYLE, draw_with_matplotlib, time_per_epoch

HOURS = 8.0
N_NIGHTS, N_NIGHTS_ALONE = 100, 40
N_SHHS, N_CORES, CORE_HOUR_USD = 8_444, 64, 0.04
"""Nights of SHHS 1 and 2; the price of a core-hour of a large general-purpose cloud machine, on demand."""


def measure() -> list[dict]:
    """Rows of the benchmark table."""
    with tempfile.TemporaryDirectory() as folder:
        simulate_subject(0, SimulateSettings(hours=HOURS, seed=11), Path(folder) / "one")
        night = find_nights(Path(folder) / "one", "simulated")[0]
        return [*_compare(night), *_build_many(night, Path(folder))]


def _compare(night: Night) -> list[dict]:
    """One core, one night."""
    scored = _draw(night)  # compiles
    ours_s = _time(lambda: _draw(night))
    draw_with_matplotlib(scored.epochs.signals_uv[0])
    drawing_s = len(scored.epochs) * time_per_epoch(
        lambda signals: [draw_with_matplotlib(one) for one in signals], scored.epochs.signals_uv[:N_MATPLOTLIB], 3
    )
    plainly_s = _time(lambda: _prepare_plainly(night), 1) + drawing_s
    floor_s = _time(lambda: _read_with_pyedflib(night)) + _time_compression(scored)
    plainly = "the same night through pyedflib, sosfiltfilt, linear resampling, matplotlib and savefig"
    floor = "reading the bytes with pyedflib and compressing the finished pictures"
    drawing = "matplotlib drawing the same night, nothing else"
    return [
        _describe("dataset.ratio_matplotlib", drawing_s / ours_s, "times", ">=20", drawing),
        _describe("dataset.ratio_matplotlib_8h", plainly_s / ours_s, "times", ">=30", plainly),
        _describe("dataset.ratio_floor", ours_s / floor_s, "times", "<=3", floor, False),
        _describe("dataset.night_s", ours_s, f"s of one core for a {HOURS:g}-h night", None, None, False),
        *_extrapolate(ours_s),
    ]


def _extrapolate(night_s: float) -> list[dict]:
    hours = N_SHHS * night_s / N_CORES / 3600
    what = f"min for the {N_SHHS:,} nights of SHHS on {N_CORES} cores that never wait for files"
    price = f"USD for that, at {CORE_HOUR_USD} a core-hour"
    return [
        _describe("dataset.shhs_minutes", 60 * hours, what, None, None, False),
        _describe("dataset.shhs_usd", hours * N_CORES * CORE_HOUR_USD, price, None, None, False),
    ]


def _draw(night: Night) -> ScoredNight:
    scored = read_night(night, STYLE.prepare)
    encode_shard(night, "train", STYLE, scored)
    return scored


def _time(work: Callable[[], object], n_times: int = 3) -> float:
    """Seconds of processor time, the best of a few goes."""
    best = np.inf
    for _ in range(n_times):
        started = time.process_time()
        work()
        best = min(best, time.process_time() - started)
    return best


def _time_compression(scored: ScoredNight) -> float:
    pictures = render_epochs(scored.epochs, STYLE)
    return _time(lambda: [encode_png(picture, STYLE.palette) for picture in pictures])


def _read_with_pyedflib(night: Night) -> list[tuple[np.ndarray, float]]:
    with pyedflib.EdfReader(str(night.recording_path)) as reader:
        return [(reader.readSignal(n), reader.getSampleFrequency(n)) for n in range(reader.signals_in_file)]


def _prepare_plainly(night: Night) -> list[np.ndarray]:
    """As most people would: a Butterworth filter both ways, then a straight line between samples."""
    prepared = []
    for (samples_uv, rate_hz), kind in zip(_read_with_pyedflib(night), RECOMMENDED_DERIVATIONS.values(), strict=True):
        low_hz, high_hz = FILTER_BAND_HZ[kind]
        band = [low_hz, min(high_hz, 0.45 * rate_hz)]
        filtered = signal.sosfiltfilt(signal.butter(4, band, "bandpass", fs=rate_hz, output="sos"), samples_uv)
        n_new = len(samples_uv) * STYLE.prepare.sampling_rate_hz / rate_hz
        moments = np.arange(int(n_new)) * rate_hz / STYLE.prepare.sampling_rate_hz
        prepared.append(np.interp(moments, np.arange(len(filtered)), filtered))
    return prepared


def _build_many(night: Night, folder: Path) -> list[dict]:
    """The same night under many names, by the function that the job calls, on a cluster that is up."""
    os.environ |= {"RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_DATA_DISABLE_PROGRESS_BARS": "1"}
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        _build(night, folder / "warm", 2, 2)
        alone_s, _ = _build(night, folder / "alone", N_NIGHTS_ALONE, 1)
        together_s, reports = _build(night, folder / "together", N_NIGHTS, 2)
    finally:
        ray.shutdown()
    speedup = (N_NIGHTS / together_s) / (N_NIGHTS_ALONE / alone_s)
    peak_mb = max(report.peak_mb for report in reports)
    where = f"MB, the most of any worker over {N_NIGHTS} nights of {HOURS:g} h"
    return [
        _describe("dataset.speedup_2_workers", speedup, "times", ">=1.8", "nights per second of one worker"),
        _describe("dataset.worker_peak_mb", peak_mb, where, "<=1500", None, False),
    ]


def _build(night: Night, folder: Path, n_nights: int, n_workers: int) -> tuple[float, list[ShardReport]]:
    reports: list[ShardReport] = []
    names = [f"SIM{number:03d}" for number in range(n_nights)]
    nights = [replace(night, subject=name, night=name) for name in names]
    settings = Settings(dataset={"n_workers": n_workers})
    started = time.perf_counter()
    build_dataset(nights, settings, folder, reports.append)
    seconds = time.perf_counter() - started
    shutil.rmtree(folder)
    return seconds, reports


def _describe(
    name: str, value: float, unit: str, bar: str | None, ratio_to: str | None = None, higher_is_better: bool = True
) -> dict:
    row = {"name": name, "value": value, "unit": unit, "higher_is_better": higher_is_better, "bar": bar}
    return row | ({"ratio_to": ratio_to} if ratio_to else {})

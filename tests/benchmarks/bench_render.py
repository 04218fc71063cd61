"""Our raster against matplotlib drawing the same epochs, on one core, in one run.

Twice: as most people would write it, a figure with an axes for each derivation; and as lean as we could
make matplotlib, one bare axes that holds all traces and the grid of our pictures.
"""

import io
import time
from collections.abc import Callable

import numpy as np
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from somnolens.config import STYLE_PRESETS, PrepareSettings, RenderSettings, SimulateSettings
from somnolens.prepare.night import prepare_epochs
from somnolens.read.montage import find_montage
from somnolens.render.pictures import render_signals
from somnolens.render.png import encode_png
from somnolens.render.style import Style
from somnolens.simulate.night import simulate_night, subject_seed
from somnolens.simulate.subject import draw_subject

STYLE = Style(RenderSettings(), PrepareSettings())
N_MATPLOTLIB = 20


def measure() -> list[dict]:
    """Rows of the benchmark table."""

    def compare(name: str, ratio_to: str, draw: Callable[[np.ndarray], bytes], bar: str | None) -> dict:
        draw(signals_uv[0])
        theirs_s = time_per_epoch(lambda some: [draw(one) for one in some], signals_uv[:N_MATPLOTLIB])
        value = theirs_s / ours_s
        return {
            "name": name,
            "value": value,
            "unit": "times",
            "ratio_to": ratio_to,
            "higher_is_better": True,
            "bar": bar,
        }

    signals_uv = prepare_night()
    present = np.ones(len(STYLE.derivations), bool)
    render_signals(signals_uv[:1], present, STYLE)  # compiles
    ours_s = time_per_epoch(lambda some: draw_with_ours(some, present), signals_uv)
    return [
        compare(
            "render.ratio_matplotlib", "a matplotlib figure of six axes and savefig", draw_with_matplotlib, ">=100"
        ),
        compare(
            "render.ratio_lean_matplotlib",
            "the leanest matplotlib: one bare axes, six lines, our grid",
            draw_lean,
            None,
        ),
        {
            "name": "render.epochs_per_s",
            "value": 1 / ours_s,
            "unit": "epochs/s of one core, PNG included",
            "higher_is_better": True,
            "bar": None,
        },
        *(_measure_style(preset, signals_uv) for preset in STYLE_PRESETS if preset != "strip-448"),
    ]


def _measure_style(preset: str, signals_uv: np.ndarray) -> dict:
    style = Style(RenderSettings(preset=preset), PrepareSettings())
    present = np.ones(len(style.derivations), bool)
    seconds = time_per_epoch(lambda some: draw_with_ours(some, present, style), signals_uv)
    height, width = style.shape_px
    return {
        "name": f"render.epochs_per_s.{preset}",
        "value": 1 / seconds,
        "unit": f"epochs/s of one core, {width} x {height} px",
        "higher_is_better": True,
        "bar": None,
    }


def prepare_night() -> np.ndarray:
    """Prepared signals of a simulated hour, shape (120, 6, 3000)."""
    seed = subject_seed(0, SimulateSettings(seed=11))
    recording, _ = simulate_night(draw_subject(seed), 1.0, seed)
    return prepare_epochs(recording, find_montage(recording)).signals_uv


def time_per_epoch(work: Callable[[np.ndarray], object], signals_uv: np.ndarray, n_times: int = 5) -> float:
    """Seconds of processor time for an epoch, the best of a few goes."""
    best = np.inf
    for _ in range(n_times):
        started = time.process_time()
        work(signals_uv)
        best = min(best, time.process_time() - started)
    return best / len(signals_uv)


def draw_with_ours(signals_uv: np.ndarray, present: np.ndarray, style: Style = STYLE) -> list[bytes]:
    return [encode_png(picture, style.palette) for picture in render_signals(signals_uv, present, style)]


def draw_with_matplotlib(signals_uv: np.ndarray) -> bytes:
    """What a person would write first: an axes for each derivation, without ticks or frames, and savefig."""
    height, width = STYLE.shape_px
    heights = [band_height for _, band_height in STYLE.bands_px]
    figure, axes = pyplot.subplots(
        len(signals_uv), 1, figsize=(width / 100, height / 100), dpi=100, height_ratios=heights
    )
    figure.subplots_adjust(0, 0, 1, 1, hspace=0)
    time_s = np.arange(signals_uv.shape[1]) / 100
    for samples_uv, axis, band_height, scale in zip(signals_uv, axes, heights, STYLE.uv_per_px, strict=True):
        axis.plot(time_s, samples_uv, linewidth=0.6)
        axis.set(xlim=(0, 30), ylim=(-band_height / 2 * scale, band_height / 2 * scale))
        axis.axis("off")
    content = io.BytesIO()
    figure.savefig(content, format="png")
    pyplot.close(figure)
    return content.getvalue()


def draw_lean(signals_uv: np.ndarray) -> bytes:
    """Everything on one bare axes: as fast as we could make matplotlib draw what our raster draws."""
    height, width = STYLE.shape_px
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 30), ylim=(height, 0))
    axes.axis("off")
    seconds = np.arange(1, 30)
    axes.vlines(seconds, 0, height, colors=["#d0d6de" if second % 5 == 0 else "#ebeef2" for second in seconds])
    time_s = np.arange(signals_uv.shape[1]) / 100
    for samples_uv, (top, band_height), scale in zip(signals_uv, STYLE.bands_px, STYLE.uv_per_px, strict=True):
        axes.plot(time_s, top + band_height / 2 - samples_uv / scale, linewidth=0.6)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()

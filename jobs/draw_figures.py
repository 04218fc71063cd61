"""Draw the figures of the README from a run of the demo.

    python jobs/draw_figures.py RUN OUT [--real FOLDER] [--search RUN]

The page of the morning report is drawn by a Chromium or Chrome that is on the PATH. With --real, a folder that holds
SC4001E0_5epochs-PSG.edf (Sleep-EDF, one scored epoch per stage), the real epochs stand beside the simulated ones. With
--search, the pictures of a search are those of that run of jobs/search_hyperparameters.py, in place of the demo's.
"""

import io
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console

from somnolens.aasm import STAGES
from somnolens.config import STYLE_PRESETS, PrepareSettings, RenderSettings
from somnolens.dataset.rows import read_night
from somnolens.errors import SettingsError
from somnolens.explain.epoch import explain_epochs
from somnolens.explain.night import explain_night
from somnolens.jobs.arguments import run_job
from somnolens.read.cohorts import find_nights
from somnolens.read.night import Night
from somnolens.render.pictures import render_epochs
from somnolens.render.png import encode_png
from somnolens.render.sheet import Section, Tile, compose_sheet, encode_sheet
from somnolens.render.style import Style
from somnolens.report.canvas import write_figure
from somnolens.report.explain_plots import draw_explanation
from somnolens.report.morning_files import PAGE
from somnolens.score.engine import load_engine
from somnolens.score.night import score_epochs
from somnolens.storage import write_bytes

STYLE = Style(RenderSettings(), PrepareSettings())
WIDE = Style(RenderSettings(preset="wide-896"), PrepareSettings())
REAL_NIGHT = "SC4001E0_5epochs"

SWITCHES = {
    "amplitude: min-max": {"amplitude": "min-max"},
    "ink: monochrome": {"ink": "monochrome"},
    "grid: false": {"grid": False},
}
"""Settings that stand beside the presets, each alone."""

SEARCH_FIGURES = ("history.png", "importance.png")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PAGE_WIDTH_PX = 1000
SHOTS = (
    ("", 1020),
    ("<style>header, .warning, .headlines, section:not(#review) { display: none }</style>", 615),
)
"""Parts of the report's page that stand below each other: what is left out of each, and its height in px."""

SHEET_PX = 1760
"""Width of the pictures on the sheet of styles: five of 352 px."""


def main(
    run: Annotated[Path, typer.Argument(help="run folder of the demo")],
    out: Annotated[Path, typer.Argument(help="folder of the figures")],
    real: Annotated[Path | None, typer.Option(help="folder with the real epochs")] = None,
    search: Annotated[Path | None, typer.Option(help="run folder of a search")] = None,
) -> None:
    """Draw the figures of the README."""
    nights = find_nights(run / "nights", "simulated")
    simulated = {stage: pick_epoch(nights, stage) for stage in STAGES}
    real_night = [n for n in find_nights(real) if n.night == REAL_NIGHT] if real else []
    columns = {"simulated": {stage: draw_one(*simulated[stage], STYLE) for stage in STAGES}}
    if real_night:
        columns["real (Sleep-EDF SC4001, two EEG only)"] = draw_stages(real_night[0])
    write_figure(lay_out(columns), out / "epochs.png")
    write_bytes(out / "epoch.png", encode_png(draw_one(*simulated["N2"], WIDE), WIDE.palette))
    write_bytes(out / "styles.png", encode_sheet(draw_styles(simulated), few_colours=True))
    write_figure(explain_one(simulated["N2"][0]), out / "explanation.png")
    shutil.copy(run / "evaluation" / "confusion.png", out / "confusion.png")
    for name in SEARCH_FIGURES:
        shutil.copy((search or run / "search") / name, out / f"search-{name}")
    shutil.copy(next((run / "scored").glob("*.png")), out / "night.png")
    draw_page(next((run / "scored").glob(f"*/{PAGE}")), out / "report.png")
    Console().print(f"The figures are in {out}.")


def draw_page(page: Path, path: Path) -> None:
    """The parts of a report's page that `SHOTS` names, as a browser shows them.

    Raises
    ------
    SettingsError
        Where no browser is on the PATH.
    """
    browser = find_browser(page)
    with TemporaryDirectory() as folder:
        html = page.read_text(encoding="utf-8")
        shots = [
            take_shot(browser, html.replace("</head>", f"{part}</head>"), height, Path(folder))
            for part, height in SHOTS
        ]
    sheet = Image.new("RGB", (PAGE_WIDTH_PX, sum(shot.height for shot in shots)), "white")
    for place, shot in enumerate(shots):
        sheet.paste(shot, (0, sum(before.height for before in shots[:place])))
    stream = io.BytesIO()
    sheet.quantize(256, Image.Quantize.MAXCOVERAGE).save(stream, format="PNG", optimize=True)
    write_bytes(path, stream.getvalue())


def find_browser(page: Path | str) -> str:
    """The first browser of `BROWSERS` that is on the PATH, to draw a page.

    Raises
    ------
    SettingsError
        Where there is none.
    """
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise SettingsError(
            f"{page} cannot be drawn. Looked on the PATH for {', '.join(BROWSERS)}. Install one of them: it only draws "
            "this figure."
        )
    return browser


def take_shot(browser: str, html: str, height_px: int, folder: Path) -> Image.Image:
    """What a window of the browser shows of a page."""
    page, shot = folder / "page.html", folder / "shot.png"
    page.write_text(html, encoding="utf-8")
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={folder / 'profile'}",
    ]
    flags += [f"--window-size={PAGE_WIDTH_PX},{height_px}", f"--screenshot={shot}"]
    subprocess.run([browser, *flags, page.as_uri()], check=True, capture_output=True, timeout=120)
    with Image.open(shot) as picture:
        return picture.convert("RGB")


def pick_epoch(nights: list[Night], stage: str) -> tuple[Night, int]:
    """An epoch in the middle of the longest run of a stage in the first night that has the stage."""
    for night in nights:
        hypnogram = read_night(night, STYLE.prepare).hypnogram
        runs = _find_runs([scored == stage for scored in hypnogram.stages])
        if runs:
            first, last = max(runs, key=lambda run: run[1] - run[0])
            return night, (first + last) // 2
    raise LookupError(f"no night has stage {stage}")


def _find_runs(is_stage: list[bool]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], is_stage, [0]]).astype(int)))
    return list(zip(edges[::2].tolist(), (edges[1::2] - 1).tolist(), strict=True))


def draw_one(night: Night, epoch: int, style: Style) -> np.ndarray:
    """The picture of one epoch, palette indices."""
    epochs = read_night(night, style.prepare).epochs
    return render_epochs(epochs, style, epoch, epoch + 1)[0]


def explain_one(night: Night, stage: str = "N2") -> Figure:
    """Why the embedded adapter gives an epoch its stage: the one of a night in which most was found."""
    engine = load_engine("embedded")
    epochs = read_night(night, engine.style.prepare).epochs
    scored = score_epochs(epochs, engine)
    evidence = explain_night(epochs, scored.hypnogram)
    clear = [one for one in evidence.epochs if one.stage == stage and one.is_supported]
    chosen = max(clear, key=lambda one: len(one.measured.spindles or ()) + len(one.measured.k_complexes or ()))
    (one,) = explain_epochs(epochs, scored, evidence, engine, [chosen.epoch])
    return draw_explanation(one)


def draw_stages(night: Night) -> dict[str, np.ndarray]:
    """One picture for each stage of a short night that holds each once."""
    scored = read_night(night, STYLE.prepare)
    epochs, hypnogram = scored.epochs, scored.hypnogram
    return dict(zip(hypnogram.stages, render_epochs(epochs, STYLE), strict=True))


def draw_styles(picked: dict[str, tuple[Night, int]]) -> np.ndarray:
    """The same epochs in every preset and under every other switch, as a sheet."""
    nights = {night.night: read_night(night, STYLE.prepare).epochs for night, _ in picked.values()}
    sections = []
    for name, render in list_styles().items():
        style, n_columns = Style(render, STYLE.prepare), 3 if render.width_px > 1000 else len(picked)
        tiles = [
            Tile(style.palette[render_epochs(nights[night.night], style, epoch, epoch + 1)[0]], stage)
            for stage, (night, epoch) in picked.items()
        ]
        sections.append(Section(tiles, n_columns, SHEET_PX // n_columns, name, tell_style(render)))
    return compose_sheet("Styles", "The same five simulated epochs, one of each stage.", sections, letters=1.6)


def list_styles() -> dict[str, RenderSettings]:
    """What stands on the sheet of styles, by name."""
    presets = {name: RenderSettings(preset=name) for name in STYLE_PRESETS}
    return presets | {name: RenderSettings(**changes) for name, changes in SWITCHES.items()}


def tell_style(render: RenderSettings) -> str:
    """Size, and what sets a style apart."""
    scale = f"EEG {render.eeg_uv_per_px:g} microvolts per px" if render.amplitude == "fixed" else "each epoch min-max"
    parts = [f"{render.width_px} x {render.height_px} px", scale, f"stroke {render.stroke_px:g} px", render.ink]
    parts += ["grid"] if render.grid else ["no grid"]
    parts += ["between its neighbours"] if render.epochs_shown == 3 else []
    parts += [f"spectrogram of {render.spectrum_px} px"] if render.spectrum_px else []
    return ", ".join(parts)


def lay_out(columns: dict[str, dict[str, np.ndarray]]) -> Figure:
    """A row for each stage, a column for each source."""
    figure = Figure(figsize=(4.0 * len(columns), 9.4))
    axes = figure.subplots(len(STAGES), len(columns), squeeze=False)
    for column, (title, pictures) in enumerate(columns.items()):
        axes[0, column].set_title(title, fontsize=9, loc="left", pad=6)
        for row, stage in enumerate(STAGES):
            axes[row, column].imshow(STYLE.palette[pictures[stage]], interpolation="antialiased")
            axes[row, column].set_xticks([])
            axes[row, column].set_yticks([])
            for spine in axes[row, column].spines.values():
                spine.set_edgecolor("#c8ced6")
            if column == 0:
                axes[row, column].set_ylabel(stage, fontsize=10, rotation=0, labelpad=12, va="center")
    figure.tight_layout()
    return figure


if __name__ == "__main__":
    run_job(main)

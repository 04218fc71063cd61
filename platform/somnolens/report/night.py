"""Everything a scored night leaves behind, in one folder."""

from pathlib import Path

from somnolens.hypnogram import Hypnogram
from somnolens.report.canvas import write_figure
from somnolens.report.exports import write_bids, write_csv, write_json
from somnolens.report.plots import draw_night
from somnolens.score.night import ScoredNight


def write_night(scored: ScoredNight, folder: Path, name: str, truth: Hypnogram | None = None) -> None:
    """Write `NAME.png`, `NAME.csv`, `NAME_hypnogram.tsv` and, last, `NAME.json`.

    The JSON is what a job that goes on looks for: where it is, the others are too.
    """
    hypnogram = scored.hypnogram
    write_figure(draw_night(hypnogram, truth=truth, start=scored.start, title=name), folder / f"{name}.png")
    write_csv(hypnogram, folder / f"{name}.csv", scored.flags)
    write_bids(hypnogram, folder / f"{name}_hypnogram.tsv")
    write_json(hypnogram, folder / f"{name}.json", scored.flags, scored.made_by | {"derivations": scored.derivations})

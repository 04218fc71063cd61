"""Measure an adapter against the scorers of a dataset's held-out subjects.

    python jobs/evaluate_adapter.py ADAPTER DATASET OUT [--split test]

Writes metrics.json, confusion.png and one figure and one table for each night to OUT.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from somnolens.dataset.manifest import open_dataset
from somnolens.evaluate.evaluation import Evaluation, evaluate_adapter
from somnolens.jobs.arguments import run_job
from somnolens.jobs.cluster import progress
from somnolens.provenance import make_run_folder
from somnolens.report.canvas import write_figure
from somnolens.report.exports import write_csv
from somnolens.report.plots import draw_confusion, draw_night
from somnolens.report.terminal import format_agreement
from somnolens.score.engine import load_engine
from somnolens.storage import write_json


def main(
    adapter: Annotated[str, typer.Argument(help="adapter folder, 'embedded', or REGISTRY#NAME")],
    dataset: Annotated[Path, typer.Argument(help="folder made by build_dataset.py")],
    out: Annotated[Path, typer.Argument(help="new folder of the results")],
    split: Annotated[str, typer.Option(help="train, validation or test")] = "test",
) -> None:
    """Measure an adapter against the scorers of a dataset."""
    console = Console()
    evaluation = evaluate(adapter, dataset, make_run_folder(out.parent, out.name), console, split)
    console.print(format_agreement(evaluation.pooled, f"Agreement on the {split} subjects"))
    console.print(f"Figures and tables are in {out}.")


def evaluate(adapter: str | Path, dataset: Path, out: Path, console: Console, split: str = "test") -> Evaluation:
    """Evaluate with a progress bar and write everything to `out`."""
    opened = open_dataset(dataset)
    engine = load_engine(adapter)
    if opened.style.hash != engine.style.hash and opened.keeps_signals:
        opened = opened.draw_anew(engine.style.render)
    with progress(console, f"Scoring the {split} nights", len(opened.nights(split))) as advance:
        evaluation = evaluate_adapter(engine, opened, split, lambda night: advance(note=night))
    nights = {night.night: night.agreement.to_dict() for night in evaluation.nights}
    write_json(out / "metrics.json", {"split": split, "pooled": evaluation.pooled.to_dict(), "nights": nights})
    write_figure(draw_confusion(evaluation.pooled, f"Agreement on the {split} subjects"), out / "confusion.png")
    for night in evaluation.nights:
        write_figure(draw_night(night.scored, truth=night.truth, title=night.night), out / f"{night.night}.png")
        write_csv(night.scored, out / f"{night.night}.csv")
    return evaluation


if __name__ == "__main__":
    run_job(main)

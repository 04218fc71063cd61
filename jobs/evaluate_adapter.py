"""Measure an adapter against the scorers of a dataset's held-out subjects.

    python jobs/evaluate_adapter.py ADAPTER DATASET OUT [--split test] [--trained-on DATASET ...]

Writes metrics.json, tables as CSV and figures to OUT, one figure and one table for each night among them. Fails
where the adapter has seen a subject, a night or a picture that it would be judged on.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from somnolens.dataset.manifest import Dataset, open_dataset
from somnolens.evaluate.evaluation import Evaluation, evaluate_adapter
from somnolens.evaluate.leakage import LeakCheck, check_leakage
from somnolens.evaluate.summary import Summary, summarise
from somnolens.jobs.arguments import run_job
from somnolens.jobs.cluster import progress
from somnolens.model.adapter_card import AdapterCard
from somnolens.provenance import describe_code, describe_hardware, make_run_folder
from somnolens.report.canvas import write_figure
from somnolens.report.evaluation_plots import draw_bland_altman, draw_calibration, draw_scorers, draw_slices
from somnolens.report.evaluation_tables import format_summary, write_tables
from somnolens.report.exports import write_csv
from somnolens.report.plots import draw_confusion, draw_night
from somnolens.report.terminal import format_agreement
from somnolens.score.engine import Engine, load_engine
from somnolens.storage import write_json


def main(
    adapter: Annotated[str, typer.Argument(help="adapter folder, 'embedded', or REGISTRY#NAME")],
    dataset: Annotated[Path, typer.Argument(help="folder made by build_dataset.py")],
    out: Annotated[Path, typer.Argument(help="new folder of the results")],
    split: Annotated[str, typer.Option(help="train, validation or test")] = "test",
    trained_on: Annotated[
        list[Path], typer.Option(help="a dataset that the adapter learnt from, to look for copies in; may be repeated")
    ] = [],  # noqa: B006
    compare_pictures: Annotated[
        bool, typer.Option(help="look for byte-identical pictures on both sides of the split")
    ] = True,
) -> None:
    """Measure an adapter against the scorers of a dataset."""
    console = Console()
    folder = make_run_folder(out.parent, out.name)
    summary = evaluate(adapter, dataset, folder, console, split, trained_on, compare_pictures)
    show(summary, console, f"Agreement on the {split} subjects")
    console.print(f"Figures and tables are in {out}.")


def evaluate(
    adapter: str | Path,
    dataset: Path,
    out: Path,
    console: Console,
    split: str = "test",
    trained_on: list[Path] | None = None,
    compare_pictures: bool = True,
) -> Summary:
    """Check for leaks, evaluate with a progress bar, and write everything to `out`."""
    engine = load_engine(adapter)
    opened = open_for(engine.card, open_dataset(dataset))
    others = [open_dataset(folder) for folder in trained_on or []]
    with console.status("Looking for leaks between the splits"):
        checked = check_leakage(opened, split, engine.card, others, compare_pictures)
    evaluation = stage(engine, opened, split, console)
    summary = summarise(evaluation)
    write_summary(summary, out, split, checked)
    return summary


def open_for(card: AdapterCard, dataset: Dataset) -> Dataset:
    """A dataset as an adapter needs it: drawn in its style, and without the cohort that it was kept away from."""
    left_out = card.resolved.train.leave_out
    if left_out in dataset.manifest["cohorts"]:
        view = dataset.leave_out(left_out)
        dataset = view if view.manifest["fingerprint"] == card.dataset.get("fingerprint") else dataset
    if dataset.style.hash != card.render_hash and dataset.keeps_signals:
        return dataset.draw_anew(card.style.render)
    return dataset


def stage(engine: Engine, dataset: Dataset, split: str, console: Console) -> Evaluation:
    """Score every night of a split with a progress bar."""
    with progress(console, f"Scoring the {split} nights", len(dataset.nights(split))) as advance:
        return evaluate_adapter(engine, dataset, split, lambda night: advance(note=night))


def show(summary: Summary, console: Console, title: str) -> None:
    """Print the tables of an evaluation."""
    console.print(format_agreement(summary.evaluation.pooled, title))
    for table in format_summary(summary, "Measures with intervals"):
        console.print(table)


def write_summary(summary: Summary, out: Path, split: str, checked: LeakCheck) -> None:
    """Write metrics.json, the tables and the figures of an evaluation."""
    about = {"split": split, "leak_check": vars(checked), "code": describe_code(), "hardware": describe_hardware()}
    write_json(out / "metrics.json", about | summary.to_dict())
    write_tables(summary, out)
    _draw(summary, out, split)
    for night in summary.evaluation.nights:
        write_figure(draw_night(night.scored, truth=night.truth, title=night.night), out / f"{night.night}.png")
        write_csv(night.scored, out / f"{night.night}.csv")


def _draw(summary: Summary, out: Path, split: str) -> None:
    evaluation = summary.evaluation
    figures = {
        "confusion": draw_confusion(evaluation.pooled, f"Agreement on the {split} subjects"),
        "bland_altman": draw_bland_altman(summary.totals, evaluation.system),
    }
    if summary.slices:
        figures["slices"] = draw_slices(summary.slices, summary.intervals["kappa"])
    if summary.confidence and summary.calibration and summary.review:
        n_nights = len(evaluation.nights)
        figures["calibration"] = draw_calibration(summary.confidence, summary.calibration, summary.review, n_nights)
    if summary.scorers:
        figures["scorers"] = draw_scorers(summary.scorers, evaluation.system)
    for name, figure in figures.items():
        write_figure(figure, out / f"{name}.png")


if __name__ == "__main__":
    run_job(main)

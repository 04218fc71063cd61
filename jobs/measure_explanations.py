"""What explanations are worth, over a test set: support, modalities, and which map to believe.

    python jobs/measure_explanations.py ADAPTER NIGHTS OUT [--cohort simulated] [--maps-per-night 3] [--every 2]

NIGHTS must be of subjects that the adapter was not trained on. Writes explanations.json, modalities.png and
faithfulness.png to OUT, and disagreements.csv: the epochs whose stage the measured evidence does not support while
it supports another.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from somnolens.aasm import STAGES
from somnolens.config import read_settings
from somnolens.dataset.rows import read_night
from somnolens.explain.faithfulness import Case, measure_faithfulness
from somnolens.explain.modalities import TestNight, measure_modalities
from somnolens.explain.night import NightEvidence, explain_night
from somnolens.explain.support import measure_support
from somnolens.jobs.arguments import Config, Overrides, run_job
from somnolens.jobs.cluster import progress
from somnolens.read.cohorts import find_nights
from somnolens.report.canvas import write_figure
from somnolens.report.explain_plots import draw_faithfulness, draw_modalities
from somnolens.report.explanation import format_faithfulness, format_modalities, format_neglect, format_support
from somnolens.score.engine import Engine, load_engine
from somnolens.score.night import describe_reader, score_epochs
from somnolens.storage import write_bytes, write_json


def main(
    adapter: Annotated[str, typer.Argument(help="adapter folder, 'embedded', or REGISTRY#NAME")],
    nights: Annotated[Path, typer.Argument(help="folder of nights the adapter was not trained on")],
    out: Annotated[Path, typer.Argument(help="folder of the results")],
    cohort: Annotated[str, typer.Option(help="how the files of the folder belong together")] = "simulated",
    maps_per_night: Annotated[int, typer.Option(min=0, help="epochs of each night that every map is drawn of")] = 3,
    every: Annotated[int, typer.Option(min=1, help="modalities are taken from every so many epochs")] = 2,
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Measure what explanations are worth over a test set."""
    settings, console = read_settings(config, overrides), Console()
    engine = load_engine(adapter, settings.score.sequence_step)
    found = find_nights(nights, cohort, settings.read.channels)
    test: list[TestNight] = []
    judged: list[tuple[NightEvidence, np.ndarray]] = []
    with progress(console, "Scoring and measuring nights", len(found)) as advance:
        for night in found:
            read = read_night(night, engine.style.prepare)
            scored = score_epochs(read.epochs, engine, settings.score.batch_size)
            test.append(TestNight(night.subject, read.epochs, read.hypnogram.codes()))
            judged.append((explain_night(read.epochs, scored.hypnogram), test[-1].codes))
            advance(note=night.night)
    results = {"made_by": describe_reader(engine), "support": _measure_support(judged, console)}
    write_bytes(out / "disagreements.csv", _list_disagreements(test, judged))
    write_json(out / "explanations.json", results)
    results["modalities"] = _measure_modalities(test, engine, every, console, out)
    write_json(out / "explanations.json", results)
    if maps_per_night:
        results["faithfulness"] = _measure_faithfulness(test, engine, maps_per_night, console, out)
        write_json(out / "explanations.json", results)
    console.print(f"Figures and tables are in {out}.")


def _measure_support(judged: Sequence[tuple[NightEvidence, np.ndarray]], console: Console) -> dict:
    support = measure_support(judged)
    console.print(format_support(support))
    listed, everywhere = support.wrong_among_listed, support.wrong_among_all
    console.print(
        f"Of the epochs where rules and model disagree the model is wrong in {100 * listed.value:.0f} %, "
        f"of all epochs in {100 * everywhere.value:.0f} %."
    )
    return support.to_dict()


def _measure_modalities(test: Sequence[TestNight], engine: Engine, every: int, console: Console, out: Path) -> dict:
    with progress(console, "Taking modalities away", len(test)) as advance:
        report = measure_modalities(test, engine, every=every, report=lambda subject: advance(note=subject))
    console.print(format_modalities(report))
    console.print(format_neglect(report))
    write_figure(draw_modalities(report), out / "modalities.png")
    return report.to_dict()


def _measure_faithfulness(test: Sequence[TestNight], engine: Engine, n: int, console: Console, out: Path) -> list[dict]:
    cases = [case for night in test for case in pick_cases(night, n)]
    with progress(console, "Drawing maps", len(cases)) as advance:
        figures = measure_faithfulness(cases, engine, report=lambda done: advance())
    console.print(format_faithfulness(figures))
    write_figure(draw_faithfulness(figures), out / "faithfulness.png")
    return [one.to_dict() for one in figures]


def pick_cases(night: TestNight, n: int) -> list[Case]:
    """Epochs of different stages, as many as asked for, the same each time.

    The stages take turns by the number of the subject, so that over a few subjects all are looked at alike.
    """
    rng = np.random.default_rng([ord(letter) for letter in night.subject])
    order = rng.permutation(len(STAGES))
    cases: list[Case] = []
    for turn in range(n):
        places = np.flatnonzero(night.codes == order[turn % len(STAGES)])
        if len(places):
            cases.append(Case(night.subject, night.epochs, int(rng.choice(places))))
    return cases


def _list_disagreements(test: Sequence[TestNight], judged: Sequence[tuple[NightEvidence, np.ndarray]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["night", "epoch", "scored", "true", "reason"])
    for night, (evidence, codes) in zip(test, judged, strict=True):
        for epoch, reason in evidence.disagreements.items():
            true = STAGES[codes[epoch]] if codes[epoch] >= 0 else ""
            writer.writerow([night.epochs.night, epoch, evidence.epochs[epoch].stage, true, reason])
    return text.getvalue().encode()


if __name__ == "__main__":
    run_job(main)

"""The demo: the whole path once, on this machine, with nothing but the package.

Every step is the function that the job of its name calls; nothing here is a shortcut.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from somnolens.config import Settings, read_settings
from somnolens.dataset.manifest import Dataset
from somnolens.evaluate.agreement import Agreement, measure_agreement, pool
from somnolens.evaluate.peers.yasa import score_with_yasa
from somnolens.hypnogram import Hypnogram
from somnolens.jobs.arguments import DEMO_CONFIG
from somnolens.jobs.build_dataset import build, describe
from somnolens.jobs.cluster import LOG_FILE, cluster, progress
from somnolens.jobs.evaluate_adapter import evaluate, show
from somnolens.jobs.report_night import take_scored
from somnolens.jobs.search_hyperparameters import format_trials, search
from somnolens.jobs.simulate_nights import simulate
from somnolens.provenance import describe_code, describe_hardware, make_run_folder
from somnolens.read.json_scoring import read_json
from somnolens.read.scoring import read_hypnogram
from somnolens.report.canvas import write_figure
from somnolens.report.exports import write_csv
from somnolens.report.morning import look_at, make_report
from somnolens.report.morning_files import PAGE, write_morning_report
from somnolens.report.plots import draw_night
from somnolens.report.terminal import Step, format_steps, summarise_agreement
from somnolens.score.reader import load_reader
from somnolens.serve.running import start_service, stop_service
from somnolens.storage import write_bytes, write_json


@dataclass
class Diary:
    """Seconds and outputs of the steps of a run."""

    console: Console
    steps: list[Step] = field(default_factory=list)

    def do(self, name: str, n_nights: int, output: Path, work: Callable[[], Any]) -> Any:
        """Do one step under a heading and keep its time."""
        self.console.rule(f"[bold]{len(self.steps) + 1}. {name}", align="left", style="dim")
        started = time.perf_counter()
        result = work()
        self.steps.append(Step(name, time.perf_counter() - started, n_nights, str(output)))
        return result


def run_demo(parent: Path, settings: Settings) -> Path:
    """Run every step into a new run folder below `parent`, and print what came out.

    Returns
    -------
    Path
        The run folder; its `metrics.json` holds the figures.
    """
    started = time.perf_counter()
    run = make_run_folder(parent)
    with cluster(run / LOG_FILE, settings.train.n_workers + 2) as console:
        console.print(f"Everything of this run goes to [bold]{run}[/]; Ray's log is {run / LOG_FILE}.")
        diary = Diary(console)
        nights, dataset = _make_data(diary, run, settings)
        agreement, yasa = _learn(diary, run, dataset, nights, settings)
        scored = diary.do(
            "Serve and score over HTTP", 1, run / "scored", lambda: _serve(run, dataset, nights, settings, console)
        )
        minutes = (time.perf_counter() - started) / 60
        _write_metrics(run, agreement, yasa, minutes, diary.steps)
        _close(console, run, diary.steps, agreement, yasa, minutes, scored)
    return run


def _make_data(diary: Diary, run: Path, settings: Settings) -> tuple[Path, Dataset]:
    nights, folder, n_nights = run / "nights", run / "dataset", settings.simulate.n_subjects
    diary.do("Simulate", n_nights, nights, lambda: simulate(settings, nights, diary.console))
    dataset = diary.do("Build the dataset", n_nights, folder, lambda: build(nights, folder, settings, diary.console))
    diary.console.print(describe(dataset))
    return nights, dataset


def _learn(diary: Diary, run: Path, dataset: Dataset, nights: Path, settings: Settings) -> tuple[Agreement, Agreement]:
    console, test = diary.console, dataset.nights("test")
    folder = make_run_folder(run, "search")
    found = diary.do(
        "Search and train",
        len(dataset.nights("train")),
        folder,
        lambda: search(dataset.folder, folder, settings, console),
    )
    console.print(format_trials(found))
    out = make_run_folder(run, "evaluation")
    summary = diary.do(
        "Evaluate on held-out subjects",
        len(test),
        out,
        lambda: evaluate(folder / "adapter", dataset.folder, out, console),
    )
    show(summary, console, "Agreement on the held-out subjects")
    yasa = diary.do("Stage the same nights with YASA", len(test), out, lambda: _stage_peer(test, nights, console))
    console.print(f"YASA: {summarise_agreement(yasa)}")
    return summary.evaluation.pooled, yasa


def _stage_peer(names: list[str], nights: Path, console: Console) -> Agreement:
    agreements = []
    with progress(console, "Staging with YASA", len(names)) as advance:
        for name in names:
            agreements.append(measure_agreement(read_truth(nights, name), score_with_yasa(nights / f"{name}-PSG.edf")))
            advance(note=name)
    return pool(agreements)


def read_truth(nights: Path, name: str) -> Hypnogram:
    """The simulator's own hypnogram of a night."""
    return replace(read_hypnogram(nights / f"{name}-Hypnogram.edf"), scorer="simulator")


def _serve(run: Path, dataset: Dataset, nights: Path, settings: Settings, console: Console) -> Path:
    """Serve the best adapter, post a held-out night to it, and save what it answers."""
    name = dataset.nights("test")[0]
    folder = run / "scored"
    adapter = str((run / "search" / "adapter").resolve())
    served = settings.serve.model_copy(update={"adapter": adapter, "insecure": True})
    with console.status("Starting the service"):
        url = start_service(served, port=0)
    try:
        with console.status(f"POST {url}/v1/nights"):
            write_bytes(folder / f"{name}.json", post_night(url, nights / f"{name}-PSG.edf"))
    finally:
        stop_service()
    hypnogram = read_json(folder / f"{name}.json")
    write_csv(hypnogram, folder / f"{name}.csv")
    report_served(folder, name, nights / f"{name}-PSG.edf", served.adapter)
    write_figure(draw_night(hypnogram, truth=read_truth(nights, name), title=name), folder / f"{name}.png")
    console.print(
        f"POST {url}/v1/nights with {name}-PSG.edf: stages, probabilities and figure are in {folder}, "
        f"and the morning report: {folder / name / PAGE}."
    )
    return folder


def report_served(folder: Path, name: str, recording: Path, adapter: str) -> None:
    """Write the morning report of a night that the service has scored, from its answer."""
    reader = load_reader(adapter)
    seen = look_at(recording, reader.style)
    scored = take_scored(seen, folder / f"{name}.json", reader)
    write_morning_report(make_report(seen, scored, reader, adapter), folder / name)


def post_night(url: str, recording: Path) -> bytes:
    """Post a recording to a running service and return its answer, JSON."""
    with recording.open("rb") as stream:
        answer = httpx.post(f"{url}/v1/nights", content=stream, timeout=300)
    answer.raise_for_status()
    return answer.content


def _write_metrics(run: Path, agreement: Agreement, yasa: Agreement, minutes: float, steps: list[Step]) -> None:
    figures = {
        "demo.minutes": round(minutes, 2),
        "demo.kappa": agreement.kappa,
        "demo.macro_f1": agreement.macro_f1,
        "demo.accuracy": agreement.accuracy,
        "demo.kappa_yasa": yasa.kappa,
    }
    seconds = {step.name: round(step.seconds, 1) for step in steps}
    write_json(
        run / "metrics.json",
        figures
        | {"agreement": agreement.to_dict(), "agreement_yasa": yasa.to_dict(), "seconds": seconds}
        | {"code": describe_code(), "hardware": describe_hardware()},
    )


def _close(
    console: Console, run: Path, steps: list[Step], agreement: Agreement, yasa: Agreement, minutes: float, scored: Path
) -> None:
    adapter = run / "search" / "adapter"
    console.rule("[bold]Done", align="left", style="dim")
    console.print(format_steps(steps))
    console.print(f"somnolens: {summarise_agreement(agreement)}")
    console.print(f"YASA:      {summarise_agreement(yasa)}")
    console.print(f"{minutes:.1f} minutes in all. Figures: {run / 'metrics.json'}. A scored night: {scored}.\n")
    console.print("To go on:")
    for what, command in (
        ("score your own recording", f"somnolens score NIGHT.edf --adapter {adapter}"),
        ("read its morning report", f"somnolens report NIGHT.edf --adapter {adapter}"),
        ("start the service", f"somnolens serve --adapter {adapter}"),
        ("draw your own cohort", "python jobs/build_dataset.py FOLDER DATASET"),
        ("train on it", "python jobs/search_hyperparameters.py DATASET RUN"),
        (
            "the same on a cluster",
            "ray job submit --working-dir . -- python jobs/search_hyperparameters.py DATASET RUN",
        ),
    ):
        console.print(f"  {what:26s} {command}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    run_demo(Path(".demo"), read_settings(DEMO_CONFIG))

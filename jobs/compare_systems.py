"""Hold an adapter against its peers: same nights, same splits, same corruptions of the raw signal, one table.

    python jobs/compare_systems.py [RUN] [--out FOLDER] [--set compare.peers=[YASA,boosting] ...]
    python jobs/compare_systems.py --write-readme README.md

RUN is a run folder of the demo; without it the newest below .demo is taken, and where there is none, nights are
simulated and an adapter is trained on them, in this process. Nothing else runs beside it: times are part of the table.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from somnolens.config import Settings, read_settings
from somnolens.dataset.manifest import Dataset, open_dataset
from somnolens.errors import RunFolderError
from somnolens.evaluate.comparison import STEP_SUFFIX, Entry, Nights, Standing, choose_contestants, hold_contest
from somnolens.evaluate.corruptions import CORRUPTIONS, list_corruptions
from somnolens.evaluate.in_process import build_here, train_here
from somnolens.evaluate.leakage import check_leakage
from somnolens.evaluate.peers.boosting import Boosting
from somnolens.evaluate.peers.convolution import Convolution
from somnolens.evaluate.peers.looking import Glance, VisionHead, VisionLanguageModel, load_zero_shot
from somnolens.evaluate.peers.majority import Majority
from somnolens.evaluate.peers.yasa import Yasa
from somnolens.evaluate.robustness import (
    STRETCH,
    WHOLE,
    Spoilt,
    cut_night,
    measure_robustness,
    plan_losses,
    plan_trials,
)
from somnolens.evaluate.systems import read_labelled
from somnolens.jobs.arguments import DEMO_CONFIG, Config, Overrides, run_job
from somnolens.jobs.cluster import progress
from somnolens.provenance import describe_code, describe_hardware, make_run_folder
from somnolens.read.cohorts import find_nights
from somnolens.report.canvas import write_figure
from somnolens.report.comparison_plots import draw_robustness, draw_systems
from somnolens.report.comparison_tables import (
    describe_robustness,
    describe_standings,
    format_losses,
    format_markdown,
    format_table,
    list_metrics,
    tell_winner,
    write_csv,
)
from somnolens.report.marked import write_between_markers
from somnolens.report.terminal import summarise_agreement
from somnolens.score.engine import Engine, load_engine
from somnolens.simulate.night import simulate_cohort
from somnolens.storage import write_bytes, write_json

OURS = "somnolens"
OURS_OF_THE_NIGHT = OURS + STEP_SUFFIX
DEMO, COMPARISONS = Path(".demo"), Path(".evaluate")
RESULT, SPOILT_FIGURE = "comparison.json", "robustness.png"
FIGURES = Path("platform", "figures")
"""Where a README of the repository has them."""
AT_CHANCE = ("majority", "zero-shot")
"""Systems that no corruption can make worse: they are not shown any."""


@dataclass(frozen=True)
class Material:
    """What a comparison is made from.

    Parameters
    ----------
    nights, dataset, adapter : Path
    training_s : float or None
        Of the adapter, its search included.
    """

    nights: Path
    dataset: Path
    adapter: Path
    training_s: float | None = None


def main(
    run: Annotated[Path | None, typer.Argument(help="run folder of the demo; without, the newest below .demo")] = None,
    out: Annotated[Path | None, typer.Option(help="new folder of the results; without, one below .evaluate")] = None,
    write_readme: Annotated[
        Path | None, typer.Option(help="only write the tables of the newest comparison, or of RUN, between its markers")
    ] = None,
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Hold an adapter against its peers."""
    if write_readme:
        show_comparison(run or find_newest(COMPARISONS), write_readme)
        return
    settings = read_settings(config or DEMO_CONFIG, overrides)
    folder = make_run_folder(out.parent, out.name) if out else make_run_folder(COMPARISONS)
    console = Console()
    compare(find_material(run, folder, settings, console), folder, settings, console)
    console.print(f"Tables and figures are in {folder}.")


def find_newest(parent: Path) -> Path:
    """The newest run folder.

    Raises
    ------
    RunFolderError
        Where there is none.
    """
    folders = sorted(
        path for path in parent.glob("*") if (path / RESULT).is_file() or (path / "metrics.json").is_file()
    )
    if not folders:
        raise RunFolderError(f"There is no finished run below {parent}. Make one with `make evaluate`, or name one.")
    return folders[-1]


def find_material(run: Path | None, folder: Path, settings: Settings, console: Console) -> Material:
    """Nights, dataset and adapter of a run of the demo, or made here below `folder` where there is no run.

    Raises
    ------
    RunFolderError
        Where the named run has no nights, dataset or adapter.
    """
    if run is None and not any(DEMO.glob("*/metrics.json")):
        return make_material(folder / "material", settings, console)
    run = run or find_newest(DEMO)
    material = Material(run / "nights", run / "dataset", run / "search" / "adapter", _read_training_s(run))
    missing = [str(path) for path in (material.nights, material.dataset, material.adapter) if not path.is_dir()]
    if missing:
        raise RunFolderError(f"{run} has no {', '.join(missing)}. Name a run folder of the demo that came to its end.")
    return material


def _read_training_s(run: Path) -> float | None:
    path = run / "metrics.json"
    return json.loads(path.read_text())["seconds"].get("Search and train") if path.is_file() else None


def make_material(folder: Path, settings: Settings, console: Console) -> Material:
    """Simulate nights, draw them and train an adapter, all in this process."""
    nights, dataset = folder / "nights", folder / "dataset"
    with console.status("Simulating nights") as status:
        simulate_cohort(settings.simulate, nights, lambda path: status.update(f"Simulated {path.name}"))
        build_here(find_nights(nights, settings.dataset.cohort), dataset, settings, status.update)
        started = time.perf_counter()
        train_here(dataset, folder, settings, status.update)
    return Material(nights, dataset, folder / "adapter", time.perf_counter() - started)


def compare(material: Material, out: Path, settings: Settings, console: Console) -> dict[str, Any]:
    """Hold the contest, spoil the recordings, and write everything to `out`.

    Returns
    -------
    dict
        Contents of `comparison.json`.
    """
    started = time.perf_counter()
    dataset = open_dataset(material.dataset)
    found = find_nights(material.nights, dataset.manifest["settings"]["dataset"]["cohort"], settings.read.channels)
    nights = Nights(*(read_labelled(found, dataset, split) for split in ("train", "validation", "test")))
    engine = load_engine(material.adapter)
    check_leakage(dataset, "test", engine.card)
    entries = list_entries(engine, material.training_s, settings)
    with progress(console, "Fitting and staging", len(entries)) as advance:

        def report(entered: list[Standing]) -> None:
            advance(note=entered[0].name)
            for one in entered:
                console.print(f"{one.name}: {summarise_agreement(one.evaluation.pooled)}", soft_wrap=True)

        standings = hold_contest(entries, nights, report)

    def write(spoilt: list[Spoilt]) -> dict[str, Any]:
        return write_comparison(out, standings, spoilt, (time.perf_counter() - started) / 60, dataset)

    result = write([])  # what is known is kept, whatever becomes of the corruptions
    if settings.compare.robustness:
        result = write(spoil(standings, nights, settings, console))
    console.print(format_table(result["systems"], "Against its peers"))
    console.print(tell_winner(result["systems"], OURS_OF_THE_NIGHT), soft_wrap=True)
    return result


def list_entries(engine: Engine, training_s: float | None, settings: Settings) -> list[Entry]:
    """Our adapter first, then the peers that are asked for."""
    read_night = engine.read_night if engine.sequence else None
    ours = Entry(VisionLanguageModel(OURS, engine), read_night=read_night, training_s=training_s)
    learnt, compare = engine.card.resolved, settings.compare
    gain_range = learnt.train.gain_range
    peers: dict[str, Callable[[], Entry]] = {
        "majority": lambda: Entry(Majority(), with_step=False),
        "zero-shot": lambda: Entry(load_zero_shot(learnt, engine.style)),
        "YASA": lambda: Entry(Yasa()),
        "boosting": lambda: Entry(Boosting(compare.boosting_rounds, gain_range, compare.seed)),
        "convolution": lambda: Entry(Convolution(compare.convolution_passes, gain_range=gain_range, seed=compare.seed)),
        "vision head": lambda: Entry(
            VisionHead(
                load_zero_shot(learnt, engine.style).engine.looker,
                engine.style,
                learnt.train.hide_share,
                gain_range,
                compare.seed,
            )
        ),
    }
    return [ours, *(peers[name]() for name in compare.peers)]


def spoil(standings: list[Standing], nights: Nights, settings: Settings, console: Console) -> list[Spoilt]:
    """Every system that is above chance, as it did better on the validation nights, on corrupted test nights."""
    contestants = [one for one in choose_contestants(standings) if one.system.name not in AT_CHANCE]
    share_eyes([one.system for one in contestants])
    compare = settings.compare
    chosen = CORRUPTIONS if compare.corruptions is None else [list_corruptions()[name] for name in compare.corruptions]
    losses, trials = plan_losses(compare.lost_shares), plan_trials(chosen, compare.seed)
    stretches = [cut_night(night, compare.spoilt_epochs) for night in nights.test]
    with progress(console, "Spoiling recordings", (len(losses) + len(trials)) * len(nights.test)) as advance:

        def report(note: str) -> None:
            advance(note=note)

        return [
            *measure_robustness(contestants, nights.test, losses, WHOLE, report),
            *measure_robustness(contestants, stretches, trials, STRETCH, report),
        ]


def share_eyes(systems: list[Any]) -> None:
    """Let our adapter and the head on its vision side look at each picture once between them.

    They can where the adapter has left the vision side as it was. One that is shown several pictures of an epoch puts
    together by itself what it has seen of each.
    """
    looking = [one for one in systems if isinstance(one, VisionLanguageModel | VisionHead)]
    ours = next(one for one in looking if isinstance(one, VisionLanguageModel))
    if ours.engine.n_pictures > 1:
        return
    settings = ours.engine.card.resolved
    shared = looking if settings.train.may_cache else [ours]
    glance = Glance(ours.engine.looker.see, {one.name: one.read for one in shared}, settings.score.batch_size)
    for one in shared:
        one.glance = glance


def write_comparison(
    out: Path, standings: list[Standing], spoilt: list[Spoilt], minutes: float, dataset: Dataset
) -> dict[str, Any]:
    """Write tables, figures and the plain values that all of them are made from."""
    rows = describe_standings(standings, OURS_OF_THE_NIGHT)
    robustness = describe_robustness(spoilt)
    result = {
        "systems": rows,
        "robustness": robustness,
        "minutes": minutes,
        "dataset": dataset.summary,
        "code": describe_code(),
        "hardware": describe_hardware(),
    }
    write_json(out / RESULT, result)
    write_csv(rows, out / "systems.csv")
    write_figure(draw_systems(rows, OURS_OF_THE_NIGHT), out / "systems.png")
    if robustness:
        write_csv(robustness, out / "robustness.csv")
        write_figure(draw_robustness(robustness, robustness[0]["system"]), out / SPOILT_FIGURE)
    write_bytes(out / "comparison.md", (tell_comparison(result) + "\n").encode())
    metrics = list_metrics(rows, robustness, OURS_OF_THE_NIGHT, minutes)
    write_bytes(out / "metrics.jsonl", "".join(json.dumps(metric) + "\n" for metric in metrics).encode())
    return result


def read_comparison(folder: Path) -> dict[str, Any]:
    """What `compare` wrote.

    Raises
    ------
    RunFolderError
    """
    path = folder / RESULT
    if not path.is_file():
        raise RunFolderError(f"{folder} is not a comparison: it has no {RESULT}. Make one with `make evaluate`.")
    return json.loads(path.read_text(encoding="utf-8"))


def show_comparison(folder: Path, readme: Path) -> None:
    """Write the tables of a comparison into a README, and its figure beside the README's other figures."""
    write_between_markers(readme, "evaluate", tell_comparison(read_comparison(folder)))
    if (folder / SPOILT_FIGURE).is_file():
        figures = readme.parent / FIGURES
        figures.mkdir(parents=True, exist_ok=True)
        write_bytes(figures / SPOILT_FIGURE, (folder / SPOILT_FIGURE).read_bytes())


def tell_comparison(result: dict[str, Any]) -> str:
    """The tables of a comparison in Markdown, with the sentence on who wins and where it was measured."""
    parts = [tell_winner(result["systems"], OURS_OF_THE_NIGHT), format_markdown(result["systems"])]
    if result["robustness"]:
        parts.append(format_losses(result["robustness"]))
    parts.append(f"Measured with `make evaluate` in {result['minutes']:.1f} minutes on {result['hardware']}.")
    return "\n\n".join(parts)


if __name__ == "__main__":
    run_job(main)

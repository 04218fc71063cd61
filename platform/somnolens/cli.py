"""The `somnolens` command: look at recordings, score them, serve an adapter, run the demo."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from somnolens import __version__
from somnolens.config import Settings, read_settings
from somnolens.errors import SomnolensError
from somnolens.importing import at_rest
from somnolens.jobs.arguments import DEMO_CONFIG, Config, Overrides, run_command
from somnolens.jobs.submit_job import jobs, submit
from somnolens.read.montage import Part

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
adapters = typer.Typer(no_args_is_help=True, help="Keep adapters in a registry, and say which one serves.")
app.add_typer(adapters, name="adapters")
keys = typer.Typer(no_args_is_help=True, help="Keep the API keys of the service, as hashes in a file.")
app.add_typer(keys, name="keys")
app.add_typer(jobs, name="jobs")
app.command(context_settings={"ignore_unknown_options": True})(submit)

Adapter = Annotated[str, typer.Option(help="adapter folder, 'embedded', REGISTRY#NAME or REGISTRY#promoted")]
RegistryPlace = Annotated[
    str,
    typer.Option(
        "--registry", envvar="SOMNOLENS_REGISTRY", metavar="PLACE", help="folder, or URL as s3://lab/registry"
    ),
]
KeysFile = Annotated[
    Path | None, typer.Option("--keys", metavar="FILE", help="else keys.json of somnolens in the user's configuration")
]
Why = Annotated[str, typer.Option(help="a sentence that is kept with the promotion; name no person")]


def main() -> None:
    """Run the command."""
    run_command(app)


@app.callback()
def _callback() -> None:
    """Stages human sleep by looking."""


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="folder of the nights")],
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Write simulated nights whose right answer is known, as EDF+ with a scorer's file."""
    from somnolens.jobs import simulate_nights

    simulate_nights.main(out, config, overrides)


@app.command()
def inspect(
    places: Annotated[list[Path], typer.Argument(help="recordings, or folders of a cohort")],
    cohort: Annotated[str | None, typer.Option(help="how the files of a folder belong together")] = None,
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Tell what recordings or whole cohorts hold, what of it can be drawn, and what is missing or wrong."""
    settings = read_settings(config, overrides)
    console = Console()
    for place in places:
        if place.is_dir():
            _print_survey(console, place, cohort or settings.dataset.cohort, settings.read.channels)
        else:
            _print_recording(console, place, settings.read.channels)


def _print_survey(console: Console, folder: Path, cohort: str, channels: Mapping[str, Part]) -> None:
    from rich.progress import track

    from somnolens.read.cohorts import find_nights
    from somnolens.read.survey import survey_night
    from somnolens.report.survey import format_survey, summarise_survey

    nights = find_nights(folder, cohort, channels)
    shown = track(nights, "Looking at nights", console=console, transient=True)
    facts = [survey_night(night) for night in shown]
    console.print(format_survey(facts, f"{folder.name} as {cohort}"))
    for line in summarise_survey(facts):
        console.print(escape(line), highlight=False, soft_wrap=True)


def _print_recording(console: Console, path: Path, channels: Mapping[str, Part]) -> None:
    from somnolens.read.inspection import inspect_recording

    facts = inspect_recording(path, channels)
    _print_inspection(console, facts)
    if facts.drawn and facts.n_epochs:
        _print_quality(console, path, channels)


def _print_quality(console: Console, path: Path, channels: Mapping[str, Part]) -> None:
    from somnolens.read.night import read_drawn
    from somnolens.report.quality import explain_quality, format_quality, measure_quality

    recording, montage = read_drawn(path, channels)
    qualities = measure_quality(recording, montage)
    console.print(format_quality(qualities))
    for line in explain_quality(qualities, montage):
        console.print(f"  [yellow]mind[/]    {escape(line)}", highlight=False)


def _print_inspection(console: Console, facts) -> None:
    start = f", from {facts.start:%H:%M:%S}" if facts.start else ""
    console.print(f"\n[bold]{escape(facts.name)}[/]: {facts.duration_s / 3600:.2f} h, {facts.n_epochs} epochs{start}")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("signal", "unit", "rate", "drawn as"):
        table.add_column(heading)
    for one in facts.signals:
        table.add_row(escape(one.name), one.unit, f"{one.sampling_rate_hz:g} Hz", one.drawn_as or "-")
    console.print(table)
    for derivation in facts.derivations:
        mark = "[green]drawn[/]  " if derivation.parts else "[red]missing[/]"
        console.print(f"  {mark} {derivation.name}: {escape(derivation.reason)}", highlight=False)
    for line in (facts.problem, *facts.notes):
        if line:
            console.print(f"  [yellow]note[/]    {escape(line)}", highlight=False)


@app.command()
def plan(
    config: Annotated[Path | None, typer.Argument(help="YAML file with what differs from the defaults")] = None,
    overrides: Overrides = [],  # noqa: B006
    n_epochs: Annotated[
        int, typer.Option("--epochs", min=1, help="epochs in one pass; a night has about 960")
    ] = 96_000,
    gpu: Annotated[str, typer.Option(help="GPU to reckon with: A10, A100, L40S, H100 or H200")] = "H100",
    mfu: Annotated[float, typer.Option(min=0.01, max=1, help="share of its peak that training reaches")] = 0.3,
    capacity: Annotated[
        bool, typer.Option("--capacity", help="machines, hours and money for whole cohorts instead")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="cores at work, with --capacity")] = 64,
    usd_per_core_hour: Annotated[float, typer.Option(min=0.0001, help="price, with --capacity")] = 0.04,
    measured: Annotated[Path | None, typer.Option(help="results.jsonl of `make bench`, with --capacity")] = None,
) -> None:
    """Tell what training with these settings will cost: parameters, tokens, operations, memory, time."""
    if capacity:
        _plan_capacity(read_settings(config, overrides), workers, usd_per_core_hour, measured)
        return
    from somnolens.model.budget import find_peak, plan_training
    from somnolens.report.budget import explain_assumptions, format_costs, format_memory

    budget, peak_flops = plan_training(read_settings(config, overrides)), find_peak(gpu)
    console = Console()
    console.print(format_costs(budget, n_epochs, peak_flops, mfu))
    console.print(format_memory(budget))
    for line in explain_assumptions(budget, gpu, peak_flops, mfu):
        console.print(f"  [dim]-[/] {escape(line)}", highlight=False)


def _plan_capacity(settings: Settings, n_workers: int, usd_per_core_hour: float, results: Path | None) -> None:
    from somnolens.model.capacity import Place, read_measured
    from somnolens.report.capacity import explain_capacity, format_capacity, format_scaling

    console, measured, place = Console(), read_measured(results), Place(usd_per_core_hour=usd_per_core_hour)
    console.print(format_capacity(measured, place, n_workers, settings.train.passes))
    console.print(format_scaling(measured, place))
    for line in explain_capacity(measured, place):
        console.print(f"  [dim]-[/] {escape(line)}", highlight=False)


@app.command()
def score(
    recordings: Annotated[list[Path], typer.Argument(help="EDF, EDF+ or BDF files")],
    out: Annotated[Path, typer.Option("--out", help="folder of the results")] = Path("scored"),
    adapter: Adapter = "embedded",
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Score recordings in this process: hypnogram, five probabilities per epoch, figure."""
    with at_rest():
        from somnolens.score.engine import load_engine

    console = Console()
    settings = read_settings(config, overrides)
    with console.status("Loading the model"):
        engine = load_engine(adapter, settings.score.sequence_step)
    failed = [path for path in recordings if not _score_one(path, engine, settings, out, console)]
    if failed:
        raise typer.Exit(1)


def _score_one(path: Path, engine, settings: Settings, out: Path, console: Console) -> bool:
    from somnolens.jobs.cluster import make_progress
    from somnolens.report.night import write_night
    from somnolens.score.night import score_recording

    with make_progress(console) as bars:
        task = bars.add_task(path.name, total=None, note="")

        def report(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        try:
            scored = score_recording(path, engine, settings.score.batch_size, report, settings.read.channels)
        except SomnolensError as error:
            bars.remove_task(task)
            console.print(f"[bold red]{error.kind}:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
            return False
    write_night(scored, out, path.stem)
    counts = ", ".join(f"{n} {stage}" for stage, n in scored.hypnogram.counts().items() if n)
    console.print(f"{counts} epochs. Figure, tables and JSON: {out / path.stem}.*", highlight=False)
    for note in scored.hypnogram.notes:
        console.print(f"  [yellow]note[/] {escape(note)}", highlight=False)
    return True


@app.command()
def explain(
    night: Annotated[Path, typer.Argument(help="EDF, EDF+ or BDF file")],
    epochs: Annotated[str, typer.Option(help="numbers and ranges, counted from 0, as in 120,300-305")],
    stage: Annotated[str | None, typer.Option(help="whose heat is drawn; else the one each epoch was given")] = None,
    method: Annotated[str, typer.Option(help="signal, patches, attention or gradient")] = "signal",
    out: Annotated[Path, typer.Option("--out", help="folder of the figures")] = Path("explained"),
    adapter: Adapter = "embedded",
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Why this stage? Heat over the picture, events found in it, reasons for and against, each with its numbers."""
    from somnolens.jobs import explain_night

    explain_night.main(night, epochs, stage, method, out, adapter, config, overrides)


@app.command()
def report(
    night: Annotated[Path, typer.Argument(help="EDF, EDF+ or BDF file")],
    hypnogram: Annotated[
        Path | None, typer.Option(help="the same night corrected by a person: EDF+, CSV, TSV, JSON or XML")
    ] = None,
    scored: Annotated[
        Path | None, typer.Option(help="JSON of `somnolens score` by the same adapter: the model is not asked again")
    ] = None,
    age: Annotated[
        int | None, typer.Option(min=0, max=120, help="in years, for what is usual; it is not shown")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="folder of the report; else reports/NIGHT")] = None,
    adapter: Adapter = "embedded",
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Write the morning report of a night: a page, a PDF, and the stages as EDF+, CSV, JSON and BIDS."""
    from somnolens.jobs import report_night

    report_night.main(night, hypnogram, scored, age, out, adapter, config, overrides)


@app.command()
def compare(
    one: Annotated[Path, typer.Argument(help="hypnogram that counts as true: EDF+, CSV, TSV, JSON or XML")],
    other: Annotated[Path, typer.Argument(help="hypnogram of the same night, by another scorer or corrected")],
) -> None:
    """Tell how two hypnograms of a night agree, stage by stage, and list the epochs that differ."""
    from somnolens.evaluate.agreement import measure_agreement
    from somnolens.report.differences import format_differences, format_stage_agreement, list_differences, read_pair
    from somnolens.report.terminal import summarise_agreement

    console, (first, second) = Console(), read_pair(one, other)
    names, agreement = (one.name, other.name), measure_agreement(first, second)
    console.print(format_stage_agreement(agreement, *names))
    console.print(summarise_agreement(agreement), highlight=False)
    differences = list_differences(first, second)
    console.print(format_differences(differences) if differences else "No epoch differs.")


@app.command()
def serve(
    adapter: Annotated[str, typer.Option(help="else the one promoted in --registry, else 'embedded'")] = "embedded",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    registry: Annotated[str, typer.Option(envvar="SOMNOLENS_REGISTRY", metavar="PLACE", help="adapters by name")] = "",
    keys: KeysFile = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="ask for no key, and answer this machine only")] = False,
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Serve adapters on this machine until Ctrl-C, with a page to look at."""
    from somnolens.jobs.serve_adapter import serve_until_stopped

    asked = {"adapter": adapter, "registry": registry, "keys_file": str(keys or ""), "insecure": insecure}
    given = [f"serve.{name}={value}" for name, value in asked.items() if value not in ("", "embedded", False)]
    serve_until_stopped(read_settings(config, [*overrides, *given]).serve, port)


@keys.command("add")
def add_key(
    name: Annotated[str, typer.Argument(help="whose it is; stands in logs and metrics")],
    file: KeysFile = None,
    admin: Annotated[bool, typer.Option("--admin", help="may change which adapter serves")] = False,
    nights_per_hour: Annotated[int | None, typer.Option(min=1)] = None,
    requests_at_once: Annotated[int | None, typer.Option(min=1)] = None,
) -> None:
    """Make a key; it is shown once."""
    from somnolens.jobs import manage_keys
    from somnolens.serve.access.keys import locate_keys

    manage_keys.add(file or locate_keys(), name, admin, nights_per_hour, requests_at_once)


@keys.command("list")
def list_keys(file: KeysFile = None) -> None:
    """List the keys, which opens nothing."""
    from somnolens.jobs import manage_keys
    from somnolens.serve.access.keys import locate_keys

    manage_keys.show(file or locate_keys())


@keys.command("revoke")
def revoke_key(
    identity: Annotated[str, typer.Argument(help="id of the key, or its name", metavar="KEY")], file: KeysFile = None
) -> None:
    """Revoke a key; a running service sees it within seconds."""
    from somnolens.jobs import manage_keys
    from somnolens.serve.access.keys import locate_keys

    manage_keys.revoke(file or locate_keys(), identity)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="folder that run folders are made in")] = Path(".demo"),
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Simulate, build, search, train, evaluate, serve and score, end to end, on this machine."""
    settings = read_settings(config or DEMO_CONFIG, overrides)  # first: the rest takes seconds to import
    from somnolens.jobs.run_demo import run_demo

    run_demo(out, settings)


@adapters.command("list")
def list_adapters(registry: RegistryPlace) -> None:
    """List the adapters of a registry, and mark the one that serves."""
    from somnolens.model.registry import open_registry
    from somnolens.report.adapters import explain_problems, format_adapters

    console, opened = Console(), open_registry(registry)
    entries, last = opened.read_entries(), opened.find_promoted()
    console.print(format_adapters(entries, last.adapter if last else None, f"Adapters of {registry}"))
    for problem in explain_problems(entries):
        console.print(f"  [red]broken[/]  {escape(problem)}", highlight=False, soft_wrap=True)
    serves = (
        f"{last.adapter} serves: promotion {last.number}, {last.time[:16]} UTC." if last else "Nothing is promoted."
    )
    console.print(escape(serves), highlight=False, soft_wrap=True)


@adapters.command("show")
def show_adapter(name: Annotated[str, typer.Argument(help="adapter")], registry: RegistryPlace) -> None:
    """Tell everything an adapter's card says, and when it served."""
    from somnolens.model.registry import open_registry
    from somnolens.report.adapters import format_facts, format_figures, format_promotions, select_promotions

    console, opened = Console(), open_registry(registry)
    entry = opened.read_sound_entry(name)
    console.print(format_facts(entry))
    console.print(format_figures([entry], mark=False))
    promotions = select_promotions(opened, name)
    console.print(format_promotions(promotions) if promotions else f"{escape(name)} was never promoted.")


@adapters.command("compare")
def compare_adapters(
    names: Annotated[list[str], typer.Argument(help="two adapters or more")], registry: RegistryPlace
) -> None:
    """Tell in what adapters differ, and which one is better where that can be said."""
    from somnolens.model.registry import open_registry
    from somnolens.report.adapters import explain_comparison, format_differences, format_figures, is_comparable

    if len(set(names)) < 2:
        raise typer.BadParameter("name two adapters or more", param_hint="NAMES")
    console, opened = Console(), open_registry(registry)
    entries = [opened.read_sound_entry(name) for name in dict.fromkeys(names)]
    console.print(format_differences(entries))
    console.print(format_figures(entries, mark=is_comparable(entries)))
    for warning in explain_comparison(entries):
        console.print(f"  [yellow]mind[/]    {escape(warning)}", highlight=False, soft_wrap=True)


@adapters.command("promote")
def promote_adapter(
    registry: RegistryPlace,
    name: Annotated[str | None, typer.Argument(help="adapter that shall serve")] = None,
    back: Annotated[bool, typer.Option("--back", help="take the last promotion back")] = False,
    why: Why = "",
) -> None:
    """Let another adapter serve; what is running goes on with its own until it is started again."""
    from somnolens.model.promotions import promote_adapter, promote_back
    from somnolens.model.registry import open_registry

    if (name is None) != back:
        raise typer.BadParameter("name an adapter, or take the last promotion back with --back", param_hint="NAME")
    opened = open_registry(registry)
    made = promote_back(opened, why) if name is None else promote_adapter(opened, name, why)
    before = f", in place of {made.previous}" if made.previous else ""
    said = f"{made.adapter} serves from now on{before}: promotion {made.number}. Reach it as {registry}#promoted."
    Console().print(escape(said), highlight=False, soft_wrap=True)


@adapters.command("add")
def add_adapter(
    adapter: Annotated[str, typer.Argument(help="adapter folder, 'embedded', or REGISTRY#NAME")],
    registry: RegistryPlace,
    name: Annotated[str | None, typer.Option(help="else the time it was trained and its fingerprint")] = None,
) -> None:
    """Copy an adapter into a registry, where it is never changed again."""
    from somnolens.model.adapter_card import locate_adapter, read_card
    from somnolens.model.additions import add_adapter

    folder = locate_adapter(adapter)
    read_card(folder)
    record = add_adapter(registry, folder, name)
    Console().print(
        escape(f"{record.name} is added. Reach it as {registry}#{record.name}."), highlight=False, soft_wrap=True
    )


if __name__ == "__main__":
    main()

"""Measure, keep the rows in .bench/results.jsonl, print them with their bars."""

import importlib
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from somnolens.errors import SettingsError, SomnolensError
from somnolens.provenance import describe_hardware
from tests.benchmarks.readme import write_measured_parts
from tests.benchmarks.results import (
    Row,
    complete_row,
    forget_others,
    format_results,
    meets_bar,
    merge_results,
    read_results,
    write_results,
)

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / ".bench" / "results.jsonl"
AREAS = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))


def main(
    areas: Annotated[list[str] | None, typer.Argument(help=f"of {', '.join(AREAS)}; all without")] = None,
    write_readme: Annotated[
        bool, typer.Option("--write-readme", help="only write the README's measured parts from what was kept")
    ] = False,
) -> None:
    """Measure the areas and exit with 1 if a bar is missed."""
    console = Console()
    try:
        if write_readme:
            write_measured_parts(ROOT / "README.md", RESULTS.parent)
        else:
            raise typer.Exit(_measure_all(areas or AREAS, console))
    except SomnolensError as error:
        console.print(f"[bold red]{type(error).__name__}[/] {error}")
        raise typer.Exit(2) from None


def _measure_all(areas: list[str], console: Console) -> int:
    unknown = sorted(set(areas) - set(AREAS))
    if unknown:
        raise SettingsError(f"There is no benchmark of {', '.join(unknown)}; there are {', '.join(AREAS)}.")
    measured: list[Row] = []
    for area in areas:
        with console.status(f"measuring {area}"):
            measured += _measure(area)
        write_results(RESULTS, merge_results(read_results(RESULTS), measured))
    if areas == AREAS:
        write_results(RESULTS, forget_others(read_results(RESULTS), measured))
    console.print(format_results(merge_results([], measured)))
    console.print(f"kept in {RESULTS.relative_to(ROOT)}")
    return int(any(meets_bar(row["value"], row["bar"]) is False for row in measured))


def _measure(area: str) -> list[Row]:
    module = importlib.import_module(f"tests.benchmarks.bench_{area}")
    return [complete_row(row, describe_hardware()) for row in module.measure()]


if __name__ == "__main__":
    typer.run(main)

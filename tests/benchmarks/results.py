"""Benchmark rows: their bars, their file, and the tables made from them."""

import json
import operator
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from somnolens import storage
from somnolens.errors import SettingsError
from somnolens.report.marked import write_between_markers

Row = dict[str, Any]

REQUIRED = ("name", "value", "unit", "higher_is_better", "bar")
COMPARISONS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
COMMANDS = "`make bench`, `make evaluate`, `make stress` and `make cluster-test`"
NUMBER = r"(-?\d+(?:\.\d+)?)"


def meets_bar(value: float, bar: str | None) -> bool | None:
    """Whether the value meets its bar; None where there is no bar.

    Examples
    --------
    >>> meets_bar(120, ">= 100"), meets_bar(0.86, "0.65..0.82"), meets_bar(3, None)
    (True, False, None)
    """
    if not bar:
        return None
    if band := re.fullmatch(rf"\s*{NUMBER}\s*\.\.\s*{NUMBER}\s*", bar):
        return float(band[1]) <= value <= float(band[2])
    if limit := re.fullmatch(rf"\s*(>=|<=|>|<)\s*{NUMBER}\s*", bar):
        return COMPARISONS[limit[1]](value, float(limit[2]))
    raise SettingsError(f"The bar {bar!r} cannot be read. Write it as '>= 100', '<= 45' or '0.65..0.82'.")


def complete_row(row: Row, hardware: str) -> Row:
    """A row as it is kept: its keys checked, the hardware added."""
    missing = [key for key in REQUIRED if key not in row]
    if missing:
        raise SettingsError(f"The benchmark row {row} lacks {', '.join(missing)}.")
    meets_bar(row["value"], row["bar"])
    ordered = {key: row[key] for key in ("name", "value", "unit")} | {"ratio_to": row.get("ratio_to")}
    return ordered | row | {"value": float(row["value"]), "hardware": hardware}


def read_results(path: Path) -> list[Row]:
    """Rows measured so far, by name."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def merge_results(before: Iterable[Row], measured: Iterable[Row]) -> list[Row]:
    """Replace rows of the same name, keep the others, sort by name."""
    by_name = {row["name"]: row for row in (*before, *measured)}
    return [by_name[name] for name in sorted(by_name)]


def forget_others(before: Iterable[Row], measured: list[Row]) -> list[Row]:
    """What was measured, and the rows of areas that other commands measure; what an area measures no longer is gone.

    Examples
    --------
    >>> forget_others([{"name": "render.old"}, {"name": "stress.lost"}], [{"name": "render.new"}])
    [{'name': 'render.new'}, {'name': 'stress.lost'}]
    """
    areas = {row["name"].partition(".")[0] for row in measured}
    return merge_results((row for row in before if row["name"].partition(".")[0] not in areas), measured)


def write_results(path: Path, rows: Iterable[Row]) -> None:
    """Write one JSON object per line, atomically."""
    storage.write_bytes(path, "".join(json.dumps(row) + "\n" for row in rows).encode())


def format_value(value: float) -> str:
    """Three digits that count, all of those before the point.

    Examples
    --------
    >>> format_value(12345.6), format_value(0.71234), format_value(38.04)
    ('12,346', '0.712', '38')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def format_results(rows: Iterable[Row]) -> Table:
    """The rows for the terminal, with a verdict where there is a bar."""
    verdicts = {True: "[green]met[/]", False: "[bold red]missed[/]", None: ""}
    table = Table(box=box.SIMPLE_HEAD)
    for heading, justify in (("measure", "left"), ("value", "right"), ("unit", "left"), ("bar", "left"), ("", "left")):
        table.add_column(heading, justify=justify, overflow="fold")
    for row in rows:
        verdict = verdicts[meets_bar(row["value"], row["bar"])]
        table.add_row(row["name"], format_value(row["value"]), _unit(row), row["bar"] or "", verdict)
    return table


def format_markdown(rows: list[Row]) -> str:
    """The rows as a Markdown table, one line on the hardware below it."""
    lines = ["| measure | value | unit | bar |", "|---|---:|---|---|"]
    for row in rows:
        mark = {True: " ✓", False: " ✗", None: ""}[meets_bar(row["value"], row["bar"])]
        lines.append(f"| `{row['name']}` | {format_value(row['value'])} | {_unit(row)} | {row['bar'] or ''}{mark} |")
    hardware = sorted({row["hardware"] for row in rows})
    return "\n".join([*lines, "", f"Measured with {COMMANDS} on {'; '.join(hardware)}."])


def write_readme_table(readme: Path, rows: list[Row]) -> None:
    """Write the table into the README."""
    if not rows:
        raise SettingsError("There are no benchmark results yet. Measure them with `make bench`.")
    write_between_markers(readme, "bench", format_markdown(rows))


def _unit(row: Row) -> str:
    return f"{row['unit']} to {row['ratio_to']}" if row.get("ratio_to") else row["unit"]

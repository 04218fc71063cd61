"""A comparison of systems as plain rows, and the tables made from them: CSV, Markdown, terminal."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.table import Table

from somnolens import storage
from somnolens.aasm import STAGES
from somnolens.evaluate.ablation import Ablated
from somnolens.evaluate.comparison import STEP_SUFFIX, Standing
from somnolens.evaluate.evaluation import Evaluation
from somnolens.evaluate.intervals import compare_systems, measure_intervals
from somnolens.evaluate.robustness import CLEAN, Spoilt, find_spoilt, measure_loss

Row = dict[str, Any]

HEADINGS: Final = (
    "system",
    "kappa",
    "macro-F1",
    *(f"F1 {stage}" for stage in STAGES),
    "kappa against ours",
    "training",
    "a night",
    "memory",
    "parameters",
)
IN_TERMINAL, IN_README = (0, 1, 4, 8, 9, 10), (0, 1, 2, 4, 8, 9, 10, 11, 12)
"""Places in the headings."""


def describe_standings(standings: Sequence[Standing], ours: str) -> list[Row]:
    """A row of plain values for each system, with what it is ahead of ours and how surely.

    Parameters
    ----------
    standings : sequence of Standing
    ours : str
        Name of the one that the others are held against.
    """
    our_evaluation = next(one.evaluation for one in standings if one.name == ours)
    return [_describe_standing(one, None if one.name == ours else our_evaluation) for one in standings]


def _describe_standing(standing: Standing, ours: Evaluation | None) -> Row:
    intervals = measure_intervals(standing.evaluation)
    cost = standing.cost
    return {
        "system": standing.name,
        **{name: intervals[name].to_dict() for name in ("kappa", "macro_f1", "balanced_accuracy", "accuracy")},
        "f1": {stage: intervals[f"f1_{stage}"].to_dict() for stage in STAGES},
        "ahead": None if ours is None else compare_systems(standing.evaluation, ours)["kappa"].to_dict(),
        "validation_kappa": standing.validation.pooled.kappa,
        "n_subjects": len(standing.evaluation.subjects),
        "n_epochs": standing.evaluation.pooled.n_epochs,
        "training_s": cost.training_s,
        "scoring_s": cost.scoring_s,
        "memory_mb": cost.memory_mb,
        "n_parameters": cost.n_parameters,
        "chosen": getattr(standing.contestant.system, "chosen", {}),
    }


def describe_robustness(results: Sequence[Spoilt]) -> list[Row]:
    """A row of plain values for each system under each corruption."""
    rows = []
    for one in results:
        clean = find_spoilt(results, one.system, CLEAN, part=one.part)
        rows.append(
            {
                "system": one.system,
                "corruption": one.corruption,
                "severity": one.severity,
                "unit": one.unit,
                "part": one.part,
                **{name: one.intervals[name].to_dict() for name in ("balanced_accuracy", "kappa")},
                "points_lost": measure_loss(clean, one).to_dict(),
            }
        )
    return rows


def describe_ablation(ablated: Sequence[Ablated]) -> list[Row]:
    """A row of plain values for each variant, with what it is ahead of the first one, the baseline."""
    rows = []
    for one in ablated:
        alone, night = measure_intervals(one.alone), measure_intervals(one.night)
        rows.append(
            {
                "group": one.variant.group,
                "variant": one.variant.name,
                "alone": alone["kappa"].to_dict(),
                "night": night["kappa"].to_dict(),
                "balanced_accuracy": night["balanced_accuracy"].to_dict(),
                "f1_n1": night["f1_N1"].to_dict(),
                "ahead": None if one is ablated[0] else compare_systems(one.night, ablated[0].night)["kappa"].to_dict(),
                "training_s": one.seconds,
            }
        )
    return rows


def format_interval(value: Mapping[str, float | None] | None, digits: int = 2) -> str:
    """A measure with the ends of its interval, as a cell.

    Examples
    --------
    >>> format_interval({"value": 0.8179, "low": 0.79, "high": 0.85}), format_interval(None)
    ('0.82 (0.79 to 0.85)', '')
    """
    if value is None or value["value"] is None:
        return ""
    text = f"{value['value']:.{digits}f}"
    return text if value["low"] is None else f"{text} ({value['low']:.{digits}f} to {value['high']:.{digits}f})"


def format_seconds(seconds: float | None) -> str:
    """Seconds, or minutes where there are many.

    Examples
    --------
    >>> format_seconds(0.123), format_seconds(412.0), format_seconds(None)
    ('0.12 s', '6.9 min', '')
    """
    if seconds is None:
        return ""
    return f"{seconds / 60:.1f} min" if seconds >= 100 else f"{seconds:.2g} s"


def format_count(count: int | None) -> str:
    """A large number in a few characters.

    Examples
    --------
    >>> format_count(3_512_000), format_count(5), format_count(None)
    ('3.5 M', '5', '')
    """
    if count is None:
        return ""
    if count >= 1_000_000:
        return f"{count / 1e6:.1f} M"
    return f"{count / 1000:.0f} k" if count >= 10_000 else f"{count}"


def list_cells(rows: Sequence[Row]) -> list[list[str]]:
    """The cells of the table, a list for each system, the best first, under `HEADINGS`."""
    ordered = sorted(rows, key=lambda row: -row["kappa"]["value"])
    return [_list_row(row) for row in ordered]


def _list_row(row: Row) -> list[str]:
    ahead = row["ahead"]
    against = "" if ahead is None else f"{format_signed(ahead)}, p {_format_p(ahead['p'])}"
    return [
        row["system"],
        format_interval(row["kappa"]),
        format_interval(row["macro_f1"]),
        *(format_interval(row["f1"][stage] | {"low": None}) for stage in STAGES),
        against,
        format_seconds(row["training_s"]),
        format_seconds(row["scoring_s"]),
        f"{max(0.0, row['memory_mb']):,.0f} MB",
        format_count(row["n_parameters"]),
    ]


def format_signed(value: Mapping[str, float | None]) -> str:
    """A difference with its sign and the ends of its interval.

    Examples
    --------
    >>> format_signed({"value": -0.0312, "low": -0.05, "high": 0.01})
    '-0.03 (-0.05 to +0.01)'
    """
    if value["value"] is None:
        return ""
    text = f"{value['value']:+.2f}"
    return text if value["low"] is None else f"{text} ({value['low']:+.2f} to {value['high']:+.2f})"


def _format_p(p: float | None) -> str:
    if p is None:
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def format_table(rows: Sequence[Row], title: str) -> Table:
    """For a terminal: what tells the systems apart; the files have the rest."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for place in IN_TERMINAL:
        table.add_column(HEADINGS[place], justify="right" if place else "left", overflow="fold")
    for cells in list_cells(rows):
        table.add_row(*(cells[place] for place in IN_TERMINAL))
    return table


def format_markdown(rows: Sequence[Row]) -> str:
    """For a README: what a reader wants first."""
    lines = ["| " + " | ".join(HEADINGS[place] for place in IN_README) + " |", "|---|" + "---:|" * (len(IN_README) - 1)]
    lines += ["| " + " | ".join(cells[place] for place in IN_README) + " |" for cells in list_cells(rows)]
    return "\n".join(lines)


def format_losses(rows: Sequence[Row]) -> str:
    """Points of balanced accuracy lost, as Markdown: a row for each corruption, a column for each system."""
    systems = list(dict.fromkeys(row["system"] for row in rows))
    trials = list(dict.fromkeys((row["corruption"], row["severity"], row["unit"]) for row in rows))
    lost = {(row["system"], row["corruption"], row["severity"]): row["points_lost"]["value"] for row in rows}
    lines = ["| points of balanced accuracy lost | " + " | ".join(systems) + " |", "|---|" + "---:|" * len(systems)]
    for corruption, severity, unit in trials:
        if corruption != CLEAN:
            cells = [f"{lost[system, corruption, severity]:.1f}" for system in systems]
            lines.append(f"| {corruption}, {severity:g} {unit} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def format_ablation(rows: Sequence[Row]) -> str:
    """The ablation as Markdown."""
    lines = [
        "| choice | kappa alone | kappa of the night | against the baseline | training |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in rows:
        name = f"{row['group']}: {row['variant']}" if row["group"] else row["variant"]
        ahead = "" if row["ahead"] is None else format_signed(row["ahead"])
        cells = (format_interval(row["alone"]), format_interval(row["night"]), ahead, format_seconds(row["training_s"]))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """One line for each row; what has an interval has three columns."""
    flat = [_flatten(row) for row in rows]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(flat[0]) if flat else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    storage.write_bytes(path, text.getvalue().encode())


def _flatten(row: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in row.items():
        key = f"{before}{name}"
        if name in ("chosen", "ahead"):
            flat[key] = "" if not value else " ".join(f"{part}={number}" for part, number in value.items())
        elif isinstance(value, Mapping):
            flat |= _flatten(value, f"{key}.")
        else:
            flat[key] = value
    return flat


def list_metrics(rows: Sequence[Row], robustness: Sequence[Row], ours: str, minutes: float) -> list[Row]:
    """Rows as of `.bench/results.jsonl`: kappa of every system, the lost channel, the time of it all."""
    metrics = []
    for row in rows:
        is_ours = row["system"] == ours
        name = "evaluate.kappa" if is_ours else f"evaluate.kappa_{_slug(row['system'])}"
        metrics.append(_metric(name, row["kappa"]["value"], "Cohen's kappa", True, ">=0.80" if is_ours else None))
    lost = [row for row in robustness if (row["corruption"], row["severity"]) == ("channel lost", 0.7)]
    for row in lost:
        is_ours = _base(row["system"]) == _base(ours)
        name = "robust.channel_loss_points" + ("" if is_ours else f"_{_slug(row['system'])}")
        unit = "points of balanced accuracy, a channel lost for 70 % of the night"
        metrics.append(_metric(name, row["points_lost"]["value"], unit, False, "<=6" if is_ours else None))
    return [*metrics, _metric("evaluate.minutes", minutes, "min, 12 nights with all peers", False, "<=15")]


def _metric(name: str, value: float, unit: str, higher_is_better: bool, bar: str | None) -> Row:
    return {"name": name, "value": round(value, 4), "unit": unit, "higher_is_better": higher_is_better, "bar": bar}


def _base(name: str) -> str:
    """A system's name without what it is shown with."""
    return name.removesuffix(STEP_SUFFIX)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def tell_winner(rows: Sequence[Row], ours: str) -> str:
    """Who wins and by how much, in words."""
    mine = next(row for row in rows if row["system"] == ours)
    others = [row for row in rows if _base(row["system"]) != _base(ours)]
    if not others:
        return f"{ours} alone: kappa {format_interval(mine['kappa'])}."
    best = max(others, key=lambda row: row["kappa"]["value"])
    difference = mine["kappa"]["value"] - best["kappa"]["value"]
    verdict = "wins" if difference > 0 else "loses"
    sure = "" if best["ahead"]["p"] is None else f" (p {_format_p(best['ahead']['p'])})"
    return (
        f"On {mine['n_epochs']:,} epochs of {mine['n_subjects']} held-out subjects, {ours} {verdict} against its "
        f"strongest peer, {best['system']}, by {abs(difference):.2f} of kappa{sure}: {format_interval(mine['kappa'])} "
        f"and {format_interval(best['kappa'])}."
    )

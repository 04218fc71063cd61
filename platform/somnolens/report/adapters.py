"""Adapters of a registry, for a person at a terminal: a list, one in full, several side by side."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich import box
from rich.markup import escape
from rich.table import Table

from somnolens.aasm import STAGES
from somnolens.model.card import SPLITS, count_split, flatten, group_figures
from somnolens.model.registry import Entry, Promotion, Registry

NOT_TOLD = "-"
SERVES = "[green]●[/]"
LOWER_IS_BETTER = ("loss", "ece", "brier", "nll", "error")
"""What the name of a figure ends in where less of it is better."""


def format_adapters(entries: Sequence[Entry], promoted: str | None, title: str) -> Table:
    """One line an adapter; the promoted one has a mark."""
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("")
    for heading in ("adapter", "base model", "render hash", "cohorts", "dataset"):
        table.add_column(heading, overflow="fold")
    for heading in ("kappa\nvalidation", "kappa\ntest"):
        table.add_column(heading, justify="right")
    table.add_column("added")
    for entry in entries:
        table.add_row(SERVES if entry.name == promoted else "", escape(entry.name), *_list_cells(entry))
    return table


def explain_problems(entries: Sequence[Entry]) -> list[str]:
    """What is wrong with the broken ones, a sentence each."""
    return [entry.problem for entry in entries if entry.problem]


def _list_cells(entry: Entry) -> Iterator[str]:
    if entry.problem or entry.record is None:
        yield "[red]broken[/]"
        return
    card = entry.card
    yield escape(str(card["base_model"].get("name")))
    yield escape(str(card.get("render_hash", NOT_TOLD)))
    yield escape(", ".join(card["dataset"].get("cohorts", [])))
    yield escape(str(card["dataset"].get("fingerprint", NOT_TOLD)))
    kappa = find_kappa(card["metrics"])
    yield from (f"{kappa[split]:.3f}" if split in kappa else NOT_TOLD for split in ("validation", "test"))
    yield _format_time(entry.record.added)


def find_kappa(metrics: dict[str, Any]) -> dict[str, float]:
    """Cohen's kappa by split: of whole nights where it was measured, else of pictures by themselves.

    Examples
    --------
    >>> find_kappa({"validation.picture.kappa": 0.76, "validation.night.kappa": 0.80})
    {'validation': 0.8}
    """
    figures = group_figures(metrics)
    return figures.get("picture.kappa", {}) | figures.get("night.kappa", {})


def format_facts(entry: Entry) -> Table:
    """Everything one adapter's card says but its figures, a line each; subjects are counted and not named."""
    table = _make_table(entry.name, ("", ""))
    for name, value in _list_facts(entry):
        table.add_row(name, escape(value))
    return table


def _list_facts(entry: Entry) -> Iterator[tuple[str, str]]:
    card, record = entry.card, entry.record
    assert record is not None
    yield "added", _format_time(record.added)
    yield "fingerprint", record.fingerprint
    yield "base model", _join(card["base_model"])
    yield "derivations", ", ".join(card.get("derivations", []))
    yield "render hash", str(card.get("render_hash", NOT_TOLD))
    yield "cohorts", ", ".join(card["dataset"].get("cohorts", []))
    yield "dataset", str(card["dataset"].get("fingerprint", NOT_TOLD))
    for split in SPLITS:
        n_subjects, counts = count_split(card["dataset"], split)
        stages = ", ".join(f"{count:,} {stage}" for stage, count in counts.items())
        yield split, f"{n_subjects} subjects, {sum(counts.values()):,} epochs: {stages}"
    for section, values in card["settings"].items():
        yield f"settings, {section}", _join(values if isinstance(values, dict) else {"": values})
    yield from _list_sequence(card.get("sequence") or {})
    yield "calibration", _join(card.get("calibration") or {}) or NOT_TOLD
    yield "made by", _join(card.get("code") or {})
    yield from ((file, f"SHA-256 {digest}") for file, digest in record.files.items())


def _list_sequence(sequence: dict[str, Any]) -> Iterator[tuple[str, str]]:
    weight = f"chain, weight {sequence['weight']:g}" if "weight" in sequence else NOT_TOLD
    yield "night-level step", sequence.get("kind", weight)
    for stage, row in zip(STAGES, sequence.get("transitions", []), strict=False):
        shares = (f"{share:.3f} {following}" for following, share in zip(STAGES, row, strict=False))
        yield f"after {stage}", ", ".join(shares)


def format_figures(entries: Sequence[Entry], mark: bool) -> Table:
    """Every figure of every split, an adapter a column; `mark` makes the best of a line stand out."""
    table = _make_table("Figures", ("", *(escape(entry.name) for entry in entries)), right=True)
    measured = [dict(_list_figures(entry.card["metrics"])) for entry in entries]
    for name in dict.fromkeys(name for figures in measured for name in figures):
        values = [figures.get(name) for figures in measured]
        best = _find_best(name, values) if mark else None
        table.add_row(name, *(_format_figure(value, best) for value in values))
    return table


def _list_figures(metrics: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for name, values in group_figures(metrics).items():
        yield from ((f"{split} {name}".strip(), value) for split, value in values.items())


def _find_best(name: str, values: Sequence[float | None]) -> float | None:
    """None where nothing stands out: one value alone, or all the same."""
    there = [value for value in values if value is not None]
    if len(set(there)) < 2:
        return None
    return min(there) if name.lower().endswith(LOWER_IS_BETTER) else max(there)


def _format_figure(value: float | None, best: float | None) -> str:
    if value is None:
        return NOT_TOLD
    return f"[bold green]{value:.3f} ◂[/]" if value == best else f"{value:.3f}"


def format_differences(entries: Sequence[Entry]) -> Table:
    """What differs between adapters, but for their figures, an adapter a column."""
    table = _make_table("What differs", ("", *(escape(entry.name) for entry in entries)))
    told = [dict(_list_comparable(entry.card)) for entry in entries]
    for name in dict.fromkeys(name for facts in told for name in facts):
        values = [facts.get(name, NOT_TOLD) for facts in told]
        if len(set(values)) > 1:
            table.add_row(escape(name), *(escape(value) for value in values))
    return table


def _list_comparable(card: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield from ((f"base_model.{name}", _tell(value)) for name, value in flatten(card["base_model"]))
    for name in ("render_hash", "derivations"):
        yield name, _tell(card.get(name))
    yield "dataset.cohorts", _tell(card["dataset"].get("cohorts"))
    yield "dataset.fingerprint", _tell(card["dataset"].get("fingerprint"))
    for split in SPLITS:
        n_subjects, counts = count_split(card["dataset"], split)
        yield f"dataset.{split}", f"{n_subjects} subjects, {sum(counts.values()):,} epochs"
    yield from ((name, _tell(value)) for name, value in flatten(card["settings"]))
    yield from ((f"code.{name}", _tell(value)) for name, value in flatten(card.get("code") or {}))


def explain_comparison(entries: Sequence[Entry]) -> list[str]:
    """Why figures of these adapters do not compare, or do so with a reservation; empty where they simply do."""
    hashes = list(dict.fromkeys(str(entry.card.get("render_hash")) for entry in entries))
    datasets = list(dict.fromkeys(str(entry.card["dataset"].get("fingerprint")) for entry in entries))
    drawn = f"Render hashes differ ({', '.join(hashes)})"
    if not is_comparable(entries):
        said = [f"Datasets differ ({', '.join(datasets)}), and so do the epochs held out: figures do not compare."]
        return [*said, f"{drawn}: figures do not compare."] if len(hashes) > 1 else said
    if len(hashes) > 1:
        return [f"{drawn}: figures are of the same epochs, but drawn otherwise. What differs may be the pictures."]
    return []


def is_comparable(entries: Sequence[Entry]) -> bool:
    """Whether the figures are of the same held-out epochs.

    A dataset drawn in another style has another fingerprint, but the same subjects and epochs.
    """
    first, *others = (entry.card["dataset"] for entry in entries)
    return all(_hold_out_the_same(first, other) for other in others)


def _hold_out_the_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    if one.get("fingerprint") and one.get("fingerprint") == other.get("fingerprint"):
        return True
    same = all(one.get(key) == other.get(key) for key in ("cohorts", "subjects", "epochs"))
    return same and bool(one.get("subjects")) and bool(one.get("epochs"))


def format_promotions(promotions: Sequence[Promotion]) -> Table:
    """The history of a registry, the first promotion first."""
    table = _make_table("Promotions", ("number", "when", "adapter", "before it", "", "why"))
    for one in promotions:
        before, back = one.previous or NOT_TOLD, "back" if one.back else ""
        table.add_row(
            str(one.number), _format_time(one.time), escape(one.adapter), escape(before), back, escape(one.why)
        )
    return table


def select_promotions(registry: Registry, name: str) -> list[Promotion]:
    """Those by which an adapter came to serve or ceased to."""
    return [one for one in registry.read_promotions() if name in (one.adapter, one.previous)]


def _make_table(title: str, headings: Sequence[str], right: bool = False) -> Table:
    table = Table(title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, show_header=any(headings))
    for place, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", justify="right" if right and place else "left")
    return table


def _join(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_tell(value)}".strip() for name, value in flatten(values))


def _tell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_tell, value))
    return NOT_TOLD if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _format_time(text: str) -> str:
    """To the minute; all times are UTC."""
    return text[:16].replace("T", " ")

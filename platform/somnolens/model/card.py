"""An adapter's card in words: the README beside its weights, and what tables show of it.

Takes the card as `somnolens.json` holds it, whatever version wrote it: what it does not tell is left out.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from somnolens.aasm import RECOMMENDED_DERIVATIONS, STAGES

CARD_FILE = "somnolens.json"
STATE_FILE = "state.pt"
"""Beside an adapter that is a checkpoint: what its training goes on from."""

SPLITS = ("train", "validation", "test")
NOT_FOR = (
    "It is a research tool, not a medical device: no diagnosis may rest on it alone. It is not for ages, "
    "illnesses, montages or devices it has not learnt from: measure it against a scorer first. It names stages, and "
    "neither arousals nor breathing events nor movements."
)


def flatten(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested dicts by their dotted path.

    Examples
    --------
    >>> dict(flatten({"train": {"lora_rank": 8}}))
    {'train.lora_rank': 8}
    """
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from flatten(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def group_figures(metrics: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Figures of a card by name, and under each the splits it was measured on.

    Examples
    --------
    >>> group_figures({"validation.night.kappa": 0.8, "test.night.kappa": 0.75})
    {'night.kappa': {'validation': 0.8, 'test': 0.75}}
    """
    figures: dict[str, dict[str, float]] = {}
    for path, value in flatten(metrics):
        if isinstance(value, float | int) and not isinstance(value, bool):
            split, _, name = path.partition(".")
            known = split in SPLITS and name
            figures.setdefault(name if known else path, {})[split if known else ""] = value
    return figures


def count_split(dataset: dict[str, Any], split: str) -> tuple[int, dict[str, int]]:
    """Subjects of a split, and epochs of each stage."""
    counts = dataset.get("epochs", {}).get(split, {})
    return len(dataset.get("subjects", {}).get(split, ())), {stage: counts.get(stage, 0) for stage in STAGES}


def describe_card(card: dict[str, Any]) -> str:
    """The model card as the hub shows it."""
    return "\n\n".join(part for part in _list_parts(card) if part) + "\n"


def _list_parts(card: dict[str, Any]) -> Iterator[str]:
    dataset, base = card["dataset"], card["base_model"]
    drawn = [name for name in RECOMMENDED_DERIVATIONS if name in card["derivations"]]
    yield _write_head(base["name"])
    yield "# Sleep staging adapter"
    yield (
        "Names the sleep stage (W, N1, N2, N3, R) of a 30-s epoch from its picture, in one forward pass. "
        f"Made by somnolens {card['code']['version']}."
    )
    if dataset.get("cohorts") == ["simulated"]:
        yield "It was trained on simulated nights only and has never seen a person's sleep."
    yield f"## What it is not for\n\n{NOT_FOR}"
    yield "## What it learnt from"
    yield (
        f"- cohorts: {', '.join(dataset.get('cohorts', []))}; dataset `{dataset.get('fingerprint')}`\n"
        f"- derivations: {', '.join(drawn)}\n- render hash: `{card['render_hash']}`"
    )
    yield _tabulate_splits(dataset)
    yield _tabulate_figures(card["metrics"])
    yield _tell_calibration(card.get("calibration") or {})


def _write_head(base: str) -> str:
    """YAML for the hub, which knows no folders: a base model in one is not named."""
    named = "" if Path(base).is_absolute() or base == "embedded" else f"base_model: {base}\n"
    tags = "tags:\n- lora\n- polysomnography\n- sleep-staging\n"
    return f"---\n{named}library_name: peft\npipeline_tag: image-text-to-text\n{tags}---"


def _tabulate_splits(dataset: dict[str, Any]) -> str:
    """Subjects are counted and not named."""
    rows = []
    for split in SPLITS:
        n_subjects, counts = count_split(dataset, split)
        if n_subjects:
            rows.append([split, n_subjects, sum(counts.values()), *counts.values()])
    return _tabulate(["split", "subjects", "epochs", *STAGES], rows) if rows else ""


def _tabulate_figures(metrics: dict[str, Any]) -> str:
    figures = group_figures(metrics)
    there = [split for split in (*SPLITS, "") if any(split in values for values in figures.values())]
    rows = [
        [name, *(f"{values[split]:.3f}" if split in values else "" for split in there)]
        for name, values in figures.items()
    ]
    heading = "## How well\n\n`picture`: each epoch by itself; `night`: weighed with its neighbours.\n\n"
    return heading + _tabulate(["figure", *(split or "value" for split in there)], rows) if rows else ""


def _tell_calibration(calibration: dict[str, Any]) -> str:
    lines = "\n".join(f"- {name}: {value}" for name, value in flatten(calibration))
    return f"## Calibration\n\n{lines}" if lines else ""


def _tabulate(headings: list[str], rows: list[list[Any]]) -> str:
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)

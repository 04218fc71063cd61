"""From what happened to the figures."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.stress.load import OVERLOADED, Attempt, Ledger
from tests.stress.watch import Watcher

WELL_FORMED = ("night", "slow", "single")
Spans = tuple[tuple[float, float], tuple[float, float]]


def measure(
    ledger: Ledger, watcher: Watcher, n_stored: int, swapping: tuple[float, float], spans: Spans
) -> list[dict[str, Any]]:
    """Rows of the benchmark table."""
    singles = _seconds(ledger.of("single"))
    nights = _seconds(ledger.of("night"))
    refused = [one.seconds for one in ledger.of("refused") if one.status in OVERLOADED]
    growth, _ = watcher.grow(*spans)
    return [
        _row("stress.lost", len(ledger.lost) + _count_wrong(ledger), "nights not answered, or not right", "<= 0"),
        _row("stress.double", _count_double(ledger, n_stored), "nights scored or answered twice", "<= 0"),
        _row("stress.failed_on_swap", _count_failed(ledger, *swapping), "requests", "<= 0"),
        _row("stress.p99_ms", 1000 * _quantile(singles, 99), "ms, single epochs under mixed load", None),
        _row("stress.night_p99_s", _quantile(nights, 99), "s, nights of 30 epochs under mixed load", None),
        _row("stress.refused_p99_ms", 1000 * _quantile(refused, 99), "ms until 429 or 503", "<= 100"),
        _row("stress.memory_growth", 100 * growth, "% of memory", "<= 5"),
    ]


def summarise(ledger: Ledger, watcher: Watcher, n_stored: int, spans: Spans) -> dict[str, Any]:
    """Everything that a table or a person may want, as plain values."""
    kinds = sorted({one.kind for one in ledger.attempts})
    growth, by_role = watcher.grow(*spans)
    return {
        "by_kind": {kind: _summarise_kind(ledger.of(kind)) for kind in kinds},
        "nights_with_key": ledger.n_keys,
        "nights_in_store": n_stored,
        "lost": ledger.lost,
        "wrong": _count_wrong(ledger),
        "adapters": dict(Counter(one.adapter for one in ledger.of(*WELL_FORMED) if one.status == 200)),
        "most_scorers": max(n for _, n in watcher.scorers),
        "scorers_at_the_end": watcher.scorers[-1][1],
        "events": [[round(at_s, 1), event] for at_s, event in watcher.events],
        "memory_growth": round(growth, 4),
        "memory_growth_mb": {role: round(size, 1) for role, size in sorted(by_role.items())},
    }


def describe(told: dict[str, Any]) -> Iterator[str]:
    """Lines for the terminal."""
    for kind, one in told["by_kind"].items():
        statuses = ", ".join(f"{status} x {n}" for status, n in one["statuses"].items())
        yield f"{kind}: {statuses}; p50 {one['p50_s']:.2f} s, p95 {one['p95_s']:.2f} s, p99 {one['p99_s']:.2f} s"
    scorers = f"scorers at most {told['most_scorers']}, {told['scorers_at_the_end']} at the end"
    yield f"answers by adapter: {told['adapters']}; {scorers}"
    yield f"memory by role, MB: {told['memory_growth_mb']}"


NAMES = (("single", "single epochs"), ("night", "nights of 30 epochs"), ("slow", "nights that come in pieces"))


def format_stress(told: dict[str, Any], values: dict[str, float]) -> str:
    """For a README: what was lost, and a Markdown table of how long answers took.

    Parameters
    ----------
    told : dict
        Of `summarise`.
    values : dict
        Rows of `measure`, by name.
    """
    lost, double, failed = (f"{values[f'stress.{name}']:.0f}" for name in ("lost", "double", "failed_on_swap"))
    by_kind = told["by_kind"]
    refused, flood = by_kind["refused"], by_kind["flood"]
    lines = [
        f"Nights asked for: {told['nights_with_key']}. Lost, or answered otherwise than by offline scoring: {lost}; "
        f"scored twice: {double};\nrequests that failed while adapters changed, a broken one among them: {failed}. "
        f"Memory grew by {values['stress.memory_growth']:.1f} % (bar 5).",
        "",
        "| | answered | p50 | p95 | p99 |",
        "|---|---:|---:|---:|---:|",
        *(_tell_kind(name, by_kind[kind], by_kind[kind]["statuses"].get("200", 0)) for kind, name in NAMES),
        _tell_kind("one request too many (bar 100 ms)", refused, sum(refused["statuses"].values())),
        _tell_kind("of a hundred at once, those that were let in", flood, flood["statuses"].get("200", 0)),
    ]
    return "\n".join(lines)


def _tell_kind(name: str, one: dict[str, Any], n: int) -> str:
    """A row; times below a fifth of a second in milliseconds."""
    times = (one[f"p{share}_s"] for share in (50, 95, 99))
    return f"| {name} | {n} | " + " | ".join(f"{s:.1f} s" if s >= 0.2 else f"{1000 * s:.0f} ms" for s in times) + " |"


def _summarise_kind(attempts: list[Attempt]) -> dict[str, Any]:
    right = _seconds(attempts) or [one.seconds for one in attempts]
    statuses = Counter(str(one.status) for one in attempts)
    return {"statuses": dict(sorted(statuses.items()))} | {
        f"p{share}_s": round(_quantile(right, share), 4) for share in (50, 95, 99)
    }


def _seconds(attempts: list[Attempt]) -> list[float]:
    return [one.seconds for one in attempts if one.status == 200]


def _quantile(seconds: list[float], percent: float) -> float:
    return float(np.percentile(seconds, percent)) if seconds else float("nan")


def _count_wrong(ledger: Ledger) -> int:
    """Answers that no adapter gives, overloads without a Retry-After, and files that were not blamed."""
    wrong = sum(one.status == 200 and not one.adapter for one in ledger.of(*WELL_FORMED))
    wrong += sum(one.status != 0 and not one.adapter for one in ledger.of("flood") if one.status in (200, *OVERLOADED))
    return wrong + sum(one.status in (200, 500) for one in ledger.of("nonsense"))


def _count_double(ledger: Ledger, n_stored: int) -> int:
    """Keys with two answers that differ, and nights in the store beyond one for each key."""
    differing = sum(len(set(answers)) > 1 for answers in ledger.answers.values())
    return differing + max(n_stored - ledger.n_keys, 0)


def _count_failed(ledger: Ledger, since_s: float, until_s: float) -> int:
    """Well-formed requests whose end, while adapters changed, was an error, a wrong answer, or none."""
    ended = [one for one in ledger.of(*WELL_FORMED) if since_s <= one.began_s + one.seconds < until_s]
    return sum(one.status == 0 or one.status >= 500 or (one.status == 200 and not one.adapter) for one in ended)


def _row(name: str, value: float, unit: str, bar: str | None) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "higher_is_better": False, "bar": bar}

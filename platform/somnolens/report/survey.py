"""A cohort at a glance, for a person at a terminal: one line a night, then what all of them have and lack."""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich import box
from rich.markup import escape
from rich.table import Table

from somnolens.aasm import RECOMMENDED_DERIVATIONS, STAGES, UNSCORED
from somnolens.read.montage import Derivation
from somnolens.read.survey import NightFacts

MOST_LINES = 15
"""Of notes that nights share, the most frequent ones."""

RECOMMENDED, OTHER, MISSING = "[green]●[/]", "[yellow]○[/]", "[red]·[/]"
LEGEND = f"{RECOMMENDED} as recommended  {OTHER} another way  {MISSING} missing"


def format_survey(facts: Sequence[NightFacts], title: str = "Nights") -> Table:
    """One line a night: hours, rates, derivations, scorers, stages, and how much is wrong."""
    table = Table(
        title=escape(title), title_justify="left", box=box.SIMPLE_HEAD, caption=LEGEND, caption_justify="left"
    )
    for heading in ("night", "subject"):
        table.add_column(heading, overflow="fold")
    for heading in ("hours", "Hz"):
        table.add_column(heading, justify="right")
    for name in RECOMMENDED_DERIVATIONS:
        table.add_column(name.partition("-")[0].removesuffix(" EMG"), justify="center")
    for heading in ("scorers", *STAGES, "?", "wrong"):
        table.add_column(heading, justify="right")
    for night in facts:
        table.add_row(*_list_cells(night))
    return table


def _list_cells(night: NightFacts) -> Iterator[str]:
    yield from (escape(night.night), escape(night.subject), f"{night.duration_s / 3600:.2f}")
    yield "/".join(f"{rate_hz:g}" for rate_hz in night.rates_hz)
    derivations = {derivation.name: derivation for derivation in night.derivations}
    yield from (_mark(derivations.get(name)) for name in RECOMMENDED_DERIVATIONS)
    yield str(len(night.scorers) or "-")
    counts = night.stages.counts() if night.stages else {}
    yield from (str(counts.get(stage, "")) for stage in (*STAGES, UNSCORED))
    yield f"[red]{len(night.problems)}[/]" if night.problems else "-"


def _mark(derivation: Derivation | None) -> str:
    if derivation is None or not derivation.parts:
        return MISSING
    return RECOMMENDED if derivation.is_recommended else OTHER


def summarise_survey(facts: Sequence[NightFacts]) -> Iterator[str]:
    """Lines of text below the table: totals, sources of each derivation, everything wrong, notes by frequency."""
    yield _sum_up(facts)
    for name in RECOMMENDED_DERIVATIONS:
        yield f"{name}: {_list_sources(name, facts)}"
    yield from _tell_stages(facts)
    for night in facts:
        yield from (f"wrong with {night.night}: {problem}" for problem in night.problems)
    yield from _tell_notes(facts)


def _sum_up(facts: Sequence[NightFacts]) -> str:
    hours = sum(night.duration_s for night in facts) / 3600
    subjects = len({night.subject for night in facts})
    scorings = Counter(len(night.scorers) for night in facts)
    scored = ", ".join(f"{n} with {k} scoring(s)" for k, n in sorted(scorings.items()))
    wrong = sum(bool(night.problems) for night in facts)
    return f"{len(facts)} nights of {subjects} subjects, {hours:.1f} h; {scored}; something is wrong with {wrong}."


def _list_sources(name: str, facts: Sequence[NightFacts]) -> str:
    sources = Counter(
        next((f"'{one.source}'" for one in night.derivations if one.name == name and one.parts), "missing")
        for night in facts
    )
    return ", ".join(f"{source} in {n}" for source, n in sources.most_common(MOST_LINES))


def _tell_stages(facts: Sequence[NightFacts]) -> Iterator[str]:
    totals: Counter[str] = Counter()
    for night in facts:
        totals.update(night.stages.counts() if night.stages else {})
    n_scored = sum(totals[stage] for stage in STAGES)
    if not n_scored:
        yield "No epoch is scored."
        return
    shares = ", ".join(f"{totals[stage]} {stage} ({totals[stage] / n_scored:.0%})" for stage in STAGES)
    yield f"{n_scored} scored epochs: {shares}; {totals[UNSCORED]} UNSCORED."
    absent = [stage for stage in STAGES if not totals[stage]]
    if absent:
        yield f"Nobody ever scored {', '.join(absent)}: check that the codes or texts of the scoring are understood."


def _tell_notes(facts: Sequence[NightFacts]) -> Iterator[str]:
    notes = Counter(note for night in facts for note in dict.fromkeys(night.notes))
    yield from (f"note on {n} night(s): {note}" for note, n in notes.most_common(MOST_LINES))
    if len(notes) > MOST_LINES:
        yield f"{len(notes) - MOST_LINES} more notes on single nights: inspect their recordings one by one."

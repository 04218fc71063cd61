"""Explanations as files and as words in a terminal."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from rich import box
from rich.table import Table

from somnolens import storage
from somnolens.aasm import STAGES
from somnolens.explain.epoch import Explanation
from somnolens.explain.faithfulness import MethodFigures
from somnolens.explain.heat import lay_cells
from somnolens.explain.intervals import Interval
from somnolens.explain.modalities import ModalityReport
from somnolens.explain.support import Support
from somnolens.report.canvas import write_figure
from somnolens.report.explain_plots import METHOD_NAMES, draw_explanation


def write_explanation(one: Explanation, folder: Path, start: datetime | None = None) -> Path:
    """Write `NIGHT-EPOCH-METHOD.png` and the JSON of the same name; the figure's path is returned."""
    path = folder / f"{one.night}-{one.epoch}-{one.heat.method.replace(' ', '-')}.png"
    write_figure(draw_explanation(one, start), path)
    storage.write_json(path.with_suffix(".json"), one.to_dict())
    return path


def tell_explanation(one: Explanation) -> Iterator[str]:
    """Lines for a terminal: the stage with its probabilities, the verdict, the reasons, the strongest cells."""
    shares = ", ".join(f"{s} {100 * p:.0f} %" for s, p in zip(STAGES, one.probabilities, strict=True) if p >= 0.005)
    yield f"Epoch {one.epoch}: {one.evidence.stage} ({shares})"
    yield f"  {one.verdict}"
    yield from (f"  {reason}" for reason in one.reasons)
    yield f"  {tell_strongest(one)}"


def tell_strongest(one: Explanation, n: int = 3) -> str:
    """The parts of the picture that speak most for the stage of the heat, in words."""
    heat = one.heat.pool(*lay_cells(one.style), one.picture.shape)
    order = heat.ravel().argsort()[::-1][:n]
    names = [f"{one.style.derivations[place // heat.shape[1]]} at {place % heat.shape[1]} s" for place in order]
    what = "looked at" if one.heat.method == "attention" else f"for {one.heat.stage}"
    return f"Most {what} by {METHOD_NAMES.get(one.heat.method, one.heat.method)}: {', '.join(names)}."


def format_faithfulness(figures: Sequence[MethodFigures]) -> Table:
    """A line for each method, the most believable first."""
    table = _start_table(
        "Which map to believe", "method", "deletion", "insertion", "gap", "alike with shuffled weights"
    )
    for one in figures:
        alike = format_interval(one.resemblance) if one.resemblance else "-"
        areas = (format_interval(area) for area in (one.deletion, one.insertion, one.gap))
        table.add_row(METHOD_NAMES.get(one.method, one.method), *areas, alike)
    return table


def format_modalities(report: ModalityReport) -> Table:
    """Probability and recall lost without each modality, stage by stage."""
    table = _start_table("Lost without a modality", "modality", "of", *STAGES)
    for modality, by_stage in report.losses.items():
        for what in ("probability", "recall"):
            table.add_row(modality, what, *(format_interval(getattr(by_stage[stage], what)) for stage in STAGES))
    return table


def format_neglect(report: ModalityReport) -> Table:
    """What a corrupted derivation costs and how far it still moves the answer."""
    table = _start_table("A corrupted derivation", "derivation", "probability lost", "weight clean", "weight corrupted")
    for name, one in report.neglect.items():
        table.add_row(name, *(format_interval(x) for x in (one.cost, one.weight_clean, one.weight_corrupted)))
    return table


def format_support(support: Support) -> Table:
    """How often the evidence supports the model's stage, where it was right and where it was wrong."""
    table = _start_table("Measured evidence for the model's stage", "stage", "right", "of", "wrong", "of", "gap")
    for stage in (None, *STAGES):
        some = slice(None) if stage is None else [STAGES.index(stage)]
        counts = [f"{n[:, some].sum():,}" for n in (support.n_right, support.n_wrong)]
        rates = [format_interval(support.rate(right, stage)) for right in (True, False)]
        table.add_row(stage or "all", rates[0], counts[0], rates[1], counts[1], format_interval(support.gap(stage)))
    return table


def format_interval(one: Interval) -> str:
    """A figure with its interval; a dash where there is none.

    Examples
    --------
    >>> format_interval(Interval(0.5, 0.4, 0.61)), format_interval(Interval(float("nan"), 0, 0))
    ('0.50 (0.40 to 0.61)', '-')
    """
    return "-" if one.value != one.value else f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f})"


def _start_table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place == 0 else "right")
    return table

"""Machines, hours and money as rich tables, with the formula and every measured figure under them."""

from rich import box
from rich.table import Table

from somnolens.model.capacity import (
    COHORTS,
    EPOCHS_PER_NIGHT,
    WORKERS,
    Estimate,
    Measured,
    Place,
    advise_workers,
    count_machines,
    estimate_rendering,
    estimate_work,
    measure_efficiency,
)

Row = tuple[str, Estimate]


def format_capacity(measured: Measured, place: Place, n_workers: int, passes: int) -> Table:
    """Drawing, training and scoring of each cohort on so many workers of one core."""
    n_machines = count_machines(n_workers, place)
    title = f"On {n_workers} cores: {n_machines} machines of {place.cores_per_machine}"
    table = _make_table(title, ("cohort", "nights", "work", "hours", "USD", "bottleneck"))
    for cohort, n_nights in COHORTS.items():
        for place_in_list, (work, one) in enumerate(estimate_all(n_nights, n_workers, passes, measured, place)):
            first = (cohort, f"{n_nights:,}") if place_in_list == 0 else ("", "")
            table.add_row(*first, work, format_hours(one.hours), format_usd(one.usd), one.bottleneck)
        table.add_section()
    return table


def estimate_all(n_nights: int, n_workers: int, passes: int, measured: Measured, place: Place) -> list[Row]:
    """Every kind of work that a cohort goes through."""
    n_epochs = n_nights * EPOCHS_PER_NIGHT
    return [
        ("draw", estimate_rendering(n_nights, n_workers, measured, place)),
        ("look once", estimate_work(n_epochs, measured.per_core(measured.looking_per_s), n_workers, place)),
        ("one pass", estimate_work(n_epochs, measured.per_core(measured.training_per_s), n_workers, place)),
        (
            f"{passes} passes",
            estimate_work(passes * n_epochs, measured.per_core(measured.training_per_s), n_workers, place),
        ),
        ("score", estimate_work(n_epochs, measured.per_core(measured.scoring_per_s), n_workers, place)),
    ]


def format_scaling(measured: Measured, place: Place, cohort: str = "SHHS") -> Table:
    """What more workers give to drawing a cohort."""
    n_nights = COHORTS[cohort]
    headings = ("workers", "minutes", "efficiency", "USD", "bottleneck")
    table = _make_table(f"Drawing {n_nights:,} nights ({cohort})", headings)
    for n_workers in WORKERS:
        one = estimate_rendering(n_nights, n_workers, measured, place)
        efficiency = measure_efficiency(n_nights, n_workers, measured, place)
        minutes = f"{(one.start_s + one.seconds) / 60:,.1f}"
        table.add_row(str(n_workers), minutes, f"{100 * efficiency:.0f} %", format_usd(one.usd), one.bottleneck)
    return table


def explain_capacity(measured: Measured, place: Place) -> list[str]:
    """The formula, and each figure that went into it."""
    most = advise_workers(COHORTS["SHHS"], measured, place)
    return [
        "draw = start + max(workers: n (t + b / s) / w; object store: n b / S; driver: n d) + the last night",
        "look, pass, score = start + epochs / (epochs per second of a core x w)",
        f"measured ({measured.source}): t = {measured.night_s:.3g} s of a core for a night of 8 h, "
        f"d = {measured.dispatch_ms:.3g} ms of the driver for a night;",
        f"of all {measured.n_cores} cores, epochs/s: look once {measured.looking_per_s:.3g}, a pass over what was "
        f"seen {measured.training_per_s:.3g} (from pictures {measured.whole_per_s:.3g}), score "
        f"{measured.scoring_per_s:.3g}.",
        f"assumed: start {place.start_s:g} s, b = {place.night_mb:g} MB a night, s = {place.stream_mb_s:g} MB/s for a "
        f"worker, S = {place.store_mb_s:,g} MB/s for all, {place.usd_per_core_hour:g} USD a core-hour.",
        f"More than {most} workers do not draw faster: then the object store or the driver is the slowest.",
        "Training and scoring are the embedded model's on processors; a hub model on GPUs is planned without "
        "--capacity. A batch of train.batch_size rows is shared by at most as many workers.",
    ]


def format_hours(hours: float) -> str:
    """Hours, or minutes where they are few.

    Examples
    --------
    >>> format_hours(12.34), format_hours(0.5)
    ('12.3 h', '30 min')
    """
    return f"{hours:,.1f} h" if hours >= 1 else f"{60 * hours:,.0f} min"


def format_usd(usd: float) -> str:
    """Dollars with cents, where they matter.

    Examples
    --------
    >>> format_usd(0.234), format_usd(1234.5)
    ('0.23', '1,234')
    """
    return f"{usd:,.0f}" if usd >= 100 else f"{usd:.2f}"


def _make_table(title: str, headings: tuple[str, ...]) -> Table:
    words = {"cohort", "work", "bottleneck"}
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for heading in headings:
        table.add_column(heading, justify="left" if heading in words else "right")
    return table

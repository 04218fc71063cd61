"""What training will cost, as rich tables with the assumptions under them."""

from rich import box
from rich.table import Table

from somnolens.model.budget import OVERHEAD_BYTES, SLACK, Budget

MEMORY_GB = (24, 40, 80, 141)
"""Of the GPUs that are common: A10, A100, A100 or H100, H200."""


def format_costs(budget: Budget, n_rows: int, peak_flops: float, mfu: float) -> Table:
    """Parameters, tokens, operations and time of one pass over so many rows."""
    train = budget.settings.train
    table = _make_table(f"{budget.settings.model.base}, one pass over {n_rows:,} epochs", ("", "of one", "of all"))
    looked = "once, kept for every pass" if budget.keeps_features else "in every pass"
    table.add_row("parameters", f"{budget.n_parameters:,}", "")
    table.add_row(f"LoRA weights ({train.lora_targets}, rank {train.lora_rank})", f"{budget.n_lora:,}", "")
    table.add_row("image tokens", f"{budget.n_image_tokens:,}", f"{n_rows * budget.n_image_tokens:,}")
    table.add_row("tokens with the text", f"{budget.n_tokens:,}", f"{n_rows * budget.n_tokens:,}")
    flops = budget.count_training_flops(train.gradient_checkpointing)
    works = (
        (f"looking ({looked})", budget.looking_flops),
        ("scoring", budget.scoring_flops),
        ("training", flops),
    )
    for name, each in works:
        table.add_row(f"operations, {name}", _format_flops(each), _format_flops(n_rows * each))
    for name, each in works:
        seconds = n_rows * each / (peak_flops * mfu)
        n_workers = train.n_workers if name == "training" else 1
        table.add_row(f"time on {n_workers} GPU(s), {name}", "", _format_time(seconds / n_workers))
    if budget.keeps_features:
        table.add_row("features kept on disk", "", _format_bytes(n_rows * _measure_features(budget)))
    return table


def format_memory(budget: Budget) -> Table:
    """Memory of one GPU, and how many of each size share the batch."""
    train = budget.settings.train
    n_rows = train.batch_size // train.n_workers
    table = _make_table(
        f"Memory of a worker with {n_rows} of a batch of {train.batch_size} epochs",
        ("gradient checkpointing", "without", "with"),
    )
    plain, saving = (budget.measure_memory(n_rows, checkpointing) for checkpointing in (False, True))
    for name in plain:
        table.add_row(name, _format_bytes(plain[name]), _format_bytes(saving[name]))
    table.add_section()
    table.add_row("in all", *(_format_bytes(sum(memory.values())) for memory in (plain, saving)), style="bold")
    for memory_gb in MEMORY_GB:
        table.add_row(
            f"GPUs of {memory_gb} GB for the batch",
            *(_format_gpus(budget.count_gpus(memory_gb, checkpointing)) for checkpointing in (False, True)),
        )
    return table


def explain_assumptions(budget: Budget, gpu: str, peak_flops: float, mfu: float) -> list[str]:
    """Everything the figures rest on, a sentence each."""
    return [
        *budget.blueprint.sources,
        f"{gpu}: {peak_flops / 1e12:,.0f} TFLOPS in bfloat16 at its peak; {100 * mfu:g} % of it are reached (--mfu).",
        "Two operations for a multiplication and an addition, in matrix products and attention alone; attention as if "
        "it looked ahead.",
        "Backward through frozen weights once the forward; LoRA three times; gradient checkpointing the forward again.",
        "Memory: bfloat16 base model unless model.dtype is float32, float32 LoRA weights with gradients and AdamW; "
        "activations as fitted to saved tensors of single layers.",
        f"{OVERHEAD_BYTES / 1e9:g} GB for CUDA and the process; {100 * SLACK:g} % of a GPU's memory are planned with.",
        _tell_shares(budget),
        "Reading pictures, validation and waiting are not counted.",
        "None of these figures was measured on a GPU here.",
    ]


def _tell_shares(budget: Budget) -> str:
    if budget.settings.train.sharding == "fsdp":
        return "Each GPU holds its part of every weight, two layers put together, and what belongs to no layer."
    return "Each GPU holds the whole base model: a batch is shared, a model is not (train.sharding=fsdp cuts it up)."


def _make_table(title: str, headings: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left")
    return table


def _measure_features(budget: Budget) -> float:
    """Bytes of one row: float16, one level and one for each that is fed deeper."""
    vision, text = budget.blueprint.family.vision, budget.blueprint.model.config.text_config
    n_levels = 1 + len(getattr(vision, "deepstack_visual_indexes", None) or ())
    return 2 * n_levels * budget.n_image_tokens * text.hidden_size


def _format_gpus(n_gpus: int | None) -> str:
    return "does not fit" if n_gpus is None else f"{n_gpus}"


def _format_flops(flops: float) -> str:
    return _scale(flops, "FLOP")


def _format_bytes(n_bytes: float) -> str:
    return _scale(n_bytes, "B")


def _scale(value: float, unit: str) -> str:
    for size, prefix in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")):
        if value >= size:
            return f"{value / size:,.1f} {prefix}{unit}"
    return f"{value / 1e3:,.1f} k{unit}"


def _format_time(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:,.1f} h"
    return f"{seconds / 60:,.1f} min" if seconds >= 60 else f"{seconds:,.1f} s"

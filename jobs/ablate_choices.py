"""Measure what each choice is worth: draw, train and evaluate with one thing changed at a time.

    python jobs/ablate_choices.py NIGHTS OUT [--group modalities --group width ...] [--set section.key=value ...]

Groups are modalities, amplitude, width, context and phase one; the night-level step is told apart in every row. All of
it runs in this process, without Ray; it is as small as the folder of nights and `train.passes` are.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from somnolens.config import read_settings
from somnolens.evaluate.ablation import ablate, list_variants
from somnolens.jobs.arguments import Config, Overrides, run_job
from somnolens.provenance import describe_code, describe_hardware, make_run_folder
from somnolens.report.canvas import write_figure
from somnolens.report.comparison_plots import draw_ablation
from somnolens.report.comparison_tables import describe_ablation, format_ablation, write_csv
from somnolens.storage import write_bytes, write_json


def main(
    nights: Annotated[Path, typer.Argument(help="folder of recordings and scorings")],
    out: Annotated[Path, typer.Argument(help="new folder of the results")],
    group: Annotated[list[str], typer.Option(help="only these choices; may be repeated")] = [],  # noqa: B006
    config: Config = None,
    overrides: Overrides = [],  # noqa: B006
) -> None:
    """Measure what each choice is worth."""
    settings = read_settings(config, overrides)
    console = Console()
    folder = make_run_folder(out.parent, out.name)
    with console.status("Ablating") as status:
        ablated = ablate(nights, folder, settings, list_variants(group), status.update)
    rows = describe_ablation(ablated)
    about = {"code": describe_code(), "hardware": describe_hardware(), "settings": settings.model_dump(mode="json")}
    write_json(folder / "ablation.json", {"variants": rows} | about)
    write_csv(rows, folder / "ablation.csv")
    write_bytes(folder / "ablation.md", (format_ablation(rows) + "\n").encode())
    write_figure(draw_ablation(rows), folder / "ablation.png")
    console.print(format_ablation(rows), soft_wrap=True)
    console.print(f"Tables and figures are in {folder}.")


if __name__ == "__main__":
    run_job(main)

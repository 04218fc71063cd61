"""Pre-train the embedded base model on waveform perception and write it as a model folder.

    python jobs/pretrain_perception.py OUT [--steps 2000] [--stop-at 2000] [--batch-size 16] [--seed 2024]

The weights in the package were made by this job; EXPERIMENTS.md has the command and the curve. It
sees waves, never a sleep stage.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from somnolens.config import PrepareSettings, RenderSettings
from somnolens.model.architecture import build_model, write_model
from somnolens.provenance import describe_code, describe_hardware
from somnolens.render.style import Style
from somnolens.train.perception import PerceptionPlan, pretrain_perception


def main(
    out: Annotated[Path, typer.Argument(help="folder of the new model")],
    steps: Annotated[int, typer.Option(min=1)] = PerceptionPlan.n_steps,
    stop_at: Annotated[int | None, typer.Option(min=1, help="end here, on the schedule of --steps")] = None,
    batch_size: Annotated[int, typer.Option(min=1)] = PerceptionPlan.batch_size,
    seed: Annotated[int, typer.Option(min=0)] = PerceptionPlan.seed,
) -> None:
    """Pre-train the embedded base model on pictures of waves."""
    plan = replace(PerceptionPlan(), n_steps=steps, stop_at=stop_at or steps, batch_size=batch_size, seed=seed)
    style = Style(RenderSettings(), PrepareSettings())
    model, tokenizer = build_model(seed)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    curve: list[dict] = []

    def report(row: dict) -> None:
        curve.append(row)
        print(json.dumps(row), flush=True)
        if len(curve) % 4 == 0:
            save()

    def save() -> None:
        made_by = {"plan": asdict(plan), "code": describe_code(), "hardware": describe_hardware(), "curve": curve}
        write_model(model, tokenizer, out, made_by | {"render_hash": style.hash})

    pretrain_perception(model, tokenizer, style, plan, report)
    save()
    print(f"The model is in {out}.")


if __name__ == "__main__":
    typer.run(main)

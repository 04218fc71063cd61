"""Arguments that every job takes, and how a job ends."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from somnolens.errors import SomnolensError

Config = Annotated[Path | None, typer.Option("--config", help="YAML file of settings that differ from the defaults")]
Overrides = Annotated[list[str], typer.Option("--set", help="one setting, as train.lora_rank=8; may be repeated")]


def run_job(main: Callable[..., None]) -> None:
    """Run a job's main function; what a person can cause ends it with one sentence and exit code 1."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    try:
        app()
    except SomnolensError as error:
        Console(stderr=True, soft_wrap=True).print(f"[bold red]{error.kind}:[/] {error}", highlight=False)
        sys.exit(1)

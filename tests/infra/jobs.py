"""Jobs by name, as manifests and the runbook call them."""

import importlib
from collections.abc import Callable

import typer


def load_job(name: str) -> Callable[..., None]:
    """The main function of a job."""
    return importlib.import_module(f"somnolens.jobs.{name}").main


def list_options(main: Callable[..., None]) -> set[str]:
    """Options of a job, as `--config`."""
    app = typer.Typer()
    app.command()(main)
    return {
        name for parameter in typer.main.get_command(app).params for name in parameter.opts if name.startswith("--")
    }

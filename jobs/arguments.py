"""Arguments that commands and jobs take, and how they end."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from somnolens.errors import SettingsError, SomnolensError
from somnolens.storage import parse_path


def place(what: str) -> Any:
    """A folder of this machine or of an object store, as an argument."""
    return typer.Argument(help=f"{what}; or its URL, as s3://bucket/folder", parser=parse_path, metavar="PLACE")


Config = Annotated[Path | None, typer.Option("--config", help="YAML file of settings that differ from the defaults")]
Overrides = Annotated[list[str], typer.Option("--set", help="one setting, as train.lora_rank=8; may be repeated")]

DEMO_CONFIG = Path(__file__).parent / "configs" / "demo.yaml"
"""What the demo changes of the default settings."""

STOPPED = 130
"""Exit code after Ctrl-C: 128 and the number of SIGINT."""


def split_pairs(pairs: Sequence[str], option: str) -> dict[str, str]:
    """NAME=VALUE, as an option takes it more than once, to a dict in order.

    Raises
    ------
    SettingsError
        Where a pair has no '=', or a name stands twice.

    Examples
    --------
    >>> split_pairs(["wide=runs/wide/adapter"], "--adapter")
    {'wide': 'runs/wide/adapter'}
    """
    named: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals and value) or name in named:
            raise SettingsError(f"{option} {pair!r} is not NAME=VALUE with a name of its own. Write it as 'a=folder'.")
        named[name] = value
    return named


def run_job(main: Callable[..., None]) -> None:
    """Run a job's main function as a command."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run_command(app)


def run_command(app: typer.Typer) -> None:
    """Run a command; what a person can cause ends it with one sentence and exit code 1, Ctrl-C with 130."""
    console = Console(stderr=True, soft_wrap=True)
    try:
        app()
    except SomnolensError as error:
        console.print(f"[bold red]{error.kind}:[/]", error, highlight=False, markup=True)
        sys.exit(1)
    except SystemExit as end:
        if end.code == STOPPED:
            console.print("Stopped. What was finished is kept.")
            os._exit(STOPPED)  # all our blocks have been left; Python's own end was seen to hang after `simulate`
        raise

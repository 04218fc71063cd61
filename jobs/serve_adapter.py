"""Serve an adapter on this machine until it is stopped."""

import os
import signal
import tempfile
import threading
from pathlib import Path

from rich.console import Console

from somnolens.config import ServeSettings
from somnolens.serve.access.keys import VARIABLE, add_key, locate_keys
from somnolens.serve.running import start_service, stop_service


def serve_until_stopped(settings: ServeSettings, port: int) -> None:
    """Start the service, say where it is, and wait for Ctrl-C or SIGTERM."""
    console = Console(soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="somnolens-") as folder:
        settings, key = settle_keys(settings, Path(folder))
        with console.status("Starting the service"):
            url = start_service(settings, port)
        _tell(console, url, settings, key)
        stop = threading.Event()
        for kind in (signal.SIGINT, signal.SIGTERM):
            signal.signal(kind, lambda *_: stop.set())
        try:
            stop.wait()
        finally:
            with console.status("Stopping the service"):
                stop_service()


def settle_keys(settings: ServeSettings, folder: Path) -> tuple[ServeSettings, str]:
    """Settings with the keys that are there; where there are none, a key for this run, and its text."""
    if settings.insecure or settings.keys_file or os.environ.get(VARIABLE):
        return settings, ""
    path, text = locate_keys(), ""
    if not path.is_file():
        path = folder / "keys.json"
        text = add_key(path, "this run", admin=True)
    return settings.model_copy(update={"keys_file": str(path)}), text


def _tell(console: Console, url: str, settings: ServeSettings, key: str) -> None:
    console.print(f"The page is at {url}/ and the documentation of the service at {url}/docs. Ctrl-C ends it.")
    if settings.insecure:
        console.print("It asks nobody for a key, and answers this machine only.")
    elif key:
        console.print(f"Key of this run, which the page asks for: {key}", highlight=False)
        console.print("Keys that last are made with `somnolens keys add NAME`.")
    else:
        console.print(f"Its keys are those of {settings.keys_file or VARIABLE}.", highlight=False)

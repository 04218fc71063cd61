"""Serve an adapter on this machine until it is stopped."""

import signal
import threading

from rich.console import Console

from somnolens.config import ServeSettings
from somnolens.serve.running import start_service, stop_service


def serve_until_stopped(settings: ServeSettings, port: int) -> None:
    """Start the service, say where it is, and wait for Ctrl-C or SIGTERM."""
    console = Console()
    with console.status("Starting the service"):
        url = start_service(settings, port)
    console.print(f"The service is at {url}; its documentation at {url}/docs. Ctrl-C ends it.")
    stop = threading.Event()
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda *_: stop.set())
    try:
        stop.wait()
    finally:
        with console.status("Stopping the service"):
            stop_service()

"""Start and stop the service from Python: for the command line, the demo and the tests."""

import logging
import shutil
import socket
import time
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx
import ray
from ray import serve
from ray.serve.config import HTTPOptions
from ray.serve.schema import LoggingConfig

from somnolens.config import ServeSettings
from somnolens.errors import ServiceError
from somnolens.serve.app import build
from somnolens.serve.nights.store import name_folder

HOST: Final = "127.0.0.1"
"""The service asks nobody who they are: whoever opens it to a network puts a gateway in front."""

NAME: Final = "somnolens"
START_TIMEOUT_S: Final = 180.0

_private: list[Path] = []
"""Folders of nights that nobody named, and that end with the service."""


def start_service(settings: ServeSettings, port: int = 8000, start_timeout_s: float = START_TIMEOUT_S) -> str:
    """Start the service on this machine and wait until a scorer has answered a forward pass.

    Starts Ray where none runs. Ray's own sentences go to its log files, not to the screen. Port 0 takes
    any that is free.

    Returns
    -------
    str
        Address of the service, `http://127.0.0.1:8000`.

    Raises
    ------
    AdapterError
    ServiceError
        Where the port is taken, or the service does not come up.
    """
    port = _take_port(port)
    named = name_folder(settings)
    if named is not settings:
        _private.append(Path(named.nights_folder))
    application = build(named)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    quiet = LoggingConfig(encoding="JSON", log_level="INFO")
    serve.start(proxy_location="HeadOnly", http_options=HTTPOptions(host=HOST, port=port), logging_config=quiet)
    url = f"http://{HOST}:{port}"
    try:
        serve.run(application, name=NAME, route_prefix="/", logging_config=quiet)
    except RuntimeError as error:
        raise ServiceError(
            f"The service did not start: {str(error).splitlines()[0]} "
            "The files in logs/serve of the folder of the Ray session say more."
        ) from None
    _wait_until_ready(url, start_timeout_s)
    return url


def stop_service() -> None:
    """Stop the service and its replicas, and empty the nights that lie in a folder of its own; Ray goes on."""
    serve.shutdown()
    while _private:
        shutil.rmtree(_private.pop(), ignore_errors=True)


def _take_port(port: int) -> int:
    """The port, or a free one for 0, once it is known that it can be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ServiceError(f"Port {port} cannot be used: {error.strerror}. Name another with --port.") from None
        return probe.getsockname()[1]


def _wait_until_ready(url: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/readyz", timeout=timeout_s).status_code == HTTPStatus.OK:
                return
        except httpx.TransportError:
            pass  # the proxy is not up yet
        time.sleep(0.2)
    raise ServiceError(f"The service at {url} was not ready within {timeout_s:g} s. GET {url}/readyz says why.")

"""An object store on this machine, spoken to over HTTP as Amazon's is."""

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
import s3fs
from moto.server import ThreadedMotoServer

from somnolens.storage import parse_path

ACCESS = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")


@cache
def start_server() -> str:
    """Address of the one server of this process, which ends with it: to stop one takes half a second."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    atexit.register(server.stop)
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


@contextmanager
def serve_bucket(name: str) -> Iterator[Path]:
    """A new bucket; other processes find it by the environment, as on a cluster.

    Each test names its own, and it is gone with the block: a module whose tests are shared out may come to this
    process twice.
    """
    with enter_store(start_server(), "key", "secret", "us-east-1"):
        bucket = parse_path(f"s3://{name}")
        bucket.mkdir()
        yield bucket
        bucket.fs.rm(bucket.path, recursive=True)


@contextmanager
def enter_store(*access: str) -> Iterator[None]:
    """Reach a store with what is given of `ACCESS`, and with nothing else; fsspec remembers earlier ones."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in ACCESS:
            patch.delenv(variable, raising=False)
        for variable, value in zip(ACCESS, access, strict=False):
            patch.setenv(variable, value)
        s3fs.S3FileSystem.clear_instance_cache()
        yield
    s3fs.S3FileSystem.clear_instance_cache()

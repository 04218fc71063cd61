"""An object store on this machine, spoken to over HTTP as Amazon's is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import s3fs
from moto.server import ThreadedMotoServer

from somnolens.storage import parse_path

ACCESS = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")


@contextmanager
def serve_bucket(name: str) -> Iterator[Path]:
    """A new bucket; other processes find it by the environment, as on a cluster.

    All servers of a process hold the same buckets, so each test names its own, and it is gone with the block: a
    module whose tests are shared out may come to this process twice.
    """
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        with enter_store(f"http://{host}:{port}", "key", "secret", "us-east-1"):
            bucket = parse_path(f"s3://{name}")
            bucket.mkdir()
            yield bucket
            bucket.fs.rm(bucket.path, recursive=True)
    finally:
        server.stop()


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

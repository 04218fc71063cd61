"""Recordings that a client names instead of sending them: out of buckets that the settings allow, and of nothing else.

No address of the web is opened, so that nobody reaches through the service what only the service can reach.
"""

import posixpath
import shutil
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from somnolens.config import ServeSettings
from somnolens.serve.problems import RequestError, UploadTooLargeError
from somnolens.storage import explain, parse_path

SCHEMES: Final = ("s3", "gs", "abfs", "abfss", "az")
"""Object stores; a scheme that reads this machine or the web is never one."""

_PIECE_BYTES: Final = 2**22


class ForbiddenUrlError(RequestError):
    """The address is not one that this service fetches from."""

    status = HTTPStatus.FORBIDDEN


def check_url(url: str, prefixes: Sequence[str]) -> str:
    """The address, if it lies below one of the prefixes.

    Raises
    ------
    ForbiddenUrlError

    Examples
    --------
    >>> check_url("s3://lab/nights/a.edf", ["s3://lab/nights"])
    's3://lab/nights/a.edf'
    """
    parts = urlsplit(url)
    is_plain = not (parts.query or parts.fragment or "\\" in url or "@" in parts.netloc or "%" in url)
    is_plain = is_plain and posixpath.normpath(parts.path) == parts.path and parts.scheme in SCHEMES
    if is_plain and any(url.startswith(f"{prefix.rstrip('/')}/") for prefix in prefixes):
        return url
    raise ForbiddenUrlError(
        f"{url[:200]!r} is not below a prefix that this service fetches from. Send the recording itself, or have "
        "its bucket added to url_prefixes."
    )


def fetch_recording(url: str, target: Path, settings: ServeSettings) -> Path:
    """Copy a recording out of its bucket, as long as it is not too large.

    Raises
    ------
    ForbiddenUrlError
    UploadTooLargeError
    StorageError
    """
    path = parse_path(check_url(url, settings.url_prefixes))
    limit = settings.max_upload_mb * 1_000_000
    with explain(path, "read"):
        n_bytes = path.stat().st_size
    if n_bytes > limit:
        raise UploadTooLargeError(
            f"The recording has {n_bytes:,} bytes; this service takes {settings.max_upload_mb} MB. Cut it."
        )
    with explain(path, "read"), path.open("rb") as source, target.open("wb") as copy:
        shutil.copyfileobj(source, copy, _PIECE_BYTES)
    return target

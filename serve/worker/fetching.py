"""Recordings named by a URL: fetched from places that the settings allow, and from nowhere else.

Whoever may name a URL can try to make the service ask its own network for things (SSRF). So a URL must begin with
an allowed prefix; its host must have public addresses only, unless the settings name it; the connection goes to the
address that was looked at, not to what the name says a moment later; and a redirect is not followed.
"""

import asyncio
import ipaddress
import logging
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, Final
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

import httpx

from somnolens.config import ServeSettings
from somnolens.errors import StorageError
from somnolens.serve.messages.problems import ForbiddenError, UnreachableUrlError, UploadTooLargeError
from somnolens.serve.nights.store import PIECE_BYTES, UPLOAD
from somnolens.service_settings import MB
from somnolens.storage import explain, parse_path

STORES: Final = ("s3", "gs", "abfs", "abfss", "az")
PORTS: Final = {"https": 443, "http": 80}
PATIENCE_S: Final = 10.0
"""For a connection, and for the next piece."""

logger = logging.getLogger("ray.serve")


async def fetch_night(url: str, settings: ServeSettings, folder: Path) -> Path:
    """As `fetch_recording`, in a thread, into a private folder and under a name that tells nothing."""
    return await asyncio.to_thread(fetch_recording, url, folder / UPLOAD, settings)


def fetch_recording(url: str, target: Path, settings: ServeSettings) -> Path:
    """Fetch a recording.

    Parameters
    ----------
    url : str
        `https://`, or that of an object store as `s3://`, below one of `settings.url_prefixes`.
    target : Path
        Where it goes.
    settings : ServeSettings

    Returns
    -------
    Path
        The target, not larger than `settings.max_upload_mb`.

    Raises
    ------
    ForbiddenError
        Where the URL is not one of those that are allowed.
    UnreachableUrlError
        Where it does not answer with a file in time.
    UploadTooLargeError
    """
    parts = check_url(url, settings)
    copy = Copy(target, settings.max_upload_mb * MB, time.monotonic() + settings.fetch_timeout_s)
    if parts.scheme in STORES:
        _copy_from_store(url, copy)
    else:
        _copy_from_web(parts, copy, settings.private_hosts)
    return target


@dataclass(frozen=True)
class Copy:
    """A file that is being fetched.

    Parameters
    ----------
    target : Path
    most_bytes : int
    deadline : float
        Of `time.monotonic`.
    """

    target: Path
    most_bytes: int
    deadline: float

    def write(self, pieces: Iterable[bytes]) -> None:
        """Write pieces as they come, as long as there is room and time.

        Raises
        ------
        UploadTooLargeError
        UnreachableUrlError
        """
        n_bytes = 0
        with self.target.open("wb") as stream:
            for piece in pieces:
                n_bytes += len(piece)
                self.check_size(n_bytes)
                if time.monotonic() > self.deadline:
                    raise UnreachableUrlError("The recording did not come in time. Send it in the body instead.")
                stream.write(piece)

    def check_size(self, n_bytes: int) -> None:
        """Refuse what is too large, as soon as that is known."""
        if n_bytes > self.most_bytes:
            raise UploadTooLargeError(
                f"The recording is larger than {self.most_bytes // MB} MB, the most this service takes. Cut it."
            )


def check_url(url: str, settings: ServeSettings) -> SplitResult:
    """Parts of a URL, once it is known to be below an allowed prefix.

    Raises
    ------
    ForbiddenError
    """
    if not settings.url_prefixes:
        raise ForbiddenError("This service fetches nothing from URLs. Send the recording in the body.")
    parts = _split(url)
    plain = unquote(parts.path)
    is_odd = ".." in plain.split("/") or "\\" in plain or "//" in plain or not plain.isprintable() or "%" in plain
    wrong = parts.username is not None or parts.password is not None or parts.fragment or is_odd
    if wrong or not any(_is_below(parts, _split(prefix)) for prefix in settings.url_prefixes):
        raise ForbiddenError(
            "The URL is not below a place that this service may fetch from. There are "
            f"{', '.join(settings.url_prefixes)}; the path must be plain, without '..', '%' or a user's name."
        )
    if parts.scheme == "http" and parts.hostname not in settings.private_hosts:
        raise ForbiddenError("http:// is open to everybody on the way. Name the recording as https://.")
    return parts


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  (raises where it is no number)
    except ValueError:
        raise ForbiddenError("The URL cannot be read. Write it as https://host/folder/night.edf.") from None
    if parts.scheme not in (*STORES, *PORTS) or not parts.hostname:
        raise ForbiddenError(f"URLs begin with s3://, gs:// or https://; this one with {parts.scheme!r}.")
    return parts


def _is_below(parts: SplitResult, prefix: SplitResult) -> bool:
    """The same host and port, and a path inside the folder of the prefix."""
    same = (parts.scheme, parts.hostname, _port(parts)) == (prefix.scheme, prefix.hostname, _port(prefix))
    return same and parts.path.startswith(prefix.path.rstrip("/") + "/") and not parts.path.endswith("/")


def _port(parts: SplitResult) -> int | None:
    return parts.port or PORTS.get(parts.scheme)


def resolve_publicly(host: str, port: int, private_hosts: tuple[str, ...]) -> str:
    """An address of a host, all of whose addresses may be asked.

    Raises
    ------
    ForbiddenError
    UnreachableUrlError
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise UnreachableUrlError(f"The host {host} is not known. Correct the URL.") from None
    addresses = [str(entry[4][0]) for entry in found]
    if host not in private_hosts and not all(map(is_public, addresses)):
        raise ForbiddenError(f"The host {host} has an address that is not public. Nothing was asked of it.")
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an address is one of the open internet, whatever it is wrapped in.

    Examples
    --------
    >>> [is_public(one) for one in ("8.8.8.8", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::a00:1")]
    [True, False, False, False, False]
    """
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo and parsed.teredo[1])
        if inner is None and parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner:
            return is_public(str(inner))
    return parsed.is_global and not parsed.is_multicast


_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


def _copy_from_web(parts: SplitResult, copy: Copy, private_hosts: tuple[str, ...]) -> None:
    host, port = parts.hostname, _port(parts)
    address = resolve_publicly(host, port, private_hosts)
    pinned = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    url = urlunsplit((parts.scheme, pinned, parts.path, parts.query, ""))
    headers = {"Host": parts.netloc, "Accept-Encoding": "identity"}
    secure = {"sni_hostname": host}  # the certificate must be that of the name
    try:
        with (
            httpx.Client(trust_env=False, follow_redirects=False, timeout=PATIENCE_S) as web,
            web.stream("GET", url, headers=headers, extensions=secure) as answer,
        ):
            if answer.status_code != HTTPStatus.OK or "content-encoding" in answer.headers:
                raise UnreachableUrlError(
                    f"The URL answered with status {answer.status_code}, and only a plain file with 200 is taken: "
                    "redirects are not followed. Name the file itself."
                )
            copy.check_size(int(answer.headers.get("content-length", 0)))
            copy.write(answer.iter_raw(PIECE_BYTES))
    except httpx.HTTPError as error:
        raise UnreachableUrlError(f"{host} did not give the recording ({type(error).__name__}). Try later.") from None


def _copy_from_store(url: str, copy: Copy) -> None:
    source = parse_path(url)
    with _ask(source):
        stream = source.open("rb")
    with stream:
        copy.write(_read_pieces(source, stream))


def _read_pieces(source: Path, stream: IO[bytes]) -> Iterator[bytes]:
    while True:
        with _ask(source):
            piece = stream.read(PIECE_BYTES)
        if not piece:
            return
        yield piece


@contextmanager
def _ask(source: Path) -> Iterator[None]:
    """What the client of a store says stays in the log: it may name an address of ours."""
    try:
        with explain(source, "read"):
            yield
    except StorageError as error:
        logger.warning("A recording could not be fetched: %s", error)
        raise UnreachableUrlError(
            "The recording could not be read from its store. Look at the bucket and the name, and that the service "
            "may read them."
        ) from None

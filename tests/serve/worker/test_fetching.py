"""Recordings by URL: from allowed places, and from no other whatever the URL looks like."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from somnolens.config import ServeSettings
from somnolens.serve.messages.problems import ForbiddenError, UnreachableUrlError, UploadTooLargeError
from somnolens.serve.worker import fetching
from somnolens.serve.worker.fetching import check_url, fetch_night, is_public, resolve_publicly
from tests.object_store import serve_bucket

ALLOWED = ServeSettings(
    url_prefixes=("s3://lab/nights/", "https://nights.example/public"), max_upload_mb=1, fetch_timeout_s=0.5
)


class Web(BaseHTTPRequestHandler):
    """Serves a night, one that is too large, one that trickles, one that is elsewhere."""

    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(self.path)
        status = {"/nights/elsewhere.edf": 302, "/nights/none.edf": 404}.get(self.path, 200)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/secret")
        if self.path == "/nights/packed.edf":
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        for piece in self.list_pieces():
            try:
                self.wfile.write(piece)
                self.wfile.flush()
            except OSError:
                return

    def list_pieces(self) -> Iterator[bytes]:
        if self.path == "/nights/large.edf":
            yield from [b"0" * 100_000] * 11
        elif self.path == "/nights/slow.edf":
            while not threading.Event().wait(0.1):
                yield b"0" * 300_000
        else:
            yield b"night"

    def log_message(self, *_: object) -> None:
        """Nothing on the screen."""


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def from_web(web) -> ServeSettings:
    return ALLOWED.model_copy(update={"url_prefixes": (f"{web}/nights",), "private_hosts": ("127.0.0.1",)})


@pytest.mark.parametrize(
    "url",
    ["s3://lab/nights/a.edf", "s3://lab/nights/2026/a b.edf", "https://nights.example/public/a.edf?version=2"],
)
def test_what_lies_below_an_allowed_prefix_may_be_fetched(url):
    assert check_url(url, ALLOWED).geturl() == url


@pytest.mark.parametrize(
    "url",
    [
        "s3://lab/other/a.edf",
        "s3://lab/nights-of-others/a.edf",
        "s3://lab/nights/../other/a.edf",
        "s3://lab/nights/%2e%2e/other/a.edf",
        "s3://lab/nights/%252e%252e/other/a.edf",
        "s3://lab/nights/..\\other",
        "s3://lab/nights//a.edf",
        "s3://lab/nights/",
        "s3://lab/nights",
        "https://nights.example.evil.example/public/a.edf",
        "https://nights.example@evil.example/public/a.edf",
        "https://user@nights.example/public/a.edf",
        "https://nights.example:8443/public/a.edf",
        "https://nights.example/public/a.edf#part",
        "http://nights.example/public/a.edf",
        "https://nights.example/publications/a.edf",
        "file:///etc/passwd",
        "file://lab/nights/a.edf",
        "gs://lab/nights/a.edf",
        "memory://lab/nights/a.edf",
        "local:///etc/passwd",
        "https://[::1",
        "https://nights.example:port/public/a.edf",
        "/etc/passwd",
        "",
    ],
)
def test_nothing_else_may(url):
    with pytest.raises(ForbiddenError):
        check_url(url, ALLOWED)


def test_without_a_prefix_nothing_is_fetched():
    with pytest.raises(ForbiddenError, match="fetches nothing from URLs"):
        check_url("s3://lab/nights/a.edf", ServeSettings())


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "::1", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1", "2002:7f00:1::"),
    ],
)
def test_addresses_of_ones_own_network_are_not_public(address):
    assert not is_public(address)


def test_a_name_that_leads_inside_is_asked_nothing(web, tmp_path):
    port = int(web.rpartition(":")[2])
    with pytest.raises(ForbiddenError, match="has an address that is not public"):
        resolve_publicly("localhost", port, ())
    Web.asked.clear()
    settings = ALLOWED.model_copy(update={"url_prefixes": (f"https://localhost:{port}/",)})
    with pytest.raises(ForbiddenError):
        asyncio.run(fetch_night(f"https://localhost:{port}/a.edf", settings, tmp_path))
    assert Web.asked == []


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch):
    found = [(2, 1, 6, "", (address, 443)) for address in ("93.184.216.34", "10.0.0.8")]
    monkeypatch.setattr(fetching.socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(ForbiddenError):
        resolve_publicly("rebind.example", 443, ())
    monkeypatch.setattr(fetching.socket, "getaddrinfo", lambda *_, **__: found[:1])
    assert resolve_publicly("nights.example", 443, ()) == "93.184.216.34"


def test_a_night_comes_from_the_web_under_a_name_that_tells_nothing(web, from_web, tmp_path):
    path = asyncio.run(fetch_night(f"{web}/nights/Doe_Jane.edf", from_web, tmp_path))
    assert (path.name, path.read_bytes()) == ("upload.edf", b"night")


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        ("elsewhere", UnreachableUrlError, "status 302.* redirects are not followed"),
        ("none", UnreachableUrlError, "status 404"),
        ("packed", UnreachableUrlError, "only a plain file"),
        ("large", UploadTooLargeError, "larger than 1 MB"),
        ("slow", UnreachableUrlError, "did not come in time"),
    ],
)
def test_what_is_no_night_in_time_gets_a_sentence(web, from_web, tmp_path, name, error, sentence):
    Web.asked.clear()
    settings = from_web.model_copy(update={"max_upload_mb": 100}) if name == "slow" else from_web
    with pytest.raises(error, match=sentence):
        asyncio.run(fetch_night(f"{web}/nights/{name}.edf", settings, tmp_path))
    assert Web.asked == [f"/nights/{name}.edf"]


def test_nobody_at_the_address_is_told(tmp_path):
    settings = ALLOWED.model_copy(update={"url_prefixes": ("http://127.0.0.1:9/",), "private_hosts": ("127.0.0.1",)})
    with pytest.raises(UnreachableUrlError, match="did not give the recording"):
        asyncio.run(fetch_night("http://127.0.0.1:9/a.edf", settings, tmp_path))


@pytest.mark.slow
def test_a_night_comes_out_of_a_bucket_as_long_as_it_is_not_too_large(tmp_path):
    with serve_bucket("lab") as bucket:
        (bucket / "nights" / "a.edf").write_bytes(b"night")
        (bucket / "nights" / "large.edf").write_bytes(b"0" * 1_000_001)
        slow = ALLOWED.model_copy(update={"fetch_timeout_s": 30})
        path = asyncio.run(fetch_night("s3://lab/nights/a.edf", slow, tmp_path))
        assert path.read_bytes() == b"night"
        with pytest.raises(UploadTooLargeError):
            asyncio.run(fetch_night("s3://lab/nights/large.edf", slow, tmp_path))
        with pytest.raises(UnreachableUrlError, match="could not be read from its store"):
            asyncio.run(fetch_night("s3://lab/nights/none.edf", slow, tmp_path))

"""The gate before every path: who asks, may they, how much at once, how long; and what every answer carries.

Plain ASGI, outside of everything else, so that a request that is refused costs nothing: no body is read and no
model is asked. What it decides on is in `limits`; what it counts goes to `report`.
"""

import asyncio
import ipaddress
import logging
import re
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from somnolens.config import ServeSettings
from somnolens.errors import SomnolensError
from somnolens.provenance import fingerprint
from somnolens.serve.access.keys import Key, KeySource
from somnolens.serve.access.limits import Client, Counters, describe_client
from somnolens.serve.messages.problems import (
    ForbiddenError,
    RequestError,
    SlowAnswerError,
    SlowUploadError,
    UnknownKeyError,
    UploadTooLargeError,
    tell_error,
)
from somnolens.service_settings import MB

OPEN_PATHS: Final = frozenset({"/", "/favicon.ico", "/docs", "/openapi.json", "/healthz", "/readyz", "/v1/model"})
OPEN_FOLDER: Final = "/static/"
"""What is told to anybody; everything else wants a key, what is added one day too."""

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")
POLICY: Final = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
SECURITY: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
logger = logging.getLogger("ray.serve")


@dataclass
class Passage:
    """One request on its way through the gate.

    Parameters
    ----------
    scope : dict
        Of ASGI.
    client : Client or None
        None until it is known.
    status : int
        Of the answer; 0 until it begins.
    """

    scope: Scope
    client: Client | None = None
    status: int = 0
    n_body_bytes: int = 0

    @property
    def path(self) -> str:
        return self.scope["path"].removeprefix(self.scope.get("root_path", "").rstrip("/"))

    @property
    def is_night(self) -> bool:
        return self.scope["method"] == "POST" and self.path in ("/v1/nights", "/v1/nights/simulated")

    @property
    def wants_key(self) -> bool:
        return not (self.path in OPEN_PATHS or self.path.startswith(OPEN_FOLDER))

    @property
    def problem(self) -> str:
        """Kind of the problem that the answer tells; empty where it tells none."""
        return self.scope["state"].get("problem", "")


Report = Callable[[Passage, float], None]


class Gate:
    """ASGI middleware that lets in whoever may come, and as many as there is room for.

    Parameters
    ----------
    app : ASGI application
    settings : ServeSettings
    keys : KeySource
    counters : Counters
    report : callable
        Gets each request when it is over, and the seconds it took.
    echo_request_id : bool
        Whether the answer gets the X-Request-ID here; Ray's proxy adds it by itself.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: ServeSettings,
        keys: KeySource,
        counters: Counters,
        report: Report = lambda passage, seconds: None,
        echo_request_id: bool = True,
    ) -> None:
        self._app, self._settings, self._keys = app, settings, keys
        self._counters, self._report, self._echo_request_id = counters, report, echo_request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        passage = Passage(scope)
        scope.setdefault("state", {})
        answer = self._mark_answers(passage, send)
        try:
            await self._let_in(passage, receive, answer)
        except SomnolensError as error:
            scope["state"]["problem"] = error.kind
            if not passage.status:
                await tell_error(error)(scope, receive, answer)
        finally:
            seconds = time.monotonic() - started
            _log(passage, seconds)
            self._report(passage, seconds)

    async def _let_in(self, passage: Passage, receive: Receive, send: Send) -> None:
        """Pass a request on, once it is known whose it is and that there is room.

        Raises
        ------
        RequestError
        ServiceError
        """
        headers = Headers(scope=passage.scope)
        _check_request_id(headers)
        if not passage.wants_key:
            await self._hand_on(passage, receive, send)
            return
        passage.client = await self._identify(headers, passage)
        passage.scope["state"] |= {"client": passage.client.name, "limits": passage.client}
        _check_announced_size(headers, passage.client)
        with self._counters.admit(passage.client, passage.is_night):
            await self._hand_on(passage, self._watch_body(passage, receive), send)

    async def _hand_on(self, passage: Passage, receive: Receive, send: Send) -> None:
        try:
            async with asyncio.timeout(self._settings.request_timeout_s):
                await self._app(passage.scope, receive, send)
        except TimeoutError:
            raise SlowAnswerError(
                f"The answer was not there after {self._settings.request_timeout_s:g} s. "
                "Send a shorter recording, or ask with wait=none and look later."
            ) from None

    async def _identify(self, headers: Headers, passage: Passage) -> Client:
        if self._settings.insecure:
            _check_local(headers, passage.scope)
            return describe_client(None, self._settings)
        client = describe_client(await self._find_key(headers), self._settings)
        if passage.path.startswith("/v1/admin/") and not client.admin:
            raise ForbiddenError("This key may score, but not change the service. Use an admin's key.")
        return client

    async def _find_key(self, headers: Headers) -> Key:
        kind, _, shown = headers.get("authorization", "").partition(" ")
        text = shown.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "")
        if not text:
            raise UnknownKeyError("The request has no key. Send 'Authorization: Bearer KEY', or the key as X-API-Key.")
        key = await self._keys.find(text)
        if key is None:
            raise UnknownKeyError("The key is not known here, or was revoked. `somnolens keys add NAME` makes one.")
        return key

    def _watch_body(self, passage: Passage, receive: Receive) -> Receive:
        """Count the body, and give up one that stands still."""
        limit_mb, idle_s, ended = passage.client.max_upload_mb, self._settings.upload_idle_s, False

        async def receive_in_time() -> Message:
            nonlocal ended
            if ended:
                return await receive()  # what comes now is only that the client has left
            try:
                message = await asyncio.wait_for(receive(), idle_s)
            except TimeoutError:
                raise SlowUploadError(f"Nothing of the body came for {idle_s:g} s. Send it again.") from None
            passage.n_body_bytes += len(message.get("body", b""))
            ended = not message.get("more_body", False)
            _check_size(passage.n_body_bytes, limit_mb)
            return message

        return receive_in_time

    def _mark_answers(self, passage: Passage, send: Send) -> Send:
        """Add to each answer what makes it safe in a browser, and the id of its request."""
        request_id = Headers(scope=passage.scope).get("x-request-id") or fingerprint([id(passage), time.time_ns()])

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                passage.status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
                if self._echo_request_id and REQUEST_ID.fullmatch(request_id):
                    headers["X-Request-ID"] = request_id
            await send(message)

        return send_marked


def _check_request_id(headers: Headers) -> None:
    """It goes into every log line: what is none is refused."""
    if (name := headers.get("x-request-id")) is not None and not REQUEST_ID.fullmatch(name):
        raise RequestError("The X-Request-ID may have up to 128 letters, digits and -._:/+=. Shorten it, or leave it.")


def _check_announced_size(headers: Headers, client: Client) -> None:
    announced = headers.get("content-length", "0")
    if announced.isdecimal():
        _check_size(int(announced), client.max_upload_mb)


def _check_size(n_bytes: int, limit_mb: int) -> None:
    if n_bytes > limit_mb * MB:
        raise UploadTooLargeError(
            f"The body is larger than {limit_mb} MB, the most this service takes from this key. Send less at once."
        )


def _check_local(headers: Headers, scope: Scope) -> None:
    """Without keys nobody but this machine is answered, and no page of another site in its browser.

    Raises
    ------
    ForbiddenError
    """
    host = headers.get("host", "")
    origin = headers.get("origin")
    is_named_so = urlsplit(f"//{host}").hostname in LOCAL_NAMES
    is_from_here = origin is None or urlsplit(origin).netloc == host
    if not (_is_loopback((scope.get("client") or ("",))[0]) and is_named_so and is_from_here):
        raise ForbiddenError(
            "The service was started without keys and answers this machine only. Start it with keys to reach it "
            "from elsewhere: `somnolens keys add NAME`."
        )


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _log(passage: Passage, seconds: float) -> None:
    """One line a request; Ray adds the request's id, and writes the fields as JSON."""
    fields: dict[str, Any] = {
        "client": passage.client.name if passage.client else "",
        "status": passage.status,
        "problem": passage.problem,
        "body_bytes": passage.n_body_bytes,
        "seconds": round(seconds, 4),
    }
    told = f"{passage.scope['method']} {passage.path} {passage.status} {seconds:.3f} s {passage.problem}".rstrip()
    logger.info(told, extra={"somnolens": fields})


class Companion:
    """ASGI middleware that lets something run for as long as the application does.

    Parameters
    ----------
    app : ASGI application
    run : callable
        Runs until it is cancelled.
    """

    def __init__(self, app: ASGIApp, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._app, self._run = app, run

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        task = asyncio.create_task(self._run())
        try:
            await self._app(scope, receive, send)
        finally:
            task.cancel()

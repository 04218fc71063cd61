"""Errors as answers: problem details after RFC 9457, with the library's own sentence.

Neither an answer nor a log ever holds a stack trace's values or the message of an error we did not
write: such a message may quote the header of a recording.
"""

import logging
import traceback
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Self

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from somnolens.errors import AdapterError, BaseModelError, ServiceError, SomnolensError

MEDIA_TYPE = "application/problem+json"
logger = logging.getLogger("ray.serve")
"""Ray writes what is said here to the log files of the replica."""


class RequestError(SomnolensError):
    """The request cannot be answered as it was sent."""

    status = HTTPStatus.BAD_REQUEST


class EmptyUploadError(RequestError):
    """Nothing was sent."""


class UploadTooLargeError(RequestError):
    """More was sent than the service takes."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedContentError(RequestError):
    """The body is of a kind that this path does not read."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class UnavailableFormatError(RequestError):
    """The answer cannot be given in the format asked for."""

    status = HTTPStatus.NOT_ACCEPTABLE


class UnreadableSignalsError(RequestError):
    """The signals sent are not whole epochs of known derivations."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class BusyError(ServiceError):
    """No scorer can take the request now; the same request may be sent again."""


def tell_problem(status: HTTPStatus, kind: str, title: str, detail: str) -> JSONResponse:
    """A problem document; `kind` is what a program may decide on."""
    content = {"type": f"urn:somnolens:problem:{kind}", "title": title, "status": status.value, "detail": detail}
    headers = {"Retry-After": "5"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return JSONResponse(content, status, headers, MEDIA_TYPE)


def add_problem_handlers(api: FastAPI) -> None:
    """Turn every error into a problem document."""
    api.add_middleware(Shield)
    api.add_exception_handler(SomnolensError, _tell_ours)
    api.add_exception_handler(RequestValidationError, _tell_invalid)
    api.add_exception_handler(HTTPException, _tell_http)
    api.add_exception_handler(ClientDisconnect, _tell_disconnect)


class Shield:
    """Middleware that answers an error nobody expected, and lets it go no further.

    A handler of Exception would not do: Starlette raises again after it, and the log of the service
    would then hold the message.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with _Caught() as caught:
            await self._app(scope, receive, send)
        if caught.error:
            await _tell_unexpected(caught.error)(scope, receive, send)


class _Caught:
    """Keeps the error of its block, whatever it is; a cancelled request is no error."""

    error: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        self.error = error if isinstance(error, Exception) else None
        return self.error is not None


def choose_status(error: SomnolensError) -> HTTPStatus:
    """The request's own status, 503 for what the service lacks, 422 for what is wrong with a recording."""
    if isinstance(error, RequestError):
        return error.status
    is_ours = isinstance(error, (AdapterError, BaseModelError, ServiceError))
    return HTTPStatus.SERVICE_UNAVAILABLE if is_ours else HTTPStatus.UNPROCESSABLE_ENTITY


def _tell_ours(request: Request, error: SomnolensError) -> JSONResponse:
    first_line = (type(error).__doc__ or error.kind).splitlines()[0]
    return tell_problem(choose_status(error), error.kind, first_line, str(error))


def _tell_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    faults = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()]
    return tell_problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, "Parameter", "A parameter cannot be used.", "; ".join(faults) + "."
    )


def _tell_http(request: Request, error: HTTPException) -> JSONResponse:
    status = HTTPStatus(error.status_code)
    return tell_problem(status, "Http", f"{status.phrase}.", f"{error.detail}. GET /docs shows what there is.")


def _tell_disconnect(request: Request, error: ClientDisconnect) -> JSONResponse:
    detail = "The connection ended before the whole body had come. Send it again."
    return tell_problem(HTTPStatus.BAD_REQUEST, "Disconnect", "The body is incomplete.", detail)


def _tell_unexpected(error: Exception) -> JSONResponse:
    place = traceback.extract_tb(error.__traceback__)[-1]
    kind, file = type(error).__name__, Path(place.filename).name
    logger.error("Unexpected %s in %s, %s line %s", kind, place.name, file, place.lineno)
    detail = "This is a fault of the service, not of the request. Its log names the place under the X-Request-ID."
    return tell_problem(HTTPStatus.INTERNAL_SERVER_ERROR, "Unexpected", "The service failed.", detail)

"""Errors as answers: problem details after RFC 9457, with the library's own sentence.

Neither an answer nor a log ever holds a stack trace's values or the message of an error we did not
write: such a message may quote the header of a recording.
"""

import logging
import traceback
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from somnolens.errors import AdapterError, BaseModelError, ServiceError, SomnolensError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5
logger = logging.getLogger("ray.serve")
"""Ray writes what is said here to the log files of the replica."""


class RequestError(SomnolensError):
    """The request cannot be answered as it was sent."""

    status = HTTPStatus.BAD_REQUEST
    retry_after_s: int | None = None
    """When the same request may be sent again; None where it never may."""


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


class UnknownKeyError(RequestError):
    """The request has no key that this service knows."""

    status = HTTPStatus.UNAUTHORIZED


class ForbiddenError(RequestError):
    """Whoever asks may not have this done."""

    status = HTTPStatus.FORBIDDEN


class TooManyRequestsError(RequestError):
    """The client has as much under way as it may have."""

    status = HTTPStatus.TOO_MANY_REQUESTS

    def __init__(self, sentence: str, retry_after_s: int) -> None:
        super().__init__(sentence)
        self.retry_after_s = retry_after_s


class TooLongNightError(RequestError):
    """The recording is longer than the client may send."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class SlowUploadError(RequestError):
    """The body stood still for too long."""

    status = HTTPStatus.REQUEST_TIMEOUT


class SlowAnswerError(ServiceError):
    """The answer took longer than a request may."""


class UnreachableUrlError(RequestError):
    """The recording cannot be fetched from its URL."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


class UnknownModelError(RequestError):
    """There is no adapter of this name behind the service."""

    status = HTTPStatus.NOT_FOUND


class SelfTestError(RequestError):
    """The adapter does not answer as it should; the one before goes on serving."""

    status = HTTPStatus.CONFLICT


class UnusablePictureError(RequestError):
    """The picture is not one that the adapter could have been shown."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY


def tell_problem(status: HTTPStatus, kind: str, title: str, detail: str) -> JSONResponse:
    """A problem document; `kind` is what a program may decide on."""
    return answer_problem(_document(status, kind, title, detail))


def answer_problem(problem: dict[str, Any], retry_after_s: int | None = None) -> JSONResponse:
    """A problem document as an answer."""
    headers = {}
    if problem["status"] == HTTPStatus.SERVICE_UNAVAILABLE or retry_after_s:
        headers["Retry-After"] = str(retry_after_s or RETRY_AFTER_S)
    if problem["status"] == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(problem, problem["status"], headers, MEDIA_TYPE)


def describe_problem(error: Exception) -> dict[str, Any]:
    """The problem document of an error: with its sentence if it is ours, without if nobody expected it."""
    if isinstance(error, SomnolensError):
        first_line = (type(error).__doc__ or error.kind).splitlines()[0]
        return _document(choose_status(error), error.kind, first_line, str(error))
    place = traceback.extract_tb(error.__traceback__)[-1]
    kind, file = type(error).__name__, Path(place.filename).name
    logger.error("Unexpected %s in %s, %s line %s", kind, place.name, file, place.lineno)
    detail = "This is a fault of the service, not of the request. Its log names the place under the X-Request-ID."
    return _document(HTTPStatus.INTERNAL_SERVER_ERROR, "Unexpected", "The service failed.", detail)


def _document(status: HTTPStatus, kind: str, title: str, detail: str) -> dict[str, Any]:
    return {"type": f"urn:somnolens:problem:{kind}", "title": title, "status": status.value, "detail": detail}


def tell_error(error: SomnolensError) -> JSONResponse:
    """An error of ours as an answer."""
    return answer_problem(describe_problem(error), getattr(error, "retry_after_s", None))


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
        with Caught() as caught:
            await self._app(scope, receive, send)
        if caught.error:
            await answer_problem(describe_problem(caught.error))(scope, receive, send)


class Caught:
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
    if isinstance(error, SlowAnswerError):
        return HTTPStatus.GATEWAY_TIMEOUT
    is_ours = isinstance(error, (AdapterError, BaseModelError, ServiceError))
    return HTTPStatus.SERVICE_UNAVAILABLE if is_ours else HTTPStatus.UNPROCESSABLE_ENTITY


def _tell_ours(request: Request, error: SomnolensError) -> JSONResponse:
    request.state.problem = error.kind
    return tell_error(error)


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

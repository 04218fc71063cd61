"""Bodies of requests: counted while they come, kept in a private folder, gone afterwards.

The name a client gives its file is never used: it may say whose night it is.
"""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from somnolens.serve.messages.problems import EmptyUploadError, RequestError, UploadTooLargeError
from somnolens.serve.nights.store import PIECE_BYTES, UPLOAD
from somnolens.service_settings import MB

FIELD = "file"


@asynccontextmanager
async def keep_upload(request: Request, limit_mb: int) -> AsyncIterator[Path]:
    """Keep the recording of a request on disk for as long as it is needed.

    Takes the body as it is, or the field `file` of a multipart form.

    Raises
    ------
    EmptyUploadError
    UploadTooLargeError
    RequestError
        For a form without the field.
    """
    with tempfile.TemporaryDirectory(prefix="somnolens-") as folder:
        path = Path(folder) / UPLOAD
        if read_content_type(request) == "multipart/form-data":
            await _keep_field(request, path, limit_mb)
        else:
            await _write(count_bytes(request, limit_mb), path)
        if not path.stat().st_size:
            raise EmptyUploadError(
                "The upload is empty: 0 bytes came. Send the recording as the body, as in "
                f"curl --data-binary @night.edf, or as the field '{FIELD}' of a multipart form."
            )
        yield path


async def read_body(request: Request, limit_mb: int, advice: str) -> bytes:
    """The whole body in memory; `advice` says what to do where it is too large."""
    body = b"".join([chunk async for chunk in count_bytes(request, limit_mb, advice)])
    if not body:
        raise EmptyUploadError("The body is empty. Send signals as JSON or npy; GET /docs shows an example.")
    return body


def read_content_type(request: Request) -> str:
    """Media type of the body without its parameters, in lower case; empty where none is named."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def count_bytes(
    request: Request, limit_mb: int, advice: str = "Cut the recording, or raise max_upload_mb."
) -> AsyncGenerator[bytes, None]:
    """The body in chunks, refused as soon as it is known to be too large."""
    sentence = f"The body is larger than {limit_mb} MB, the most this service takes. {advice}"
    if int(request.headers.get("content-length", 0)) > limit_mb * MB:
        raise UploadTooLargeError(sentence)
    n_bytes = 0
    async for chunk in request.stream():
        n_bytes += len(chunk)
        if n_bytes > limit_mb * MB:
            raise UploadTooLargeError(sentence)
        yield chunk


async def _keep_field(request: Request, path: Path, limit_mb: int) -> None:
    try:
        form = await MultiPartParser(request.headers, count_bytes(request, limit_mb), max_files=1).parse()
    except MultiPartException as error:
        raise RequestError(f"The multipart form cannot be read: {error.message} Send it again.") from None
    try:
        upload = form.get(FIELD)
        if not isinstance(upload, UploadFile):
            raise RequestError(f"The multipart form has no file in the field '{FIELD}'. Name the field so.")
        await _write(_read_chunks(upload), path)
    finally:
        await form.close()


async def _read_chunks(upload: UploadFile) -> AsyncIterator[bytes]:
    while chunk := await upload.read(PIECE_BYTES):
        yield chunk


async def _write(chunks: AsyncIterator[bytes], path: Path) -> None:
    """Write in large pieces and in a thread: a slow disk must not hold up other requests."""
    waiting = bytearray()
    with path.open("wb", buffering=0) as stream:
        async for chunk in chunks:
            waiting += chunk
            if len(waiting) >= PIECE_BYTES:
                await asyncio.to_thread(stream.write, waiting)
                waiting = bytearray()
        await asyncio.to_thread(stream.write, waiting)

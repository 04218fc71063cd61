"""What paths answer: as it is sent, and as the OpenAPI document says it."""

from typing import Any, Final

from fastapi import Response

from somnolens.serve.messages.answers import Told
from somnolens.serve.messages.problems import MEDIA_TYPE
from somnolens.serve.messages.schema import Problem

BYTES: Final = {"schema": {"type": "string", "format": "binary"}}
FORM: Final = {"schema": {"type": "object", "required": ["file"], "properties": {"file": BYTES["schema"]}}}
PROBLEM: Final = {
    "description": "What is wrong, and what to do",
    "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
}
NIGHT_FORMATS: Final[dict[int | str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}, "image/png": BYTES}}
}


def list_problems(*statuses: int) -> dict[int | str, Any]:
    """Answers of these statuses as problem documents."""
    return dict.fromkeys(statuses, PROBLEM)


def answer(told: Told) -> Response:
    """What a worker told, as an answer."""
    headers = {"Retry-After": "5"} if told.status == 503 else {}
    if told.file_name:
        headers["Content-Disposition"] = f'attachment; filename="{told.file_name}"'
    return Response(told.content, told.status, headers, told.media_type)

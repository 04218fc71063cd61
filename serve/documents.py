"""Pieces of the OpenAPI document that several paths share."""

from typing import Any, Final

from somnolens.serve.problems import MEDIA_TYPE
from somnolens.serve.schema import Problem

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

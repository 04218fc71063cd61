"""What a worker tells an ingress: content that goes to the client as it is."""

import json
from dataclasses import dataclass
from typing import Any, Self

from somnolens.serve.problems import MEDIA_TYPE


@dataclass(frozen=True)
class Told:
    """An answer, or a problem in place of one.

    Parameters
    ----------
    content : bytes
    media_type : str
    status : int
        Of HTTP.
    file_name : str
        What a browser is to call it; empty where it is not a file.
    """

    content: bytes
    media_type: str = "application/json"
    status: int = 200
    file_name: str = ""

    @classmethod
    def of_json(cls, document: Any) -> Self:
        """Plain values as JSON; what is no number must have been made null before."""
        return cls(json.dumps(document, allow_nan=False).encode())

    @classmethod
    def of_problem(cls, problem: dict[str, Any]) -> Self:
        """A problem document."""
        return cls(json.dumps(problem).encode(), MEDIA_TYPE, problem["status"])

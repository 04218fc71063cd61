"""The OpenAPI document, with every schema where references look for it."""

from typing import Any, Final

from fastapi import FastAPI

OF_MODEL: Final = "#/$defs/"
OF_DOCUMENT: Final = "#/components/schemas/"


class DocumentedApi(FastAPI):
    """An application whose paths may describe bodies by `model_json_schema()`, definitions and all."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            self.openapi_schema = gather_schemas(super().openapi())
        return self.openapi_schema


def gather_schemas(document: dict[str, Any]) -> dict[str, Any]:
    """A document whose `$defs` stand among its components.

    Examples
    --------
    >>> body = {"$ref": "#/$defs/Part", "$defs": {"Part": {"type": "string"}}}
    >>> gather_schemas({"paths": {"/": body}})
    {'paths': {'/': {'$ref': '#/components/schemas/Part'}}, 'components': {'schemas': {'Part': {'type': 'string'}}}}
    """
    found: dict[str, Any] = {}

    def move(part: Any) -> Any:
        if isinstance(part, dict):
            found.update({name: move(one) for name, one in part.get("$defs", {}).items()})
            return {name: move(one) for name, one in part.items() if name != "$defs"}
        if isinstance(part, list):
            return [move(one) for one in part]
        if isinstance(part, str) and part.startswith(OF_MODEL):
            return OF_DOCUMENT + part.removeprefix(OF_MODEL)
        return part

    moved = move(document)
    components = moved.get("components", {})
    return moved | {"components": components | {"schemas": components.get("schemas", {}) | found}}

"""The documentation at `/docs`: the OpenAPI document as a page to read, with a line of curl for every path.

Drawn here, without a script and without another host, in the letters and colours of the page.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from http import HTTPStatus
from importlib.resources import files
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from somnolens.serve.access.gate import OPEN_PATHS
from somnolens.serve.ingress.page import MEDIA_TYPES, PageFile, send_file
from somnolens.serve.messages.problems import MEDIA_TYPE as PROBLEM_TYPE

GROUPS: Final = {
    "scoring": "Score",
    "nights": "Ask about a night that is kept",
    "models": "Adapters",
    "admin": "Change what serves",
    "service": "Is it up?",
}
"""Headings of the tags, in the order of the page."""

FILES: Final = {
    "application/octet-stream": "--data-binary @night.edf",
    "application/x-npy": "-H 'Content-Type: application/x-npy' --data-binary @epochs.npy",
}
"""How curl sends a body, the first of these that a path takes; else its JSON example."""

OUTPUTS: Final = {"image/png": "epoch.png", "text/html": "report.html"}
"""What a terminal should not show goes to a file."""

LIMITS: Final = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "to {}",
    "exclusiveMaximum": "below {}",
    "minLength": "from {}",
    "maxLength": "to {} characters",
}


@dataclass(frozen=True)
class Field:
    """A parameter, or a field of JSON."""

    name: str
    kind: str
    text: str
    note: str = ""


@dataclass(frozen=True)
class Content:
    """A body that is taken or given: its media types, fields and example, the last two of JSON alone."""

    status: str
    media_types: tuple[str, ...]
    text: str = ""
    fields: tuple[Field, ...] = ()
    example: str = ""


@dataclass(frozen=True)
class Operation:
    """A path and a method."""

    method: str
    path: str
    anchor: str
    text: str
    curl: str
    parameters: tuple[Field, ...]
    body: Content | None
    answers: tuple[Content, ...]
    problems: tuple[str, ...]


def add_docs(api: FastAPI) -> None:
    """Answer `/docs`; it wants no key."""

    @lru_cache(maxsize=4)
    def draw(address: str) -> PageFile:
        content = render_docs(api.openapi(), address).encode()
        return PageFile(content, MEDIA_TYPES[".html"], f'"{sha256(content).hexdigest()[:16]}"')

    @api.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
    async def show_docs(request: Request) -> Response:
        return send_file(draw(str(request.base_url).rstrip("/")), request)


def render_docs(document: Mapping[str, Any], address: str) -> str:
    """An OpenAPI document as HTML.

    Parameters
    ----------
    document : mapping
    address : str
        Of the service, for the lines of curl.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"marked": _mark, "breakable": _let_break}
    template = files("somnolens.serve.ingress").joinpath("docs.html").read_text(encoding="utf-8")
    reader = DocumentReader(document)
    groups = reader.list_operations()
    tags = sorted(groups, key=[*GROUPS, *groups].index)
    return environment.from_string(template).render(
        info=document["info"],
        address=address,
        groups=[(tag, GROUPS.get(tag, tag), groups[tag]) for tag in tags],
        problem=reader.describe_problem(),
        phrases={str(status.value): status.phrase for status in HTTPStatus},
    )


class DocumentReader:
    """What a person wants to know of an OpenAPI document.

    Parameters
    ----------
    document : mapping
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._paths, self._schemas = document["paths"], document.get("components", {}).get("schemas", {})

    def list_operations(self) -> dict[str, list[Operation]]:
        """All operations by their first tag."""
        groups: dict[str, list[Operation]] = {}
        for path, methods in self._paths.items():
            for method, about in methods.items():
                groups.setdefault(about["tags"][0], []).append(self._describe(method, path, about))
        return groups

    def describe_problem(self) -> Content:
        """What every answer is that is not a good one."""
        answers = [
            answer
            for methods in self._paths.values()
            for one in methods.values()
            for answer in one["responses"].values()
        ]
        schema = next(types[PROBLEM_TYPE]["schema"] for answer in answers if PROBLEM_TYPE in (types := _types(answer)))
        return self._describe_json("", (PROBLEM_TYPE,), schema)

    def _describe(self, method: str, path: str, about: Mapping[str, Any]) -> Operation:
        responses, parameters = about["responses"], about.get("parameters", [])
        answers = tuple(self._describe_content(status, responses[status]) for status in responses if status[0] == "2")
        return Operation(
            method=method.upper(),
            path=path,
            anchor=about["operationId"],
            text=about["description"],
            curl=self._write_curl(method, path, about, answers),
            parameters=tuple(map(self._describe_parameter, parameters)),
            body=self._describe_content("", about["requestBody"]) if "requestBody" in about else None,
            answers=answers,
            problems=tuple(sorted(status for status, answer in responses.items() if PROBLEM_TYPE in _types(answer))),
        )

    def _describe_content(self, status: str, about: Mapping[str, Any]) -> Content:
        types = _types(about)
        return self._describe_json(status, tuple(types), types.get("application/json", {}).get("schema", {}))

    def _describe_json(self, status: str, media_types: tuple[str, ...], schema: Mapping[str, Any]) -> Content:
        shown = self._resolve(schema)
        is_list = shown.get("type") == "array"
        item = self._resolve(shown["items"]) if is_list else shown
        required = item.get("required", item.get("properties", {}))
        fields = tuple(
            Field(name, self.name_kind(one), one.get("description", ""), "" if name in required else _tell_default(one))
            for name, one in item.get("properties", {}).items()
        )
        example = write_example([item["example"]] if is_list else item["example"]) if "example" in item else ""
        return Content(status, media_types, item.get("description", "") if fields else "", fields, example)

    def _describe_parameter(self, one: Mapping[str, Any]) -> Field:
        place = {"path": "in the path", "header": "a header", "query": _tell_default(one["schema"])}[one["in"]]
        return Field(one["name"], self.name_kind(one["schema"]), one.get("description", ""), place)

    def _resolve(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema

    def name_kind(self, schema: Mapping[str, Any]) -> str:
        """What a JSON schema takes, in words.

        Examples
        --------
        >>> reader = DocumentReader({"paths": {}})
        >>> reader.name_kind({"type": "array", "items": {"type": "number", "exclusiveMinimum": 0}})
        'list of number above 0'
        >>> reader.name_kind({"anyOf": [{"enum": ["json", "csv"]}, {"type": "null"}]})
        'json, csv, or null'
        """
        found = self._resolve(schema)
        if "properties" in found:
            return found["title"]
        if choices := found.get("anyOf") or found.get("oneOf"):
            return ", or ".join(map(self.name_kind, choices))
        if "enum" in found or "const" in found:
            return ", ".join(map(str, found.get("enum") or [found["const"]]))
        if found.get("type") == "array":
            return f"list of {self.name_kind(found.get('items', {}))}"
        if isinstance(inner := found.get("additionalProperties"), dict):
            return f"object of {self.name_kind(inner)}"
        limits = [words.format(f"{float(found[name]):,.10g}") for name, words in LIMITS.items() if name in found]
        return " ".join([found.get("format") or found.get("type", "any"), *limits])

    def _write_curl(self, method: str, path: str, about: Mapping[str, Any], answers: tuple[Content, ...]) -> str:
        """A line that works where S, KEY and ID are set, with the examples of the document in it."""
        for one in about.get("parameters", []):
            if one["in"] == "path":
                is_text, name = one["schema"]["type"] == "string", one["name"]
                path = path.replace(f"{{{name}}}", f"${name.upper()}" if is_text else str(one["schema"]["examples"][0]))
        output = next((f"-o {OUTPUTS[kind]}" for kind in answers[0].media_types[:1] if kind in OUTPUTS), "")
        parts = [
            "curl",
            "" if method in ("get", "post") else f"-X {method.upper()}",
            "" if path in OPEN_PATHS else '-H "X-API-Key: $KEY"',
            f'"$S{path}"',
            self._write_body(_types(about["requestBody"])) if "requestBody" in about else "-d ''" * (method == "post"),
            output,
        ]
        return " ".join(filter(None, parts))

    def _write_body(self, types: Mapping[str, Any]) -> str:
        for kind, words in FILES.items():
            if kind in types:
                return words
        return f"--json {shlex.quote(json.dumps(self._resolve(types['application/json']['schema'])['example']))}"


def write_example(value: Any) -> str:
    """JSON with a line for each field: an array of numbers stays on one line.

    Examples
    --------
    >>> print(write_example({"stages": ["W", "N1"], "id": None}))
    {
      "stages": ["W", "N1"],
      "id": null
    }
    """
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return f"[{', '.join(map(write_example, value))}]"
    if not isinstance(value, dict):
        return json.dumps(value)
    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(one)}" for name, one in value.items()) + "\n}"


def _mark(text: str) -> Markup:
    """What stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _let_break(path: str) -> Markup:
    """A path that may go on in the next line behind each of its slashes."""
    return Markup("/<wbr>").join(path.split("/"))


def _types(about: Mapping[str, Any]) -> Mapping[str, Any]:
    return about.get("content", {})


def _tell_default(schema: Mapping[str, Any]) -> str:
    default = schema.get("default")
    if default in (None, "", [], {}):
        return "may be left out"
    return f"else {default if isinstance(default, str) else json.dumps(default)}"

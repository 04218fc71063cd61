"""The page at `/`: what it consists of, its colours, and the headers that keep it to itself.

All files are read once and named in a table, so that no path of a request ever reaches the disk. Addresses in the
page are relative: it also works behind a prefix.
"""

from collections.abc import Iterator
from hashlib import sha256
from importlib.resources import files
from typing import Final, NamedTuple

import numpy as np
from fastapi import FastAPI, Request, Response
from matplotlib import colormaps
from matplotlib.colors import to_hex
from starlette.exceptions import HTTPException

from somnolens.report.palette import AGAINST, FOR, PAGE_DARK, PAGE_LIGHT, STAGE_COLOURS, STAGE_COLOURS_DARK
from somnolens.report.spectrogram import COLOURS

FRONT: Final = "index.html"
COLOURS_FILE: Final = "colours.css"
N_SHADES: Final = 64

MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
"""What is served; other files of the folder are not."""

CONTENT_POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "img-src 'self' blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
"""Nothing from another host, nothing written inside the page, no frame around it, no markup made from text."""

HEADERS: Final = {
    "Content-Security-Policy": CONTENT_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}


class PageFile(NamedTuple):
    """A file as it is sent."""

    content: bytes
    media_type: str
    tag: str


def add_page(api: FastAPI) -> None:
    """Answer `/` with the page and `/static/NAME` with its files; neither wants a key."""
    table = read_page()

    @api.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def show_page(request: Request) -> Response:
        return send_file(table[FRONT], request)

    @api.api_route("/static/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    async def show_file(name: str, request: Request) -> Response:
        if name not in table:
            raise HTTPException(404, "Not Found")
        return send_file(table[name], request)


def read_page() -> dict[str, PageFile]:
    """Every file of the page by its name, the colours among them."""
    found = {entry.name: entry.read_bytes() for entry in files("somnolens.serve").joinpath("page").iterdir()}
    found[COLOURS_FILE] = write_colours().encode()
    return {
        name: PageFile(content, MEDIA_TYPES[suffix], f'"{sha256(content).hexdigest()[:16]}"')
        for name, content in found.items()
        if (suffix := f".{name.rpartition('.')[2]}") in MEDIA_TYPES
    }


def write_colours() -> str:
    """The palette of the reports as custom properties, light and dark: by the system's wish, unless one was chosen.

    Examples
    --------
    >>> write_colours().splitlines()[1][:17]
    '  color-scheme: l'
    """
    light, dark = list(_name_colours("light")), list(_name_colours("dark"))
    return "\n".join(
        [
            ":root {",
            *light,
            "}",
            "@media (prefers-color-scheme: dark) {",
            ":root:not([data-theme='light']) {",
            *dark,
            "}",
            "}",
            ":root[data-theme='dark'] {",
            *dark,
            "}",
            "",
        ]
    )


def _name_colours(theme: str) -> Iterator[str]:
    page, stages = (PAGE_LIGHT, STAGE_COLOURS) if theme == "light" else (PAGE_DARK, STAGE_COLOURS_DARK)
    ground, surface = ("card", "paper") if theme == "light" else ("paper", "card")  # what is looked at is lighter
    shades = " ".join(to_hex(colour) for colour in colormaps[COLOURS](np.linspace(0, 1, N_SHADES)))
    named = {**page, "ground": page[ground], "surface": page[surface]}
    named |= {f"stage-{stage}": colour for stage, colour in stages.items()}
    named |= {"speaks-for": FOR, "speaks-against": AGAINST, "shades": shades}
    named["shine"] = "1" if theme == "light" else "0.88"  # white paper is not to dazzle in the dark
    yield f"  color-scheme: {theme};"
    for name, value in named.items():
        yield f"  --{name}: {value};"


def send_file(file: PageFile, request: Request) -> Response:
    """A file with its headers; not again where the browser has it."""
    headers = HEADERS | {"ETag": file.tag}
    if request.headers.get("if-none-match") == file.tag:
        return Response(status_code=304, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media_type)

"""The files of the page, as they are sent."""

import re
from importlib.resources import files

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from somnolens.report.palette import PAGE_DARK, STAGE_COLOURS
from somnolens.serve.ingress.page import add_page, read_page

STRICT = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}


@pytest.fixture(scope="module")
def front():
    api = FastAPI()
    add_page(api)
    with TestClient(api) as client:
        yield client


def test_the_page_and_each_of_its_files_have_strict_headers(front):
    for path in ("/", *(f"/static/{name}" for name in read_page())):
        answer = front.get(path)
        assert answer.status_code == 200
        assert {name: answer.headers[name] for name in STRICT} == STRICT
        rules = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert rules["default-src"] == "'none'"
        assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert "http" not in answer.headers["content-security-policy"]


def test_kinds_of_files_are_told(front):
    kinds = {name: front.get(f"/static/{name}").headers["content-type"].split(";")[0] for name in read_page()}
    assert (kinds["page.js"], kinds["page.css"], kinds["icon.svg"], kinds["inter.woff2"]) == (
        *("text/javascript", "text/css", "image/svg+xml"),
        "font/woff2",
    )
    assert front.get("/").headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("name", ["../page.py", "..%2Fpage.py", "package.json", "%2Fetc%2Fpasswd", "nothing.js", ""])
def test_what_is_no_file_of_the_page_is_not_there(front, name):
    assert front.get(f"/static/{name}").status_code == 404


def test_what_a_browser_has_is_not_sent_again(front):
    tag = front.get("/static/page.js").headers["etag"]
    again = front.get("/static/page.js", headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert "content-security-policy" in again.headers


def test_a_head_has_no_body(front):
    answer = front.head("/")
    assert (answer.status_code, answer.content) == (200, b"")


def test_every_file_that_is_named_is_there_and_every_file_is_named():
    table = read_page()
    text = {name: file.content.decode() for name, file in table.items() if not name.endswith(".woff2")}
    pages = text["index.html"] + (files("somnolens.serve") / "ingress" / "docs.html").read_text()
    named = set(re.findall(r'"static/([\w.-]+)"', pages))
    named |= {name for script in text.values() for name in re.findall(r'from "\./([\w.-]+)"', script)}
    named |= {name for style in text.values() for name in re.findall(r'url\("([\w.-]+)"\)', style)}
    assert named == set(table) - {"index.html", "inter-license.txt"}


def test_every_element_that_a_script_looks_for_is_in_the_page_once():
    text = {name: file.content.decode() for name, file in read_page().items() if name.endswith((".js", ".html"))}
    ids = re.findall(r'\bid="([\w-]+)"', text["index.html"])
    assert len(ids) == len(set(ids))
    sought = {name for script in text.values() for name in re.findall(r'find\("([\w-]+)"\)', script)}
    assert sought - set(ids) == set()


def test_no_script_makes_markup_from_text_or_names_another_host():
    for name, file in read_page().items():
        if name.endswith((".js", ".html", ".css")):
            text = file.content.decode()
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
            assert not re.search(r"https?://", text), name
            assert not re.search(r"\bstyle=", text), name


def test_colours_are_those_of_the_reports_in_light_and_dark():
    css = read_page()["colours.css"].content.decode()
    light, dark = css.partition("@media (prefers-color-scheme: dark)")[::2]
    assert all(f"--stage-{stage}: {colour};" in light for stage, colour in STAGE_COLOURS.items())
    assert dark.count(f"--ink: {PAGE_DARK['ink']};") == 2
    assert len(re.search(r"--shades: ([^;]+);", light)[1].split()) == 64


def test_the_page_is_smaller_than_a_framework():
    sizes = {name: len(file.content) for name, file in read_page().items()}
    assert sum(size for name, size in sizes.items() if name.endswith(".js")) < 100_000
    assert sum(sizes.values()) < 230_000

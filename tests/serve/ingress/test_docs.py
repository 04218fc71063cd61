"""The documentation says what the service does: its lines of curl are sent, its page needs no other host."""

import html
import re
import shlex
from html.parser import HTMLParser

import numpy as np
import pytest

from somnolens.serve.ingress.docs import DocumentReader, render_docs
from tests.report.browser import find_browser, open_browser
from tests.report.test_morning_browser import CONTRASTS

REFUSED = {"/v1/chat/completions": 404, "/v1/admin/promote": 403}
"""The adapter of the example is not the one of the tests, and nothing can be promoted without a registry."""


@pytest.fixture(scope="module")
def docs(client) -> str:
    answer = client.get("/docs")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    return answer.text


class Reader(HTMLParser):
    """Tags that are open, identifiers, and where links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.ids, self.links = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        about = dict(attributes)
        self.ids += [about["id"]] if "id" in about else []
        self.links += [about[name] for name in ("href", "src") if name in about]
        if tag not in ("meta", "link", "img", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_every_path_is_told_once_and_every_link_leads_somewhere(client, docs):
    reader = Reader(docs)
    assert (reader.open, len(reader.ids)) == ([], len(set(reader.ids)))
    operations = [one for methods in client.get("/openapi.json").json()["paths"].values() for one in methods.values()]
    assert {one["operationId"] for one in operations} < set(reader.ids)
    assert {link[1:] for link in reader.links if link.startswith("#")} <= set(reader.ids)
    for link in {link for link in reader.links if not link.startswith("#")}:
        assert "//" not in link
        assert client.get(f"/{link.removeprefix('./')}").status_code == 200, link


def read_curl(line: str, address: str, id: str) -> dict:
    """A line of curl as a request."""
    words = iter(shlex.split(line.replace("$S", address).replace("$ID", id)))
    assert next(words) == "curl"
    request = {"method": "GET", "headers": {}}
    for word in words:
        if word == "-X":
            request["method"] = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            request["headers"][name] = value
        elif word in ("--data-binary", "--json", "-d"):
            request |= {"content": next(words), "method": request["method"].replace("GET", "POST")}
            request["headers"] |= {"Content-Type": "application/json"} if word == "--json" else {}
        elif word == "-o":
            request["file"] = next(words)
        else:
            request["url"] = word
    return request


def test_every_line_of_curl_is_answered(client, docs, lean_path, to_npy):
    files = {"@night.edf": lean_path.read_bytes(), "@epochs.npy": to_npy(np.zeros((2, 1, 3000)))}
    lines = [html.unescape(line) for line in re.findall(r"<pre>(curl .*?)</pre>", docs)]
    assert len(lines) == docs.count("<article id=")
    own = client.post("/v1/nights", content=files["@night.edf"], params={"keep": "true"}).json()["id"]
    for line in sorted(lines, key=lambda line: "-X DELETE" in line):
        sent = read_curl(line, str(client.base_url), own)
        file, content = sent.pop("file", ""), sent.pop("content", "")
        answer = client.request(**sent, content=files.get(content, content))
        assert answer.status_code in (REFUSED.get(answer.request.url.path, 200), 204), (line, answer.text)
        if "application/json" not in answer.headers.get("content-type", "application/json"):
            assert answer.status_code >= 400 or file, line


def test_the_address_in_the_page_is_text_whatever_it_is(client):
    told = render_docs(client.get("/openapi.json").json(), 'http://"><script>alert(1)</script>')
    assert "<script>alert" not in told
    assert "&lt;script&gt;alert(1)" in told


def test_a_document_of_another_service_can_be_read():
    item = {
        "type": "object",
        "title": "Item",
        "properties": {"id": {"type": "integer", "maximum": 9}},
        "example": {"id": 1},
    }
    answer = {
        "content": {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}}}
    }
    about = {"tags": ["things"], "operationId": "list", "description": "All.", "responses": {"200": answer}}
    reader = DocumentReader({"paths": {"/things": {"get": about}}, "components": {"schemas": {"Item": item}}})
    ((told,),) = reader.list_operations().values()
    assert told.curl == 'curl -H "X-API-Key: $KEY" "$S/things"'
    (content,) = told.answers
    assert (content.fields[0].kind, content.example) == ("integer to 9", '[{\n  "id": 1\n}]')


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.slow
def test_the_page_is_legible_and_asks_no_other_host(url, tmp_path, dark):
    if find_browser() is None:
        pytest.skip("no Chromium or Chrome is on the PATH")
    with open_browser(tmp_path) as page:
        page.open(f"{url}/docs", 390, dark=dark, mobile=True)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        asked = [one["params"]["request"]["url"] for one in page.events if one["method"] == "Network.requestWillBeSent"]
        assert {address.partition("/static/")[0] for address in asked} == {f"{url}/docs", url}
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        complaints = [one for one in page.events if one["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]
        assert complaints == []
        worst = page.evaluate(CONTRASTS)
        assert worst[0][0] >= 4.5, worst

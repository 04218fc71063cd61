"""The few endpoints of the Hugging Face hub that a push asks, answered by this process.

Every file is taken in the body of its commit, as the real hub takes small ones.
"""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

TOKEN, USER = "hf_known", "lab"


class Hub:
    """Repositories as files by path, and what was asked of them."""

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.visibility: dict[str, str] = {}
        self.commits: list[str] = []
        self.url = ""

    def answer(self, path: str, body: bytes) -> tuple[int, Any]:
        if path == "/api/whoami-v2":
            return 200, {"name": USER, "type": "user"}
        if path == "/api/validate-yaml":
            return 200, {}
        if path == "/api/repos/create":
            return self._create(json.loads(body))
        owner, name, *rest = path.removeprefix("/api/datasets/").split("/")
        repo = f"{owner}/{name}"
        if repo not in self.repos:
            return 404, {"error": "Repository not found"}
        if not rest:
            return 200, {"id": repo, "sha": "0" * 40}
        return {"preupload": self._preupload, "commit": self._commit, "tree": self._tree}[rest[0]](repo, body)

    def _create(self, wanted: dict[str, Any]) -> tuple[int, Any]:
        repo = f"{wanted['organization']}/{wanted['name']}"
        if wanted["organization"] != USER:
            return 403, {"error": "You don't have the rights"}
        status = 409 if repo in self.repos else 200
        self.repos.setdefault(repo, {".gitattributes": b""})
        self.visibility.setdefault(repo, wanted.get("visibility", "public"))
        assert wanted["type"] == "dataset"
        return status, {"url": f"{self.url}/datasets/{repo}"}

    def _preupload(self, repo: str, body: bytes) -> tuple[int, Any]:
        about = {"uploadMode": "regular", "shouldIgnore": False}
        return 200, {"files": [about | {"path": one["path"]} for one in json.loads(body)["files"]]}

    def _tree(self, repo: str, body: bytes) -> tuple[int, Any]:
        files = self.repos[repo].items()
        return 200, [{"type": "file", "path": path, "size": len(held), "oid": "0"} for path, held in files]

    def _commit(self, repo: str, body: bytes) -> tuple[int, Any]:
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "header":
                self.commits.append(value["summary"])
            elif line["key"] == "deletedFile":
                del self.repos[repo][value["path"]]
            else:
                self.repos[repo][value["path"]] = base64.b64decode(value["content"])
        return 200, {"commitUrl": f"{self.url}/datasets/{repo}/commit/1", "commitOid": "1" * 40}


@contextmanager
def run_hub() -> Iterator[Hub]:
    """A hub that listens on a free port until the block ends; `hub.url` is its address."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
            status, answer = hub.answer(self.path.partition("?")[0], body) if known else (401, {"error": "who?"})
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing: the screen is for the tests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()

"""A headless Chromium that is on the PATH, spoken to in its own protocol.

Source: Chrome DevTools Protocol, domains Page, Runtime, Log, Network and Emulation.
"""

import base64
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0")
SECONDS = 60


def find_browser() -> str | None:
    """The first browser of the family that is on the PATH."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One tab: what it shows, what it asked for, what it complained of."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket, self.numbers = socket, count(1)
        self.session = ""
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and wait for its answer; what happens meanwhile is kept."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        self.socket.send(json.dumps(message | ({"sessionId": self.session} if self.session else {})))
        while True:
            answer = json.loads(self.socket.recv(SECONDS))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def open(self, path: Path, width: int, height: int = 844, dark: bool = False, mobile: bool = False) -> None:
        """Show a file on a screen of that size, and wait until it is there."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setDeviceMetricsOverride", **size)
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.ask("Page.navigate", url=path.resolve().as_uri())
        while not self.list_events("Page.loadEventFired"):
            self.events.append(json.loads(self.socket.recv(SECONDS)))

    def evaluate(self, script: str) -> Any:
        """The value of an expression on the page."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def list_events(self, method: str) -> list[dict[str, Any]]:
        return [event["params"] for event in self.events if event.get("method") == method]

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """Whatever the console shows."""
        named = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return [one for name in named for one in self.list_events(name)]

    @property
    def requests(self) -> list[str]:
        """Addresses that were asked for; those that hold their own content left out."""
        asked = [one["request"]["url"] for one in self.list_events("Network.requestWillBeSent")]
        return [url for url in asked if not url.startswith("data:")]

    def take_picture(self, whole: bool = True) -> bytes:
        """The page as PNG."""
        return base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=whole)["data"])

    def print_pdf(self) -> bytes:
        """The page on paper, of the size it asks for."""
        options = {"preferCSSPageSize": True, "printBackground": True, "displayHeaderFooter": False}
        return base64.b64decode(self.ask("Page.printToPDF", **options)["data"])


@contextmanager
def open_browser(folder: Path) -> Iterator[Page]:
    """A browser of its own for as long as the block runs; its files go to the folder."""
    path = find_browser()
    assert path
    command = [path, *FLAGS, f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = next(line.split()[-1] for line in process.stderr if "DevTools listening on" in line)
            with connect(address, max_size=None) as socket:
                yield Page(socket)
        finally:
            process.terminate()
            process.stderr.close()
            process.wait(SECONDS)

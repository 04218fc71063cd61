"""A headless Chromium that is on the PATH, spoken to in its own protocol.

Source: Chrome DevTools Protocol, domains Browser, DOM, Page, Runtime, Log, Network, Input and Emulation.
"""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0")
SECONDS = 60
KEY_CODES = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
KEY_CODES |= {"End": 35, "Home": 36, " ": 32, "Backspace": 8}


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

    def open(self, place: Path | str, width: int, height: int = 844, dark: bool = False, mobile: bool = False) -> None:
        """Show a file or an address on a screen of that size, and wait until it is there."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setDeviceMetricsOverride", **size)
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.ask("Page.navigate", url=place if isinstance(place, str) else place.resolve().as_uri())
        while not self.list_events("Page.loadEventFired"):
            self.events.append(json.loads(self.socket.recv(SECONDS)))

    def evaluate(self, script: str) -> Any:
        """The value of an expression on the page."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, script: str, seconds: float = 30) -> Any:
        """The value of an expression on the page, as soon as it is one that counts."""
        deadline = time.monotonic() + seconds
        while (value := self.evaluate(script)) in (None, False, 0, "", []):  # an element comes as {}
            assert time.monotonic() < deadline, f"{script} was not there in {seconds:g} s"
            time.sleep(0.02)
        return value

    def press(self, *keys: str) -> None:
        """Press keys one after the other, each by the name that JavaScript gives it, as `n`, `Tab` or `Shift+Tab`."""
        for named in keys:
            *held, key = named.split("+") if len(named) > 1 else [named]
            bits = sum({"Alt": 1, "Control": 2, "Shift": 8}[one] for one in held)
            text = {"text": key} if len(key) == 1 and not bits else {"text": "\r"} if key == "Enter" else {}
            code = {"windowsVirtualKeyCode": KEY_CODES[key]} if key in KEY_CODES else {}
            for kind in ("keyDown", "keyUp"):
                self.ask("Input.dispatchKeyEvent", type=kind, key=key, modifiers=bits, **text, **code)

    def give_file(self, selector: str, path: Path) -> None:
        """Choose a file in a field of a form."""
        root = self.ask("DOM.getDocument")["root"]["nodeId"]
        node = self.ask("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.ask("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def keep_downloads(self, folder: Path) -> None:
        """Let what the page offers go to a folder."""
        self.ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

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
            # pings draw at random under others; with a queue that is full, closing waits for ten seconds
            with connect(address, max_size=None, max_queue=None, ping_interval=None) as socket:
                yield Page(socket)
        finally:
            process.terminate()
            process.stderr.close()
            process.wait(SECONDS)

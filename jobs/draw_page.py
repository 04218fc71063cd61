"""Draw the pictures of the service's page for the README, with a service that runs.

    somnolens serve --insecure &
    python jobs/draw_page.py http://127.0.0.1:8000 platform/figures

A simulated night is scored by the service, a few epochs are corrected, and a Chromium or Chrome that is on the PATH
shows the page on a desk, in the dark, and on a phone. The night is deleted afterwards, unless it was there before.
"""

import io
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import httpx
import typer
from PIL import Image
from rich.console import Console

from somnolens.errors import ServiceError
from somnolens.jobs.arguments import run_job
from somnolens.jobs.draw_figures import find_browser
from somnolens.storage import write_bytes

SEED, HOURS = 7, 8
SHOTS = {
    "page-night": (1440, 900, False),
    "page-dark": (1440, 900, True),
    "page-phone": (390, 1500, False),
}
"""Width and height of each picture, and whether it is dark."""

DARK = "--blink-settings=preferredColorScheme=0"
PATIENCE_MS = 60_000
N_SOUGHT = 60
"""Epochs of the review list among which one to show is sought."""


def main(
    url: Annotated[str, typer.Argument(help="address of the service")],
    out: Annotated[Path, typer.Argument(help="folder of the pictures")],
    kept: Annotated[str, typer.Option(help="id of a night that the service keeps, in place of a new one")] = "",
) -> None:
    """Draw the page of a service that wants no key: one started with --insecure."""
    with httpx.Client(base_url=url, timeout=3600) as http:
        new = f"/v1/nights/simulated?seed={SEED}&hours={HOURS}&wait=answer"
        night = ask(http, "GET", f"/v1/nights/{kept}")["night"] if kept else ask(http, "POST", new)
        path = f"/v1/nights/{night['id']}"
        epoch = correct_some(http, path, night)
        for name, (width, height, is_dark) in SHOTS.items():
            place = f"{url}/#night={night['id']}&epoch={epoch + 1}"
            write_bytes(out / f"{name}.png", take_shot(place, width, height, is_dark))
        if not kept:
            http.delete(path)
    Console().print(f"The pictures are in {out}.")


def ask(http: httpx.Client, method: str, path: str, **more: Any) -> Any:
    """The answer of the service as JSON.

    Raises
    ------
    ServiceError
        With its own sentence.
    """
    answer = http.request(method, path, **more)
    if answer.is_error:
        raise ServiceError(answer.json()["detail"])
    return answer.json()


def correct_some(http: httpx.Client, path: str, night: dict[str, Any]) -> int:
    """Correct some epochs of the review list to their second likeliest stage; the epoch to show is returned."""
    names = night["probability_order"]
    doubtful = [one["index"] for one in ask(http, "GET", f"{path}/review")["epochs"]]
    second = {epoch: names[sorted(range(5), key=night["probabilities"][epoch].__getitem__)[-2]] for epoch in doubtful}
    stages = {str(epoch): second[epoch] for epoch in doubtful[:9:2]}
    ask(http, "PUT", f"{path}/corrections", json={"scorer": "AB", "stages": stages})
    return max(doubtful[1:N_SOUGHT:2], key=lambda epoch: count_reasons(http, path, epoch))


def count_reasons(http: httpx.Client, path: str, epoch: int) -> int:
    """How much was found for and against the stage of an epoch: at most three of each count."""
    told = ask(http, "GET", f"{path}/epochs/{epoch}/explanation?heat=false")
    return sum(min(3, len(told[name])) for name in ("evidence_for", "evidence_against"))


def take_shot(url: str, width: int, height: int, is_dark: bool) -> bytes:
    """What a window of the browser shows of an address once everything has come, as a small PNG."""
    with TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={folder}/profile",
        ]
        flags += [f"--user-data-dir={folder}/profile", f"--window-size={width},{height}", f"--screenshot={shot}"]
        flags += [f"--virtual-time-budget={PATIENCE_MS}"]
        command = [find_browser(url), *flags, *([DARK] if is_dark else []), url]
        subprocess.run(command, check=True, capture_output=True, timeout=180)
        with Image.open(shot) as picture:
            small = picture.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE)
    stream = io.BytesIO()
    small.save(stream, format="PNG", optimize=True)
    return stream.getvalue()


if __name__ == "__main__":
    run_job(main)

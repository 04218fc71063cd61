"""Load the service, lose its parts, change its adapter; keep the figures, and fail where a request was lost.

python -m tests.stress [--seconds 180]
"""

import asyncio
import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Annotated

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ |= {
    "RAY_AUTH_MODE": "disabled",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_HANDLE_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1",
    "RAY_SERVE_REPLICA_AUTOSCALING_METRIC_PUSH_INTERVAL_S": "1",
}

import httpx
import ray
import typer
from rich.console import Console

from somnolens.config import ServeSettings
from somnolens.model.promotions import promote_adapter
from somnolens.model.registry import open_registry
from somnolens.provenance import describe_hardware
from somnolens.serve.access.keys import KeyLimits, add_key
from somnolens.serve.running import start_service, stop_service
from tests.benchmarks.results import complete_row, format_results, meets_bar, merge_results, read_results, write_results
from tests.stress.load import Ledger, Load, ask_in_time, count_stored
from tests.stress.picture import draw_stress
from tests.stress.report import describe, measure, summarise
from tests.stress.truth import Sent, make_nights, make_registry
from tests.stress.watch import Watcher, count_scorers, lose

ROOT = Path(__file__).resolve().parents[2]
RESULTS, OUT = ROOT / ".bench" / "results.jsonl", ROOT / ".bench" / "stress"
SCALE_DOWN_S = 90.0

BEHIND = 15
"""Steps of `nice`, as many as Ray gives the processes of the service: elsewhere clients have machines of their own, and
here they would take the processors away from it."""

SWAPS = ((0.56, "two"), (0.63, "broken"), (0.70, "one"))
FAULTS = ((0.78, "Scorer"), (0.84, "SignalWorker"), (0.90, "Proxy"))
"""When, as a share of the time, what is promoted, and what is lost; nothing is lost while adapters change."""


def main(seconds: Annotated[float, typer.Option(min=60, help="of load; the faults come in its second half")] = 180):
    """Run the load and exit with 1 if a bar is missed."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="somnolens-") as folder:
        place = Path(folder)
        with console.status("staging the nights offline"):
            make_registry(place / "registry", place)
            adapters = {name: place / "registry" / "adapters" / name for name in ("one", "two")}
            nights, singles = make_nights(place / "nights", adapters)
        keys = _make_keys(place / "keys.json")
        with console.status("starting the service"):
            ray.init(address="local", num_cpus=8, include_dashboard=True, log_to_driver=False, logging_level="ERROR")
            url = start_service(_settings(place), port=0)
        os.nice(BEHIND)
        try:
            ledger, watcher = asyncio.run(_load(url, keys, nights, singles, place, seconds, console))
        finally:
            stop_service()
            ray.shutdown()
        n_stored = count_stored(place / "kept")
    raise typer.Exit(_tell(ledger, watcher, n_stored, seconds, console))


def _make_keys(path: Path) -> dict[str, str]:
    generous = KeyLimits(nights_per_hour=100_000, requests_at_once=64)
    return {
        "steady": add_key(path, "steady", limits=generous),
        "flood": add_key(path, "flood", limits=KeyLimits(nights_per_hour=100_000, requests_at_once=8)),
        "admin": add_key(path, "admin", admin=True),
    }


def _settings(place: Path) -> ServeSettings:
    return ServeSettings(
        adapter=f"{place / 'registry'}#promoted",
        keys_file=str(place / "keys.json"),
        nights_folder=str(place / "kept"),
        min_replicas=1,
        max_replicas=3,
        target_ongoing_requests=2,
        upscale_delay_s=4,
        downscale_delay_s=10,
        cpus_per_replica=0.5,
        requests_at_once=48,
        registry_poll_s=2,
        ready_timeout_s=60,
        models_in_memory=3,
    )


async def _load(
    url: str,
    keys: dict[str, str],
    nights: list[Sent],
    singles: list[Sent],
    place: Path,
    seconds: float,
    console: Console,
) -> tuple[Ledger, Watcher]:
    ledger = Ledger()
    watcher = Watcher(ledger.started)
    watching = asyncio.create_task(watcher.watch())
    async with (
        _open(url, keys["steady"]) as steady,
        _open(url, keys["flood"]) as flood,
        _open(url, keys["admin"]) as admin,
    ):
        load = Load(steady, flood, nights, singles, ledger, asyncio.Event())
        with console.status(f"{seconds:g} s of load"):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(load.run(seconds))
                tasks.create_task(_overload(load, flood, seconds))
                tasks.create_task(_break(watcher, seconds))
                tasks.create_task(_swap(watcher, admin, place / "registry", seconds))
        watcher.mark("load ends")
        with console.status("waiting for the scorers to go"):
            await _wait_for_one_scorer()
    watching.cancel()
    return ledger, watcher


def _open(url: str, key: str) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=100)
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=120, limits=limits)


async def _overload(load: Load, flood: httpx.AsyncClient, seconds: float) -> None:
    """Fill one key with nights, and see how fast one more request of it is refused."""
    await asyncio.sleep(0.40 * seconds)
    async with load.one_flood:
        nights = [asyncio.create_task(flood.post("/v1/nights", content=load.nights[0].body)) for _ in range(10)]
        await asyncio.sleep(1.5)
        await ask_in_time(flood, load.ledger, load.singles[0].body, 25)
        await asyncio.gather(*nights, return_exceptions=True)


async def _break(watcher: Watcher, seconds: float) -> None:
    now = 0.0
    for share, role in FAULTS:
        await asyncio.sleep(share * seconds - now)
        now = share * seconds
        await asyncio.to_thread(lose, role)
        watcher.mark(f"{role} lost")


async def _swap(watcher: Watcher, admin: httpx.AsyncClient, registry: Path, seconds: float) -> None:
    """One adapter over HTTP, a broken one in the registry, and the first one again."""
    now = 0.0
    for share, name in SWAPS:
        await asyncio.sleep(share * seconds - now)
        now = share * seconds
        watcher.mark(f"'{name}' promoted")
        if name == "broken":
            await asyncio.to_thread(lambda: promote_adapter(open_registry(registry), "broken"))
        else:
            await _promote(admin, name)


async def _promote(admin: httpx.AsyncClient, name: str) -> None:
    """As often as it takes: the proxy may just be starting again."""
    for _ in range(30):
        with contextlib.suppress(httpx.TransportError):
            answer = await admin.post("/v1/admin/promote", json={"model": name})
            assert answer.status_code in (200, 503), answer.text
            if answer.status_code == 200 or "promoted already" in answer.text:
                return
        await asyncio.sleep(1.0)
    raise AssertionError(f"{name} could not be promoted")


async def _wait_for_one_scorer() -> None:
    for _ in range(int(SCALE_DOWN_S)):
        if await asyncio.to_thread(count_scorers) == 1:
            return
        await asyncio.sleep(1.0)


def _tell(ledger: Ledger, watcher: Watcher, n_stored: int, seconds: float, console: Console) -> int:
    """Write the figures and the figure, print them, and say whether a bar is missed."""
    OUT.mkdir(parents=True, exist_ok=True)
    swapping = (seconds * SWAPS[0][0], seconds * FAULTS[0][0])
    spans = ((0.25 * seconds, 0.36 * seconds), (0.45 * seconds, 0.55 * seconds))
    rows = [complete_row(row, describe_hardware()) for row in measure(ledger, watcher, n_stored, swapping, spans)]
    write_results(RESULTS, merge_results(read_results(RESULTS), rows))
    told = summarise(ledger, watcher, n_stored, spans)
    (OUT / "stress.json").write_text(json.dumps(told, indent=2) + "\n")
    draw_stress(ledger.attempts, watcher, OUT / "stress.png", f"{seconds:g} s of load")
    console.print(format_results(rows))
    for line in describe(told):
        console.print(line, highlight=False)
    return int(any(meets_bar(row["value"], row["bar"]) is False for row in rows))


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()

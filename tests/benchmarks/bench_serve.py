"""Whole nights through the HTTP service against a bare loop of forward passes of the same model, in one run.

The loop has its pictures drawn and waiting; the service takes EDF files: it reads, prepares, draws, looks and answers.
Two nights are sent at once, so that one is read while the other is looked at. Beside the loop stands the engine, which
looks at the same pictures in lanes, as it does in the service.
"""

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import ray
import torch

from somnolens.config import ServeSettings, SimulateSettings
from somnolens.score.engine import Engine, load_engine
from somnolens.score.night import read_epochs
from somnolens.serve.running import start_service, stop_service
from somnolens.simulate.night import simulate_subject

HOURS, N_NIGHTS, AT_ONCE = 4.0, 4, 2
BATCH = 32
SETTINGS = ServeSettings(insecure=True, max_replicas=1, cpus_per_replica=2, max_batch_size=BATCH)
"""Ray gives a replica as many threads as CPUs: the scorer has both cores, as the loop does."""


def measure() -> list[dict]:
    """Rows of the benchmark table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate = SimulateSettings(hours=HOURS, seed=11)
        nights = [simulate_subject(number, simulate, folder) for number in range(N_NIGHTS)]
        engine = load_engine("embedded")
        before = loop(engine, nights[0]), look(engine, nights[0])
        served = post(nights)
        after = loop(engine, nights[0]), look(engine, nights[0])
    bare, lanes = map(max, zip(before, after, strict=True))  # a machine has slow minutes: each has its better one
    return list(tell(served, bare, lanes))


def tell(served: float, bare: float, lanes: float) -> Iterator[dict]:
    """Rows of the table, from epochs per second."""
    drawn = "over pictures that are drawn already"
    ratio = {"unit": "times", "higher_is_better": True}
    to_loop, to_engine = f"a bare loop of forward passes {drawn}", f"the engine {drawn}"
    yield ratio | {"name": "serve.ratio_forward", "value": served / bare, "ratio_to": to_loop, "bar": ">=0.9"}
    yield ratio | {"name": "serve.ratio_lanes", "value": served / lanes, "ratio_to": to_engine, "bar": None}
    rates = {
        "serve.epochs_per_s": (served, "of whole nights over HTTP, two at once", True),
        "serve.epochs_per_s_bare": (bare, "of forward passes alone", None),
    }
    for name, (rate, what, higher_is_better) in rates.items():
        unit = f"epochs/s {what}, all cores"
        yield {"name": name, "value": rate, "unit": unit, "higher_is_better": higher_is_better, "bar": None}


@torch.inference_mode()
def loop(engine: Engine, night: Path) -> float:
    """Epochs per second of forward passes alone."""
    epochs, _ = read_epochs(night, engine.style)
    batches = torch.from_numpy(engine.draw(epochs)).split(BATCH)
    engine.looker(batches[0])
    started = time.perf_counter()
    for batch in batches:
        engine.looker(batch)
    return len(epochs) / (time.perf_counter() - started)


def look(engine: Engine, night: Path) -> float:
    """Epochs per second of the engine alone."""
    epochs, _ = read_epochs(night, engine.style)
    pictures = engine.draw(epochs)
    engine.look(pictures[:BATCH], BATCH)
    started = time.perf_counter()
    engine.look(pictures, BATCH)
    return len(pictures) / (time.perf_counter() - started)


def post(nights: list[Path]) -> float:
    """Epochs per second of nights sent to the service; the first answers are not counted."""
    ray.init(num_cpus=5, log_to_driver=False, logging_level="ERROR")
    try:
        url = start_service(SETTINGS, port=0)

        def send(night: Path) -> int:
            answer = httpx.post(f"{url}/v1/nights", content=night.read_bytes(), timeout=600)
            return len(answer.raise_for_status().json()["stages"])

        with ThreadPoolExecutor(AT_ONCE) as clients:
            list(clients.map(send, nights[:AT_ONCE]))
            started = time.perf_counter()
            n_epochs = sum(clients.map(send, nights))
            seconds = time.perf_counter() - started
        stop_service()
    finally:
        ray.shutdown()
    return n_epochs / seconds

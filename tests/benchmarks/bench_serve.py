"""Whole nights through the HTTP service against a bare loop of forward passes of the same model, in one run.

The loop has its pictures drawn and waiting; the service takes EDF files: it reads, prepares, draws, looks and answers.
Two nights are sent at once, so that one is read while the other is looked at. Beside the loop stands the engine, which
looks at the same pictures in lanes, as it does in the service. All three are measured in each of some rounds, so that a
slow minute of the machine is one round's.
"""

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import ray
import torch

from somnolens.config import ServeSettings, SimulateSettings
from somnolens.score.engine import Engine, load_engine
from somnolens.score.night import read_epochs
from somnolens.serve.running import start_service, stop_service
from somnolens.simulate.night import simulate_subject

HOURS, N_NIGHTS, AT_ONCE, N_ROUNDS = 4.0, 4, 2, 3
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
        epochs, _ = read_epochs(nights[0], engine.style)
        pictures = engine.draw(epochs)
        with serve() as url:
            send(url, nights[:AT_ONCE])
            rounds = [(send(url, nights), loop(engine, pictures), look(engine, pictures)) for _ in range(N_ROUNDS)]
    return list(tell(np.array(rounds)))


def tell(rounds: np.ndarray) -> Iterator[dict]:
    """Rows of the table, from epochs per second of service, loop and engine; shape (n_rounds, 3)."""
    drawn = "over pictures that are drawn already"
    ratio = {"unit": "times", "higher_is_better": True}
    to_loop, to_engine = f"a bare loop of forward passes {drawn}", f"the engine {drawn}"
    (of_loop, of_engine), (served, bare, _) = np.median(rounds[:, :1] / rounds[:, 1:], 0), np.median(rounds, 0)
    yield ratio | {"name": "serve.ratio_forward", "value": float(of_loop), "ratio_to": to_loop, "bar": ">=0.9"}
    yield ratio | {"name": "serve.ratio_lanes", "value": float(of_engine), "ratio_to": to_engine, "bar": None}
    rates = {
        "serve.epochs_per_s": (served, "of whole nights over HTTP, two at once", True),
        "serve.epochs_per_s_bare": (bare, "of forward passes alone", None),
    }
    for name, (rate, what, higher_is_better) in rates.items():
        unit = f"epochs/s {what}, all cores"
        yield {"name": name, "value": float(rate), "unit": unit, "higher_is_better": higher_is_better, "bar": None}


@torch.inference_mode()
def loop(engine: Engine, pictures: np.ndarray) -> float:
    """Epochs per second of forward passes alone."""
    batches = torch.from_numpy(pictures).split(BATCH)
    engine.looker(batches[0])
    started = time.perf_counter()
    for batch in batches:
        engine.looker(batch)
    return len(pictures) / (time.perf_counter() - started)


def look(engine: Engine, pictures: np.ndarray) -> float:
    """Epochs per second of the engine alone."""
    engine.look(pictures[:BATCH], BATCH)
    started = time.perf_counter()
    engine.look(pictures, BATCH)
    return len(pictures) / (time.perf_counter() - started)


@contextmanager
def serve() -> Iterator[str]:
    """Address of a service that runs meanwhile."""
    ray.init(num_cpus=5, log_to_driver=False, logging_level="ERROR")
    try:
        yield start_service(SETTINGS, port=0)
        stop_service()
    finally:
        ray.shutdown()


def send(url: str, nights: list[Path]) -> float:
    """Epochs per second of nights sent to the service."""

    def post(night: Path) -> int:
        answer = httpx.post(f"{url}/v1/nights", content=night.read_bytes(), timeout=600)
        return len(answer.raise_for_status().json()["stages"])

    started = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as clients:
        n_epochs = sum(clients.map(post, nights))
    return n_epochs / (time.perf_counter() - started)

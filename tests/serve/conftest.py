"""The service without Ray: its HTTP application over a real model in this process."""

import io
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.types import ASGIApp

from somnolens.config import ServeSettings, SimulateSettings
from somnolens.read.edf import read_recording
from somnolens.score.engine import Engine, load_engine
from somnolens.serve.adapters.catalogue import Catalogue
from somnolens.serve.adapters.choice import Choice
from somnolens.serve.ingress.api import create_api
from somnolens.serve.monitoring.watch import Watch
from somnolens.serve.nights.store import NightStore, open_store
from somnolens.serve.scorer.batching import PictureBatcher
from somnolens.serve.worker.signal_work import SignalWork
from somnolens.serve.worker.staging import Stagers
from somnolens.simulate.night import simulate_subject
from somnolens.simulate.writing import write_recording


@pytest.fixture(scope="session")
def service_settings(adapter_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ServeSettings:
    return ServeSettings(
        adapter=str(adapter_folder),
        nights_folder=str(tmp_path_factory.mktemp("kept")),
        max_batch_size=8,
        max_replicas=1,
        max_upload_mb=8,
        max_json_mb=1,
        max_simulated_h=0.1,
        ready_timeout_s=60,
        insecure=True,
    )


@pytest.fixture(scope="session")
def engine(adapter_folder: Path) -> Engine:
    return load_engine(adapter_folder)


@pytest.fixture(scope="session")
def night_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated night of 20 epochs."""
    folder = tmp_path_factory.mktemp("nights")
    return simulate_subject(0, SimulateSettings(n_subjects=1, hours=20 / 120), folder)


@pytest.fixture(scope="session")
def store(service_settings: ServeSettings) -> NightStore:
    return open_store(service_settings)


class CountingEngine:
    """An engine, and how many pictures it has looked at."""

    def __init__(self, engine: Engine, batch_size: int) -> None:
        self._engine, self._batch_size, self.n_looked = engine, batch_size, 0

    def look(self, pictures: np.ndarray) -> np.ndarray:
        self.n_looked += len(pictures)
        return self._engine.look(pictures, self._batch_size)


@pytest.fixture(scope="session")
def counted(engine: Engine, service_settings: ServeSettings) -> CountingEngine:
    return CountingEngine(engine, service_settings.max_batch_size)


@pytest.fixture(scope="session")
def n_looked(counted: CountingEngine) -> Callable[[], int]:
    return lambda: counted.n_looked


@pytest.fixture(scope="session")
def make_api(service_settings: ServeSettings, store: NightStore, counted: CountingEngine) -> Callable[[], FastAPI]:
    """A new application with a worker and a scorer in its own process; each belongs to one event loop."""
    size = service_settings.max_batch_size

    async def refuse(address: str) -> list[str]:
        return [f"nothing rehearses {address} here"]

    def make() -> FastAPI:
        batcher = PictureBatcher(counted.look, size, wait_s=0.0)
        stagers = Stagers(lambda adapter: batcher.score, service_settings)
        work = SignalWork(stagers, store, service_settings, Watch(service_settings))
        return create_api(work, store, Choice(Catalogue.from_settings(service_settings), refuse), service_settings)

    return make


@pytest.fixture(scope="session")
def client(make_api: Callable[[], FastAPI]) -> Iterator[TestClient]:
    with TestClient(make_api(), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="session")
def kept(client: TestClient, night_path: Path) -> str:
    """The id of a night that is kept; who corrects it takes that back."""
    answer = client.post("/v1/nights", content=night_path.read_bytes(), params={"keep": "true"})
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


@pytest.fixture(scope="session")
def short_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated night of 4 epochs, for tests of what becomes of a night and not of its stages."""
    folder = tmp_path_factory.mktemp("short")
    return simulate_subject(1, SimulateSettings(n_subjects=1, hours=4 / 120), folder)


@pytest.fixture(scope="session")
def lean_path(night_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same night with one derivation: explained with 31 pictures in place of 181."""
    path = tmp_path_factory.mktemp("lean") / "lean.edf"
    whole = read_recording(night_path)
    write_recording(replace(whole, signals=(whole["EEG C4-M1"],)), path)
    return path


@pytest.fixture(scope="session")
def lean(client: TestClient, lean_path: Path) -> str:
    """The id of that night, kept."""
    return client.post("/v1/nights", content=lean_path.read_bytes(), params={"keep": "true"}).json()["id"]


@contextmanager
def serve_http(api: ASGIApp) -> Iterator[str]:
    """An application over HTTP, on a free port of this machine."""
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:  # else small answers wait 40 ms for an acknowledgement
        listening.bind(("127.0.0.1", 0))
        listening.listen()  # who comes before the server waits
        server = uvicorn.Server(uvicorn.Config(api, log_level="critical", lifespan="on", loop="asyncio"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def url(make_api: Callable[[], FastAPI]) -> Iterator[str]:
    """The service over HTTP."""
    with serve_http(make_api()) as url:
        yield url


@pytest.fixture(scope="session")
def serve_asgi() -> Callable[[ASGIApp], AbstractContextManager[str]]:
    return serve_http


def save_npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=array.dtype == object)
    return stream.getvalue()


@pytest.fixture(scope="session")
def to_npy():
    return save_npy

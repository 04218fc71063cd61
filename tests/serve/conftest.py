"""The service without Ray: its HTTP application over a real model in this process."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from somnolens.config import ServeSettings, SimulateSettings
from somnolens.score.engine import Engine, load_engine, load_reader
from somnolens.serve.answers import describe_model
from somnolens.serve.api import create_api
from somnolens.serve.batching import PictureBatcher
from somnolens.serve.nights import NightStore, open_store
from somnolens.serve.staging import Stager
from somnolens.serve.work import SignalWork
from somnolens.simulate.night import simulate_subject


@pytest.fixture(scope="session")
def service_settings(adapter_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ServeSettings:
    return ServeSettings(
        adapter=str(adapter_folder),
        nights_folder=str(tmp_path_factory.mktemp("kept")),
        max_batch_size=8,
        max_replicas=1,
        max_upload_mb=8,
        max_json_mb=1,
        ready_timeout_s=60,
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


@pytest.fixture(scope="session")
def work(service_settings: ServeSettings, engine: Engine, store: NightStore) -> SignalWork:
    """A worker with the scorer in its own process."""
    size = service_settings.max_batch_size
    batcher = PictureBatcher(lambda pictures: engine.look(pictures, size), size, wait_s=0.0)
    stager = Stager(load_reader(service_settings.adapter), batcher.score, size, chunks_at_once=2, nights_at_once=1)
    return SignalWork(stager, store, service_settings)


@pytest.fixture(scope="session")
def client(service_settings: ServeSettings, work: SignalWork, store: NightStore) -> Iterator[TestClient]:
    card = describe_model(load_reader(service_settings.adapter), service_settings.adapter)
    api = create_api(work, store, card, service_settings)
    with TestClient(api, raise_server_exceptions=False) as client:
        yield client


def save_npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=array.dtype == object)
    return stream.getvalue()


@pytest.fixture(scope="session")
def to_npy():
    return save_npy

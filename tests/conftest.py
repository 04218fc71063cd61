"""What tests of several folders need."""

import gc
import os
import re

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side; a pool of threads each would be in the way
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import hypothesis
import numpy as np
import pytest

from tests.processes import find_port

if TYPE_CHECKING:
    from somnolens.config import Settings
    from somnolens.dataset.manifest import Dataset

hypothesis.settings.register_profile(
    "any machine", deadline=None, max_examples=50, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")  # a busy machine is no bug

gc.disable()  # a quarter of what importing everything takes is looking for garbage that is not there yet

REAL_PSG = Path(__file__).parents[1] / ".." / "shared" / "psg"


@pytest.fixture(scope="session")
def psg_folder() -> Path:
    """The openly licensed real recordings, which lie beside the repository and not in it."""
    if not REAL_PSG.is_dir():
        pytest.skip("the real recordings of ../shared/psg are not here")
    return REAL_PSG


@pytest.fixture(scope="session")
def adapter_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real adapter on a real base model of the embedded one's family, a sixth of its work, random weights in both.

    Its stages mean nothing and its probabilities differ from picture to picture, which is what a test
    of the path from file to answer needs.
    """
    import torch

    from somnolens.config import ModelSettings, Settings
    from somnolens.model.adapters import attach_lora, make_card, prepare_looker, write_adapter
    from somnolens.render.style import Style
    from tests.tiny_models import write_tiny_model

    folder = tmp_path_factory.mktemp("model")
    write_tiny_model("qwen3_vl", folder / "base")
    settings = Settings(model=ModelSettings(base=str(folder / "base")))
    style = Style(settings.render, settings.prepare)
    looker = prepare_looker(settings, style)
    attach_lora(looker, settings.train)
    generator = torch.Generator().manual_seed(0)
    for name, weights in looker.model.named_parameters():
        if "lora_B" in name:
            weights.data.normal_(0, 0.05, generator=generator)
    stay_or_go = 0.8 * np.eye(5) + 0.2 / 5
    card = make_card(
        settings,
        style,
        dataset={"cohorts": ["simulated"], "fingerprint": "0123456789ab"},
        metrics={"validation.night.kappa": 0.0},
        sequence={"transitions": stay_or_go.tolist(), "shares": [0.2] * 5, "weight": 0.5},
    )
    write_adapter(folder / "adapter", looker.model, card)
    return folder / "adapter"


@pytest.fixture
def two_threads() -> Iterator[None]:
    """Torch may use two threads, whatever this machine has."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def short_settings(adapter_folder: Path) -> "Settings":
    """Two passes of three steps on two workers."""
    from tests.small_cohort import small_settings

    return small_settings(adapter_folder.parent / "base", "train.max_failures=1")


@pytest.fixture(scope="session")
def small_dataset(short_settings: "Settings", tmp_path_factory: pytest.TempPathFactory) -> "Dataset":
    """Three short nights to learn from, one to validate on, one to test on; never written to."""
    from tests.small_cohort import build_without_ray, write_small_cohort

    folder = tmp_path_factory.mktemp("learning")
    return build_without_ray(write_small_cohort(folder / "nights", 5), folder / "dataset", short_settings)


def pytest_collection_finish() -> None:
    """All modules are here to stay: from now on garbage is looked for, and not among them."""
    gc.freeze()
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--keep-faults", action="store_true", help="keep the counts of survived faults in .bench")
    parser.addoption("--marked", default="", help="only files in which one of these marks stands, as ray,slow")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Files without a wanted mark, or with an unwanted one on all they hold, are not imported: that takes longer than
    many a test."""
    if not collection_path.match("test_*.py"):
        return None
    text, marks = collection_path.read_text(), config.getoption("--marked").replace(",", "|")
    of_all = re.search(r"^pytestmark = \[?pytest\.mark\.(\w+)", text, re.MULTILINE)
    is_unwanted = of_all and f"not {of_all[1]}" in config.option.markexpr
    return bool(is_unwanted or (marks and not re.search(rf"\bmark\.({marks})\b", text))) or None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Groups are told before xdist looks for them; what a test loses goes along with its result."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(find_group(item)))
        if mark := item.get_closest_marker("fault"):
            item.user_properties.append(("fault", mark.args[0]))


def find_group(item: pytest.Item) -> str:
    """What runs in one process: tests of the shared cluster, tests of the several nodes, each file of the others."""
    if "several_nodes" in item.fixturenames:
        return "several nodes"
    return "the shared cluster" if "ray_cluster" in item.fixturenames else item.path.name


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    what = dict(report.user_properties).get("fault")
    if what and (report.when == "call" or report.failed):
        from tests.faults import TRIED

        TRIED[report.nodeid] = (what, report.passed)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--keep-faults") and not hasattr(session.config, "workerinput"):
        from tests.faults import keep_counts

        keep_counts()


RAY_ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_DATA_EXECUTION_NO_PROGRESS_TIMEOUT_S": "60",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "60",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Quiet, quick to see a lost worker, and nothing that waits for ever."""

os.environ.update(RAY_ENVIRONMENT)  # Ray reads some of it when it is imported


@pytest.fixture(scope="session")
def ray_folder() -> Iterator[Path]:
    """Where Ray keeps its files; pytest's own folders have names too long for the path of a socket."""
    with TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """One small cluster for all tests that need Ray, and for none of the others."""

    start_ray()
    yield
    stop_ray()


def start_ray() -> None:
    """Start that cluster: 'local', so that one that runs on this machine already is left alone.

    With the dashboard, without which Ray never frees the workers of trials that were stopped early, and with its
    address, without which it does not where another cluster runs.
    """
    import ray

    port = find_port()
    os.environ["RAY_API_SERVER_ADDRESS"] = f"http://127.0.0.1:{port}"
    ray.init(
        address="local",
        num_cpus=4,
        include_dashboard=True,
        dashboard_port=port,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=400_000_000,
    )


def stop_ray() -> None:
    import ray

    ray.shutdown()
    os.environ.pop("RAY_API_SERVER_ADDRESS", None)


@contextmanager
def make_room() -> Iterator[None]:
    """End the session's own cluster, where there is one, for one of another shape, which ends with the block."""
    import ray

    was_there = ray.is_initialized()
    stop_ray()
    try:
        yield
    finally:
        ray.shutdown()
        if was_there:
            start_ray()


@pytest.fixture
def nodes() -> Iterator[tuple]:
    """A cluster of a head that computes nothing and two nodes with a processor each, and those two."""
    import ray
    from ray.cluster_utils import Cluster

    with make_room():
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        workers = [cluster.add_node(num_cpus=1) for _ in range(2)]
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        yield cluster, workers
        ray.shutdown()
        cluster.shutdown()

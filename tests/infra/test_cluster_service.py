"""The service on a cluster of several nodes: scorers on different ones; a node is lost, then the head."""

import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.infra.ray_nodes import Nodes
from tests.processes import find_port, wait_for
from tests.small_cohort import write_small_cohort

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

SCORER_CPUS = 2
"""Of the three processors of a node: two scorers are never on one."""


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> bytes:
    folder = write_small_cohort(tmp_path_factory.mktemp("service") / "nights", 1)
    (path,) = folder.glob("*-PSG.edf")
    return path.read_bytes()


@pytest.fixture(scope="module")
def url(several_nodes, adapter_folder) -> str:
    """Deployed over Ray's API with the token, as KubeRay deploys it."""
    port = find_port()
    args = {
        "adapter": str(adapter_folder),
        "min_replicas": 2,
        "max_replicas": 2,
        "cpus_per_replica": SCORER_CPUS,
        "insecure": True,
    }
    application = {"name": "somnolens", "route_prefix": "/", "import_path": "somnolens.serve.app:build", "args": args}
    config = {"proxy_location": "HeadOnly", "http_options": {"host": "127.0.0.1", "port": port}}
    deploy = f"{several_nodes.address}/api/serve/applications/"
    body = config | {"applications": [application]}
    assert httpx.put(deploy, json=body, timeout=60).status_code == 401
    answer = httpx.put(deploy, json=body, headers=several_nodes.headers, timeout=60)
    assert answer.is_success, answer.text
    url = f"http://127.0.0.1:{port}"
    wait_for(lambda: is_ready(url) and len(find_scorers(several_nodes)) == 2, 240, "the service")
    return url


def is_ready(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/readyz", timeout=20).status_code == 200
    return False


def find_scorers(nodes: Nodes) -> dict[str, str]:
    """Replicas that run, each with its node."""
    with suppress(httpx.TransportError, KeyError, ValueError):
        answer = httpx.get(f"{nodes.address}/api/serve/applications/", headers=nodes.headers, timeout=20).json()
        replicas = answer["applications"]["somnolens"]["deployments"]["Scorer"]["replicas"]
        return {one["replica_id"]: one["node_id"] for one in replicas if one["state"] == "RUNNING"}
    return {}


class Clients:
    """Two that send nights one after the other, and try again a few times where an answer is lost, as ours does."""

    def __init__(self, url: str, night: bytes) -> None:
        self.url, self.night, self.answers, self.lost = url, night, Counter(), 0
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(2)]

    def _send(self) -> None:
        while not self._end.is_set():
            self.answers[self._ask()] += 1

    def _ask(self, tries: int = 6) -> int:
        for number in range(tries):
            status = 0
            with suppress(httpx.TransportError):
                status = httpx.post(f"{self.url}/v1/nights", content=self.night, timeout=120).status_code
            if status == 200:
                return status
            self.lost += 1
            time.sleep(2.0**number / 2)
        return status

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.fault("a node of the service")
def test_every_night_is_staged_though_a_node_of_the_service_is_lost(several_nodes, url, night):
    before = find_scorers(several_nodes)
    assert len(set(before.values())) == 2, "scorers are on different nodes"
    with Clients(url, night) as clients:
        wait_for(lambda: clients.answers[200] >= 4, 180, "answers")
        several_nodes.replace_oldest()
        wait_for(lambda: len(set(find_scorers(several_nodes)) - set(before)) == 1, 300, "another scorer")
        n_before = clients.answers[200]
        wait_for(lambda: clients.answers[200] >= n_before + 4, 240, "answers after the loss")
    print(f"answers {dict(clients.answers)}, tries lost {clients.lost}")
    assert set(clients.answers) == {200}
    after = find_scorers(several_nodes)
    assert len(set(after) & set(before)) == 1
    assert len(set(after.values())) == 2


@pytest.mark.fault("the head of the service's cluster")
def test_the_service_comes_back_after_its_head_was_lost(several_nodes, url, night, tmp_path: Path):
    """What the head knew lies outside of it: nobody deploys the service again, and its scorers are the same."""
    before = find_scorers(several_nodes)
    several_nodes.lose("head")
    assert not is_ready(url)
    lost_at = time.monotonic()
    several_nodes.start_head()
    wait_for(lambda: is_ready(url), 300, "the service")
    print(f"ready again {time.monotonic() - lost_at:.0f} s after the loss")
    assert httpx.post(f"{url}/v1/nights", content=night, timeout=120).status_code == 200
    wait_for(lambda: len(find_scorers(several_nodes)) == 2, 300, "both scorers")
    assert set(find_scorers(several_nodes)) == set(before)

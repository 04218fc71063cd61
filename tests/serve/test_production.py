"""The settings file of a cluster with GPUs, deployed on a cluster that only says it has them."""

import time

import httpx
import pytest
import ray
import yaml
from ray import serve
from ray.serve._private.api import serve_start
from ray.serve.schema import ApplicationStatus, ServeDeploySchema

from somnolens.serve.access.keys import add_key
from somnolens.serve.running import _take_port
from tests.conftest import make_room
from tests.repository.tree import ROOT

SMALL = {"cpus_per_replica": 0.1, "ingress_replicas": 1, "worker_replicas": 1, "max_batch_size": 8}
"""Two cores are all there is; which machine, which adapter and which keys are the reader's own too."""


@pytest.fixture
def port():
    """Of a service on a cluster with a GPU in name."""
    with make_room():
        ray.init(address="local", num_cpus=4, num_gpus=1, include_dashboard=True, log_to_driver=False)
        yield _take_port(0)
        serve.shutdown()


@pytest.mark.cluster
def test_a_local_cluster_takes_the_settings_of_production(port, adapter_folder, tmp_path):
    config = yaml.safe_load((ROOT / "serve" / "config" / "production.yaml").read_text())
    config["http_options"]["port"] = port
    (application,) = config["applications"]
    key = add_key(tmp_path / "keys.json", "page")
    here = {"adapter": str(adapter_folder), "keys_file": str(tmp_path / "keys.json"), "nights_folder": str(tmp_path)}
    application["args"] |= here | SMALL
    client = serve_start(http_options=config["http_options"])
    client.deploy_apps(ServeDeploySchema.model_validate(config))
    deadline = time.monotonic() + 150
    while (status := serve.status().applications[application["name"]]).status != ApplicationStatus.RUNNING:
        assert time.monotonic() < deadline, status
        assert status.status != ApplicationStatus.DEPLOY_FAILED, status
        time.sleep(0.5)
    url = f"http://127.0.0.1:{port}"
    assert httpx.get(f"{url}/v1/models", timeout=30).status_code == 401
    headers = {"Authorization": f"Bearer {key}"}
    assert httpx.get(f"{url}/v1/models", headers=headers, timeout=30).status_code == 200

"""The clusters of `ray up`: Ray's own schema, and what it does not look at."""

import copy
from functools import cache

import botocore.session
import pytest
from botocore.validate import ParamValidator
from jsonschema import ValidationError
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.infra.kustomize import read_one
from tests.infra.manifests import INFRA

FILES = sorted((INFRA / "ray-up").glob("*.yaml"))
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def test_there_is_one_for_each_kind_of_place():
    assert [path.stem for path in FILES] == ["cluster.aws", "cluster.gcp", "cluster.local"]


@every_file
def test_ray_takes_the_file(path, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))  # a cluster of given hosts is written down there
    config = read_one(path)
    prepared = prepare_config(copy.deepcopy(config))
    validate_config(prepared)
    assert prepared["setup_commands"] == []
    assert prepared["head_node_type"] in prepared["available_node_types"]
    most = sum(kind["max_workers"] for name, kind in prepared["available_node_types"].items() if name != "head")
    assert prepared["max_workers"] <= most


def test_a_key_that_ray_does_not_know_is_found():
    config = read_one(INFRA / "ray-up" / "cluster.aws.yaml") | {"idle_timeout": 5}
    with pytest.raises(ValidationError, match="idle_timeout"):
        validate_config(prepare_config(config))


@cache
def list_launch_keys():
    """What EC2's RunInstances takes, of the client library's own model."""
    return botocore.session.get_session().get_service_model("ec2").operation_model("RunInstances").input_shape


def find_launch_errors(node_config: dict) -> str:
    asked = node_config | {"MinCount": 1, "MaxCount": 1}
    return ParamValidator().validate(asked, list_launch_keys()).generate_report()


def test_amazon_knows_every_key_of_a_machine():
    """Ray does not look into `node_config`; a typing error would show once a machine is asked for."""
    kinds = read_one(INFRA / "ray-up" / "cluster.aws.yaml")["available_node_types"]
    assert {name: find_launch_errors(kind["node_config"]) for name, kind in kinds.items()} == dict.fromkeys(kinds, "")
    assert "InstanceTyp" in find_launch_errors({"InstanceTyp": "m7i.xlarge"})


@pytest.mark.parametrize("name", ["aws", "gcp"])
def test_the_head_is_on_demand_renderers_are_spot_and_trainers_have_gpus(name):
    config = read_one(INFRA / "ray-up" / f"cluster.{name}.yaml")
    kinds = config["available_node_types"]
    spot = {kind for kind, it in kinds.items() if is_spot(it["node_config"])}
    assert spot == {"render"}
    assert {kind: it["resources"].get("GPU", 0) for kind, it in kinds.items()} == {"head": 0, "render": 0, "train": 1}
    assert all(kinds[kind]["min_workers"] == 0 for kind in ("render", "train"))
    assert config["idle_timeout_minutes"] <= 10


def is_spot(node: dict) -> bool:
    market = node.get("InstanceMarketOptions", {}).get("MarketType") == "spot"
    return market or any(one.get("preemptible") for one in node.get("scheduling", ()))


@every_file
def test_the_token_goes_to_every_node_and_the_dashboard_to_nobody(path):
    config = read_one(path)
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    for key in ("head_start_ray_commands", "worker_start_ray_commands"):
        (start,) = [line for line in config[key] if "ray start" in line]
        assert "RAY_AUTH_MODE=token ray start" in start
    assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][-1]
    assert "0.0.0.0" not in path.read_text()
    assert config["provider"].get("use_internal_ips", path.stem == "cluster.local") is True


@every_file
def test_containers_get_no_rights_and_images_a_version(path):
    docker = read_one(path)["docker"]
    assert {"--cap-drop=ALL", "--security-opt=no-new-privileges"} <= set(docker["run_options"])
    assert not any("privileged" in option.replace("no-new-privileges", "") for option in docker["run_options"])
    images = [value for key, value in docker.items() if key.endswith("image")]
    assert all(image.rpartition(":")[2].startswith("0.1.0-") for image in images)

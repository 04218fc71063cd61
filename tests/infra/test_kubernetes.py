"""Every manifest of every overlay against the schemas of Kubernetes, KubeRay and Ray Serve, unknown keys refused."""

import copy
import json
import re
import shutil
import subprocess

import kubernetes_validate
import pytest
import yaml
from packaging.version import Version
from ray.serve.schema import ServeDeploySchema

from somnolens.config import ServeSettings
from tests.infra.kustomize import read_one
from tests.infra.manifests import (
    BASE,
    INFRA,
    OVERLAYS,
    RAY_KINDS,
    cluster_of,
    find,
    iterate_pods,
    read_places,
    render_overlay,
    select,
)
from tests.repository.tree import ROOT
from tests.serve.test_config import find_unknown_keys

KUBERNETES = "1.34"
every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
LONGEST_NAME = 41  # of a RayService; pods, services and clusters get names made from it


@every_overlay
def test_the_renderer_does_what_kubectl_does(overlay):
    if not (kubectl := shutil.which("kubectl")):
        pytest.skip("kubectl is not on the PATH")
    command = [kubectl, "kustomize", str(INFRA / "kuberay" / "overlays" / overlay)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    theirs = list(yaml.load_all(answer.stdout, Loader=yaml.CSafeLoader))
    assert sort_manifests(theirs) == sort_manifests(render_overlay(overlay))


def sort_manifests(manifests):
    return sorted(manifests, key=lambda one: (one["kind"], one["metadata"]["name"]))


@every_overlay
def test_kuberay_takes_every_manifest_of_its_kinds_and_knows_every_key(overlay, check_against_crd):
    wrong = {one["metadata"]["name"]: check_against_crd(one) for one in select(overlay, *RAY_KINDS)}
    assert wrong == {name: [] for name in wrong}
    assert len(wrong) == 6


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "enableInTreeAutoscale"), True),
        (("spec", "headGroupSpec", "rayStartParams", "num-cpus"), 0),
        (("spec", "headGroupSpec", "template", "spec", "nodeSelectors"), {}),
        (("spec", "autoscalerOptions", "version"), "v3"),
    ],
)
def test_a_wrong_key_or_value_is_found(path, value, check_against_crd):
    broken = copy.deepcopy(find("production", "RayCluster", "shared"))
    place = broken
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert check_against_crd(broken)


@every_overlay
def test_kubernetes_takes_every_other_manifest_and_knows_every_key(overlay):
    others = [one for one in render_overlay(overlay) if one["kind"] not in RAY_KINDS]
    for one in others:
        kubernetes_validate.validate(one, KUBERNETES, strict=True)
    assert len(others) >= 15


def test_a_wrong_key_of_kubernetes_is_found():
    broken = copy.deepcopy(find("production", "NetworkPolicy", "closed"))
    broken["spec"]["podSelectors"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="podSelectors"):
        kubernetes_validate.validate(broken, KUBERNETES, strict=True)


@every_overlay
def test_what_the_operator_asks_beyond_its_schema(overlay):
    """KubeRay's validation.go: rules that are written in Go."""
    for one in select(overlay, *RAY_KINDS):
        cluster, name = cluster_of(one), one["metadata"]["name"]
        assert NAME.fullmatch(name)
        assert len(name) <= LONGEST_NAME
        assert Version(cluster["rayVersion"]) >= Version("2.52.0")
        assert cluster["autoscalerOptions"]["version"] == "v2"
        for group in cluster["workerGroupSpecs"]:
            assert group["template"]["spec"]["restartPolicy"] == "Never"
            assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
            assert NAME.fullmatch(group["groupName"])
            assert "resources" not in group
        if one["kind"] == "RayJob":
            assert one["spec"]["shutdownAfterJobFinishes"], "a job that can be suspended must end its cluster"
            assert not {"clusterSelector", "submitterPodTemplate", "submitterConfig"} & set(one["spec"])


@every_overlay
def test_ray_is_of_one_version_everywhere(overlay):
    pinned = re.search(r"^ray==(.*)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[1]
    assert {cluster_of(one)["rayVersion"] for one in select(overlay, *RAY_KINDS)} == {pinned}


def read_serve_config(overlay: str) -> dict:
    return yaml.safe_load(find(overlay, "RayService", "scoring")["spec"]["serveConfigV2"])


@every_overlay
def test_ray_serve_takes_the_service_and_knows_every_key(overlay):
    config = read_serve_config(overlay)
    ServeDeploySchema.model_validate(config)
    assert find_unknown_keys(config, ServeDeploySchema) == []
    ServeSettings.model_validate(config["applications"][0]["args"])


@pytest.mark.parametrize("overlay", ["staging", "production"])
def test_the_service_is_the_one_of_the_settings_file(overlay):
    assert read_serve_config(overlay) == read_one(ROOT / "serve" / "config" / "production.yaml")


def test_the_local_service_is_that_of_a_laptop_on_more_than_one_pod():
    laptop = read_one(ROOT / "serve" / "config" / "local.yaml")
    laptop["http_options"]["host"], laptop["proxy_location"] = "0.0.0.0", "EveryNode"
    arguments = laptop["applications"][0]["args"]
    assert arguments.pop("insecure") is True  # answers its own machine only; pods are many
    arguments["keys_file"] = "/keys/keys.json"
    assert read_serve_config("local") == laptop


@every_overlay
def test_an_upgrade_of_the_service_drops_no_request(overlay):
    """A new cluster is ready before the old one is left, and the old one stays until its longest request has ended."""
    spec, config = find(overlay, "RayService", "scoring")["spec"], read_serve_config(overlay)
    assert spec["upgradeStrategy"] == {"type": "NewCluster"}
    assert spec["rayClusterDeletionDelaySeconds"] >= config["http_options"].get("request_timeout_s", 0)
    assert spec["excludeHeadPodFromServeSvc"] is True
    workers = [pod for pod in iterate_pods(overlay) if "RayService" in pod.owner and pod.group != "head"]
    assert {pod.spec["containers"][0]["readinessProbe"]["httpGet"]["path"] for pod in workers} == {"/-/healthz"}


@pytest.mark.parametrize("overlay", ["staging", "production"])
def test_the_quota_lets_the_service_be_there_twice(overlay):
    quota = find(overlay, "ResourceQuota", "namespace")["spec"]["hard"]
    service = [pod for pod in iterate_pods(overlay) if "RayService" in pod.owner]
    gpus = sum(pod.most * int(read_requests(pod).get("nvidia.com/gpu", 0)) for pod in service)
    assert 2 * gpus <= int(quota["requests.nvidia.com/gpu"])


def read_requests(pod) -> dict:
    return pod.spec["containers"][0]["resources"]["requests"]


@every_overlay
def test_overlays_hold_only_differences(overlay):
    """A patch that sets what the base has already is dead text."""
    base = {
        (one["kind"], one["metadata"]["name"]): one for one in map(read_one, BASE.glob("*.yaml")) if "metadata" in one
    }
    asked = read_one(INFRA / "kuberay" / "overlays" / overlay / "kustomization.yaml")
    for patch in asked["patches"]:
        for operation in yaml.safe_load(patch["patch"]):
            kept = [one for (kind, name), one in base.items() if is_meant(kind, name, patch["target"])]
            values = [dig(one, operation["path"]) for one in kept]
            assert any(value != operation.get("value", ...) for value in values), operation


def is_meant(kind: str, name: str, target: dict) -> bool:
    return kind == target["kind"] and bool(re.fullmatch(target["name"], name))


def dig(manifest: dict, path: str):
    for part in path.replace("~1", "\0").split("/")[1:]:
        part = part.replace("\0", "/")
        manifest = manifest[int(part)] if isinstance(manifest, list) else manifest.get(part)
    return manifest


@every_overlay
def test_every_place_is_a_string(overlay):
    assert json.dumps(read_places(overlay)) == json.dumps({k: str(v) for k, v in read_places(overlay).items()})

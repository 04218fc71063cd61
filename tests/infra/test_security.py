"""What the attacks on open Ray clusters taught, as checks over every manifest.

ShadowRay (CVE-2023-48022): whoever reaches the dashboard's job API runs code on every node. CVE-2025-62593: a page in
the browser of somebody who works beside a cluster reaches it too. Both end at a token that Ray itself asks for, and at
ports that nobody else reaches; the token does not guard Serve's port nor the metrics.
"""

import json
import re

import pytest
import yaml

from tests.infra.manifests import (
    INFRA,
    OVERLAYS,
    RAY_KINDS,
    cluster_of,
    find,
    iterate_pods,
    render_overlay,
    select,
)
from tests.repository.tree import list_files, read_text

every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
RAY_PORTS = {6379, 8265, 10001, 52365, 8076}
"""GCS, dashboard and jobs, client, agent, objects: code runs behind each of them."""
MANIFESTS = [path for path in list_files() if path.parts[0] == "infra" and path.suffix == ".yaml"]
SECRET = re.compile(
    r"AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY|(?i:password|token|secret)\s*[:=]\s*['\"]?[\w+/]{16,}"
)


@every_overlay
def test_ray_asks_for_a_token_in_every_manifest(overlay):
    for one in select(overlay, *RAY_KINDS):
        assert cluster_of(one)["authOptions"] == {"mode": "token", "secretName": "ray-auth-token"}


@every_overlay
def test_no_pod_takes_the_token_back(overlay):
    for pod in iterate_pods(overlay):
        names = {variable["name"] for one in pod.containers for variable in one.get("env", ())}
        assert not names & {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN"}, pod.owner
    assert "RAY_AUTH_MODE" not in find(overlay, "ConfigMap", "places")["data"]


@every_overlay
def test_nothing_is_open_to_the_outside(overlay):
    """No service with an address of its own, no ingress, no port on a node."""
    kinds = {one["kind"] for one in render_overlay(overlay)}
    assert not kinds & {"Ingress", "Gateway", "HTTPRoute"}
    for one in select(overlay, "Service"):
        assert one["spec"].get("type", "ClusterIP") == "ClusterIP"
    for one in select(overlay, *RAY_KINDS):
        head = cluster_of(one)["headGroupSpec"]
        assert head["serviceType"] == "ClusterIP"
        assert not head.get("enableIngress")
    for pod in iterate_pods(overlay):
        assert not any(port.get("hostPort") for one in pod.containers for port in one.get("ports", ())), pod.owner


@every_overlay
def test_the_namespace_begins_closed(overlay):
    closed = find(overlay, "NetworkPolicy", "closed")["spec"]
    assert closed == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def list_openings(overlay):
    """Every way in: from where, and the ports."""
    for policy in select(overlay, "NetworkPolicy"):
        for rule in policy["spec"].get("ingress", ()):
            yield policy["metadata"]["name"], rule.get("from", []), {port["port"] for port in rule.get("ports", ())}


@every_overlay
def test_ports_behind_which_code_runs_are_for_ray_and_its_operator_alone(overlay):
    for name, sources, ports in list_openings(overlay):
        assert sources, f"{name} lets everybody in"
        assert not any(source == {} or "ipBlock" in source for source in sources)
        outside = [source for source in sources if "namespaceSelector" in source]
        for source in outside:
            namespace = source["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
            assert ports, f"{name} opens every port to {namespace}"
            if ports & RAY_PORTS:
                assert (namespace, ports & RAY_PORTS) == ("kuberay-operator", {8265})
                assert source["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "kuberay-operator"}


@every_overlay
def test_every_pod_is_under_the_policy_of_ray_or_of_the_store(overlay):
    for pod in iterate_pods(overlay):
        assert pod.template["metadata"]["labels"]["somnolens.io/pod"] in ("head", "worker", "gcs-store"), pod.owner


@every_overlay
def test_no_pod_is_root_or_privileged(overlay):
    for pod in iterate_pods(overlay):
        security = pod.spec["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod.spec), pod.owner
        assert not any("hostPath" in volume for volume in pod.spec.get("volumes", ())), pod.owner
        for one in pod.containers:
            assert_harmless(one["securityContext"])


def assert_harmless(security):
    assert security["allowPrivilegeEscalation"] is False
    assert security["privileged"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}


@every_overlay
def test_the_autoscaler_beside_the_head_is_harmless_too(overlay):
    for one in select(overlay, *RAY_KINDS):
        assert_harmless(cluster_of(one)["autoscalerOptions"]["securityContext"])


@every_overlay
def test_the_namespace_refuses_pods_that_ask_for_more(overlay):
    (namespace,) = select(overlay, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@every_overlay
def test_images_have_a_version_and_come_from_a_named_registry(overlay):
    for pod in iterate_pods(overlay):
        for one in pod.containers:
            registry, _, rest = one["image"].partition("/")
            assert "." in registry
            tag = rest.partition("@")[0].rpartition(":")[2]
            assert re.match(r"\d", tag), f"{pod.owner}: {one['image']}"


@every_overlay
def test_only_heads_hold_rights_in_the_cluster(overlay):
    assert not select(overlay, "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
    for pod in iterate_pods(overlay):
        holds = pod.spec["automountServiceAccountToken"]
        assert holds is (pod.group == "head"), pod.owner
        if holds:
            assert pod.spec["serviceAccountName"] == "somnolens-head"
    assert all(one["automountServiceAccountToken"] is False for one in select(overlay, "ServiceAccount"))


@every_overlay
def test_no_secret_stands_in_a_manifest(overlay):
    assert not select(overlay, "Secret")
    assert [str(path) for path in MANIFESTS if SECRET.search(read_text(path))] == []
    for pod in iterate_pods(overlay):
        for one in pod.containers:
            plain = [variable["name"] for variable in one.get("env", ()) if "value" in variable]
            assert not [name for name in plain if re.search(r"PASSWORD|TOKEN|SECRET|(?<!_)KEY(?!S_FILE)", name)]


@pytest.mark.parametrize("text", ["password: hunter2hunter2hunter2", "AKIA" + "A" * 16, "token: '0123456789abcdef0'"])
def test_a_secret_would_be_found(text):
    assert SECRET.search(text)


@every_overlay
def test_every_secret_that_is_used_is_made_by_a_command_of_the_runbook(overlay):
    text = json.dumps(render_overlay(overlay))
    named, keyed = r'"secretName": "([^"]+)"', r'"secretKeyRef": {"name": "([^"]+)"'
    used = {*re.findall(named, text), *re.findall(keyed, text)}
    runbook = (INFRA / "README.md").read_text()
    made = set(re.findall(r"create secret generic (\S+)", runbook))
    assert used <= made, used - made
    assert used


@every_overlay
def test_the_service_asks_for_keys_that_are_a_secret(overlay):
    (application,) = yaml.safe_load(find(overlay, "RayService", "scoring")["spec"]["serveConfigV2"])["applications"]
    assert not application["args"].get("insecure")
    folder, _, name = application["args"]["keys_file"].rpartition("/")
    for pod in iterate_pods(overlay):
        if "RayService" in pod.owner:
            (mount,) = [one for one in pod.containers[0]["volumeMounts"] if one["mountPath"] == folder]
            (volume,) = [one for one in pod.spec["volumes"] if one["name"] == mount["name"]]
            assert volume["secret"]["secretName"] == "somnolens-keys"
    assert f"--from-file={name}" in (INFRA / "README.md").read_text()


@every_overlay
def test_every_container_says_what_it_takes_and_whether_it_lives(overlay):
    for pod in iterate_pods(overlay):
        for one in pod.spec["containers"]:
            assert one["resources"]["limits"]["memory"] == one["resources"]["requests"]["memory"], pod.owner
            assert one["livenessProbe"]
            assert one["readinessProbe"]

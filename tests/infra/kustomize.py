"""What `kubectl kustomize` makes of our overlays, for machines that have no kubectl.

It knows what our kustomizations use and refuses everything else: `resources`, `namespace`, and `patches` of JSON 6902
operations with a target's kind and name. A test holds it to kubectl where there is one.
"""

import copy
import re
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]

KNOWN = {"apiVersion", "kind", "namespace", "resources", "patches"}
WITHOUT_NAMESPACE = {"Namespace"}


def render(folder: Path) -> list[Manifest]:
    """All manifests of a kustomization, patched, in the order of its resources."""
    asked = read_one(folder / "kustomization.yaml")
    assert asked["apiVersion"] == "kustomize.config.k8s.io/v1beta1"
    assert asked["kind"] == "Kustomization"
    assert set(asked) <= KNOWN, f"{folder.name}: this renderer does not know {sorted(set(asked) - KNOWN)}"
    manifests = [one for name in asked["resources"] for one in read_resource(folder / name)]
    for patch in asked.get("patches", ()):
        apply_patch(manifests, patch)
    if namespace := asked.get("namespace"):
        manifests = [set_namespace(one, namespace) for one in manifests]
    return manifests


def read_resource(path: Path) -> list[Manifest]:
    return render(path) if path.is_dir() else [read_one(path)]


def read_one(path: Path) -> Manifest:
    (manifest,) = yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader)
    return manifest


def set_namespace(manifest: Manifest, namespace: str) -> Manifest:
    """Into the metadata of everything that lives in a namespace."""
    if manifest["kind"] in WITHOUT_NAMESPACE:
        return manifest
    return manifest | {"metadata": manifest["metadata"] | {"namespace": namespace}}


def apply_patch(manifests: list[Manifest], patch: dict[str, Any]) -> None:
    """Apply operations to every manifest that the target names; a patch that hits nothing is a mistake."""
    assert set(patch) == {"target", "patch"}
    assert set(patch["target"]) == {"kind", "name"}, "kustomize takes more; this renderer does not"
    hit = [one for one in manifests if matches(one, patch["target"])]
    assert hit, f"no manifest is meant by {patch['target']}"
    for manifest in hit:
        for operation in yaml.load(patch["patch"], Loader=yaml.CSafeLoader):
            operate(manifest, **operation)


def matches(manifest: Manifest, target: dict[str, str]) -> bool:
    name = re.fullmatch(target["name"], manifest["metadata"]["name"])
    return manifest["kind"] == target["kind"] and name is not None


def operate(manifest: Manifest, op: str, path: str, value: Any = None) -> None:
    """One operation of RFC 6902: add, replace or remove.

    Examples
    --------
    >>> manifest = {"spec": {"replicas": 1}}
    >>> operate(manifest, "replace", "/spec/replicas", 2)
    >>> manifest
    {'spec': {'replicas': 2}}
    """
    *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    place: Any = manifest
    for part in parents:
        place = place[int(part) if isinstance(place, list) else part]
    assert isinstance(place, dict), f"{path}: only keys of a mapping are changed here"
    assert op in ("add", "replace", "remove"), op
    assert op == "add" or last in place, f"{path} is not there to {op}"
    if op == "remove":
        del place[last]
    else:
        place[last] = copy.deepcopy(value)

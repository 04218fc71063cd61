"""The manifests of infra/, rendered, and what is inside them."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.infra.kustomize import Manifest, render
from tests.repository.tree import ROOT

INFRA = ROOT / "infra"
BASE = INFRA / "kuberay" / "base"
OVERLAYS = sorted(path.name for path in (INFRA / "kuberay" / "overlays").iterdir())
RAY_KINDS = ("RayCluster", "RayJob", "RayService")
IMAGE_ROOT = "/opt/somnolens/"
"""Where the image has the repository's jobs/ and serve/config/."""


@cache
def render_overlay(overlay: str) -> list[Manifest]:
    """Manifests of an overlay, which all tests share and none may change."""
    return render(INFRA / "kuberay" / "overlays" / overlay)


def select(overlay: str, *kinds: str) -> list[Manifest]:
    return [one for one in render_overlay(overlay) if one["kind"] in kinds]


def find(overlay: str, kind: str, name: str) -> Manifest:
    (found,) = [one for one in select(overlay, kind) if one["metadata"]["name"] == name]
    return found


def cluster_of(manifest: Manifest) -> dict[str, Any]:
    """The RayCluster's specification inside a manifest of Ray."""
    places = {"RayCluster": ("spec",), "RayJob": ("spec", "rayClusterSpec"), "RayService": ("spec", "rayClusterConfig")}
    for key in places[manifest["kind"]]:
        manifest = manifest[key]
    return manifest


@dataclass(frozen=True)
class Pod:
    """A pod template, whose it is, and how many of it there may be."""

    owner: str
    group: str
    template: dict[str, Any]
    most: int

    @property
    def spec(self) -> dict[str, Any]:
        return self.template["spec"]

    @property
    def containers(self) -> list[dict[str, Any]]:
        return [*self.spec["containers"], *self.spec.get("initContainers", ())]


def iterate_pods(overlay: str) -> Iterator[Pod]:
    """Every pod template of an overlay, Ray's and others."""
    for one in render_overlay(overlay):
        owner = f"{overlay}: {one['kind']} {one['metadata']['name']}"
        if one["kind"] in RAY_KINDS:
            cluster = cluster_of(one)
            yield Pod(owner, "head", cluster["headGroupSpec"]["template"], 1)
            for group in cluster["workerGroupSpecs"]:
                yield Pod(owner, group["groupName"], group["template"], group["maxReplicas"])
        elif "template" in one.get("spec", {}):
            yield Pod(owner, "", one["spec"]["template"], one["spec"]["replicas"])


def read_places(overlay: str) -> dict[str, str]:
    return find(overlay, "ConfigMap", "places")["data"]


def read_entrypoint(job: Manifest, overlay: str) -> list[str]:
    """Words of a job's entry point, as a shell makes them of it where the pod's environment is the ConfigMap's."""
    text = job["spec"]["entrypoint"]
    for name, value in read_places(overlay).items():
        text = text.replace(f'"${name}"', shlex.quote(value))
    assert "$" not in text, f"{text}: a variable that the ConfigMap 'places' does not set"
    return shlex.split(text)


def locate_in_repository(path: str) -> Path:
    """The file of the repository that a path of the image is a copy of."""
    assert path.startswith(IMAGE_ROOT), path
    return ROOT / path.removeprefix(IMAGE_ROOT)

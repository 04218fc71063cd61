"""One direction, and Ray at the edges. import-linter checks the library and the layers of the service; how jobs/ and
serve/, which lie outside the library's folder, stand to each other is checked here."""

import importlib
import multiprocessing
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.repository.service_contract import build_graph
from tests.repository.tree import ROOT, list_imports, list_modules, list_modules_without_ray, list_python

pytestmark = pytest.mark.slow


def test_import_contracts_hold():
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def import_without(missing: Sequence[str], names: Sequence[str]) -> None:
    """Import modules anew where some packages are not installed; what others wrote stays as it is loaded."""

    class NotInstalled:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name.partition(".")[0] in missing:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    for loaded in [name for name in sys.modules if name.partition(".")[0] in (*missing, "somnolens")]:
        del sys.modules[loaded]
    sys.meta_path.insert(0, NotInstalled)
    for name in names:
        importlib.import_module(name)


@pytest.mark.parametrize(
    ("missing", "find"),
    [
        (["ray"], list_modules_without_ray),
        (["torch", "transformers", "peft", "sklearn"], lambda: ["somnolens.serve.app"]),
        (["transformers", "peft", "sklearn"], lambda: ["somnolens.jobs.train_adapter", "somnolens.train.search"]),
    ],
    ids=[
        "the library without Ray",
        "ingress and worker without what scorers need",
        "trials and controllers without what training workers need",
    ],
)
def test_imports_need_no_more_than_they_should(missing, find):
    """In a copy of this process: a new one would import torch and its kin first, for a quarter of a minute."""
    copy = multiprocessing.get_context("fork").Process(target=import_without, args=[missing, find()])
    copy.start()
    copy.join()
    assert copy.exitcode == 0


def importers_of(package: str, modules: dict[str, Path]) -> set[str]:
    return {
        name
        for name, path in modules.items()
        if any(imported == package or imported.startswith(f"{package}.") for imported in list_imports(path))
    }


def test_only_the_command_line_reaches_jobs_and_serve():
    library = {
        name: path
        for name, path in list_modules().items()
        if not name.startswith(("somnolens.jobs", "somnolens.serve")) and name != "somnolens.cli"
    }
    assert importers_of("somnolens.jobs", library) | importers_of("somnolens.serve", library) == set()


def test_jobs_and_serve_do_not_reach_the_command_line():
    modules = list_modules()
    outside = {name: path for name, path in modules.items() if name.startswith(("somnolens.jobs", "somnolens.serve"))}
    assert importers_of("somnolens.cli", outside) == set()
    service = {name: path for name, path in outside.items() if name.startswith("somnolens.serve")}
    assert importers_of("somnolens.jobs", service) == set()


@pytest.mark.parametrize("package", ["jobs", "serve", "platform.somnolens"])
def test_nobody_imports_the_same_files_under_a_second_name(package):
    files = {str(path): path for path in list_python()}
    assert importers_of(package, files) == set()


def test_the_graph_of_the_service_has_its_imports():
    graph = build_graph()
    assert {"somnolens.serve.ingress.api", "somnolens.config", "ray"} <= graph.find_modules_directly_imported_by(
        "somnolens.serve.app"
    )
    assert graph.direct_import_exists(importer="somnolens.jobs.serve_adapter", imported="somnolens.serve.running")


def test_an_import_that_goes_up_in_the_service_would_be_seen():
    layers = ["somnolens.serve.ingress", "somnolens.serve.messages"]
    graph = build_graph()
    assert not graph.find_illegal_dependencies_for_layers(layers)
    graph.add_import(importer="somnolens.serve.messages.schema", imported="somnolens.serve.ingress.api")
    assert graph.find_illegal_dependencies_for_layers(layers)

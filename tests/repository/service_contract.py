"""Contracts of import-linter for the service and the jobs.

It reads one package in one folder, and theirs lie outside of the library's, so that their graph is built here.
"""

import grimp
from importlinter import ContractCheck
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract

from tests.repository.tree import list_imports, list_modules


class ServiceLayersContract(LayersContract):
    """Layers of `somnolens.serve`."""

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        """Whether every import of the service goes down."""
        return super().check(build_graph(), verbose)


class ServiceForbiddenContract(ForbiddenContract):
    """What parts of `somnolens.serve` may not import."""

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        """Whether none of them does."""
        return super().check(build_graph(), verbose)


def build_graph() -> grimp.ImportGraph:
    """Modules of the library, the jobs and the service, what they import of each other, and Ray."""
    modules, graph = list_modules(), grimp.ImportGraph()
    for name in modules:
        graph.add_module(name)
    graph.add_module("ray", is_squashed=True)
    for name, path in modules.items():
        for imported in {_find(one, modules) for one in list_imports(path)} - {"", name}:
            graph.add_import(importer=name, imported=imported, line_number=1, line_contents=f"imports {imported}")
    return graph


def _find(imported: str, modules: dict) -> str:
    """The module that a dotted name lies in; empty where it is none of ours, nor of Ray's."""
    if imported.partition(".")[0] == "ray":
        return "ray"
    while imported and imported not in modules:
        imported = imported.rpartition(".")[0]
    return imported

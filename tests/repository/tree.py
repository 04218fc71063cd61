"""What lies in the repository: its files, and the modules that pyproject.toml makes of them."""

import ast
import os
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGE_FOLDERS = {name: ROOT / path for name, path in PYPROJECT["tool"]["setuptools"]["package-dir"].items()}
IGNORED = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line]


@cache
def list_files() -> tuple[Path, ...]:
    """Every file that git would keep, relative to the root."""
    return tuple(sorted(path.relative_to(ROOT) for path in _walk(ROOT)))


def list_python() -> list[Path]:
    """Every Python file, relative to the root."""
    return [path for path in list_files() if path.suffix == ".py"]


@cache
def parse(path: Path) -> ast.Module:
    """Syntax tree of a file named relative to the root."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def read_text(path: Path) -> str:
    """Text of a file named relative to the root; empty where it is not text."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def list_modules() -> dict[str, Path]:
    """Dotted name and file of every module of the library, the jobs and the service."""
    modules = {}
    for path in list_python():
        for package, folder in PACKAGE_FOLDERS.items():
            if (ROOT / path).is_relative_to(folder):
                parts = (ROOT / path).relative_to(folder).with_suffix("").parts
                modules[".".join((package, *parts)).removesuffix(".__init__")] = path
    return modules


def list_modules_without_ray() -> list[str]:
    """Modules that must import where Ray is not installed."""
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    edges = {line.partition(" -> ")[0] for contract in contracts for line in contract.get("ignore_imports", ())}
    outside = ("somnolens.jobs", "somnolens.serve")
    return [name for name in list_modules() if name not in edges and not name.startswith(outside)]


@cache
def list_imports(path: Path) -> set[str]:
    """Dotted names that a file imports, anywhere in it."""
    nodes = list(ast.walk(parse(path)))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    sources = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    return plain | {f"{node.module}.{alias.name}" for node in sources for alias in node.names}


def _walk(folder: Path) -> Iterator[Path]:
    for entry in os.scandir(folder):
        if entry.name == ".git" or any(fnmatch(entry.name, pattern) for pattern in IGNORED):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        else:
            yield Path(entry.path)

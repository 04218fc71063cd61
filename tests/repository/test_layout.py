"""Where things lie: the agreed top level, whole packages, no path of one machine."""

import re
from pathlib import Path

import pytest

from tests.repository.tree import PACKAGE_FOLDERS, PYPROJECT, ROOT, list_files, list_modules, read_text

TOP_LEVEL = {
    *("pyproject.toml", "constraints.txt", "Makefile", "LICENSE"),
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "EXPERIMENTS.md"),
    *("platform", "jobs", "serve", "infra", "tests"),
    *(".ci", ".gitignore", ".gitattributes", ".dockerignore", ".editorconfig"),
}
MAX_LINES = 450
MAX_BYTES = 16_000_000
MACHINE_PATH = re.compile(r"(?<![\w.:/-])(/(root|Users|work)/\w|/home/(?!ray\b)\w|[A-Z]:\\Users)")
VAGUE = {"utils", "util", "common", "helpers", "helper", "misc", "legacy"}
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]


def test_top_level_holds_only_the_agreed_names():
    assert {path.parts[0] for path in list_files()} <= TOP_LEVEL


def test_nothing_hides_the_platform_module_of_python():
    assert not (ROOT / "platform" / "__init__.py").exists()


def test_packages_of_the_wheel_are_the_folders_with_code():
    folders = {
        ".".join((package, *path.parent.relative_to(folder).parts))
        for package, folder in PACKAGE_FOLDERS.items()
        for path in folder.rglob("*.py")
    }
    assert set(SETUPTOOLS["packages"]) == folders


def test_every_package_has_an_init():
    modules = list_modules()
    found = [name for name in SETUPTOOLS["packages"] if modules.get(name, Path()).name != "__init__.py"]
    assert not found, found


def test_every_data_file_of_a_package_goes_into_the_wheel():
    patterns = SETUPTOOLS["package-data"]
    taken = {
        path.relative_to(ROOT)
        for package, globs in patterns.items()
        for pattern in globs
        for path in PACKAGE_FOLDERS[package].glob(pattern)
    }
    folders = [folder.relative_to(ROOT) for folder in PACKAGE_FOLDERS.values()]
    inside = [path for path in list_files() if any(path.is_relative_to(folder) for folder in folders)]
    found = [str(path) for path in inside if path.suffix not in (".py", ".md") and path not in taken]
    assert not found, found


def test_no_file_names_a_path_of_one_machine():
    found = {str(path): match[0] for path in list_files() if (match := MACHINE_PATH.search(read_text(path)))}
    assert not found, found


@pytest.mark.parametrize("path", ["/" + "work/main", "see /" + "Users/me", "'/" + "home/me/x'"])
def test_paths_of_one_machine_are_recognised(path):
    assert MACHINE_PATH.search(path)


@pytest.mark.parametrize("path", ["/home/ray/job", "https://example.org/work/main", "/usr/bin/env", "team/work/x"])
def test_other_paths_are_let_through(path):
    assert not MACHINE_PATH.search(path)


def test_files_can_be_read_in_one_sitting():
    written = [path for path in list_files() if path.suffix in (".py", ".yaml", ".html", ".js", ".sh")]
    long = {str(path): n_lines for path in written if (n_lines := len(read_text(path).splitlines())) > MAX_LINES}
    assert not long, long


def test_no_file_is_larger_than_the_embedded_model_may_be():
    found = [str(path) for path in list_files() if (ROOT / path).stat().st_size > MAX_BYTES]
    assert not found, found


def test_no_module_has_a_name_that_says_nothing():
    found = [str(path) for path in list_files() if {*path.with_suffix("").parts} & VAGUE]
    assert not found, found

"""Setting up: everything is pinned, every target explains itself, the clean-room run can be started."""

import os
import re

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from somnolens import __version__
from tests.repository.tree import PYPROJECT, ROOT

PINS = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines()]
PINNED = {canonicalize_name(pin.name): next(iter(pin.specifier)) for pin in PINS}
PROJECT = PYPROJECT["project"]
WANTED = [
    Requirement(line)
    for line in (
        *PROJECT["dependencies"],
        *(one for extra in PROJECT["optional-dependencies"].values() for one in extra),
    )
]


def test_every_dependency_is_pinned_within_its_range():
    for wanted in WANTED:
        pin = PINNED.get(canonicalize_name(wanted.name))
        assert pin, f"{wanted.name} is not in constraints.txt"
        assert pin.version in wanted.specifier


def test_pins_are_exact_sorted_and_without_a_local_build():
    assert all(pin.operator == "==" and "+" not in pin.version for pin in PINNED.values())
    names = [canonicalize_name(pin.name) for pin in PINS]
    assert names == sorted(names)


def test_every_make_target_explains_itself():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()
    silent = [target for target in targets if not re.search(rf"^{target}:.* ## \w", makefile, re.MULTILINE)]
    assert not silent, silent


def test_clean_room_run_is_executable():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_version_stands_in_one_place():
    assert __version__ == PROJECT["version"]


def test_every_command_of_contributing_is_a_make_target():
    makefile, text = (ROOT / "Makefile").read_text(), (ROOT / "CONTRIBUTING.md").read_text()
    shown = {words[1] for line in re.findall(r"^    (make .*)$", text, re.MULTILINE) if (words := line.split())}
    assert shown
    assert {name for name in shown if not re.search(rf"^{name}:", makefile, re.MULTILINE)} == set()

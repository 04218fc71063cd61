"""Every example in a docstring runs; `np` is NumPy in all of them."""

import doctest
import importlib

import numpy as np
import pytest

from tests.repository.tree import list_modules_without_ray


@pytest.mark.parametrize("name", list_modules_without_ray())
def test_docstring_examples_run(name):
    result = doctest.testmod(importlib.import_module(name), extraglobs={"np": np})
    assert result.failed == 0, f"{result.failed} of {result.attempted} examples of {name} do not hold"

"""Tests that share a cluster share a process."""

import pytest


@pytest.mark.slow
def test_groups_are_told_to_who_deals_tests_out(request):
    """By the end of their names; xdist 3.8 cannot with pytest 9.2 and says nothing (pytest-xdist issue 1386)."""
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("nothing is dealt out by groups in this run")
    assert request.node.nodeid.endswith("@test_groups.py")

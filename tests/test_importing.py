"""Garbage is not looked for while libraries are imported."""

import gc

import pytest

from somnolens.importing import at_rest


def test_the_collector_rests_meanwhile_and_works_again_afterwards():
    kept = gc.get_freeze_count()
    with at_rest():
        assert not gc.isenabled()
        come_to_be = [[number] for number in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= kept + len(come_to_be)


def test_a_library_that_is_not_there_leaves_the_collector_at_work():
    with pytest.raises(ModuleNotFoundError), at_rest():
        import no_such_library  # noqa: F401
    assert gc.isenabled()

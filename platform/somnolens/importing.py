"""Importing libraries of thousands of modules."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_rest() -> Iterator[None]:
    """Nobody looks for garbage inside: modules are here to stay, and to go through them again and again takes a fifth
    of the time in which torch and transformers are imported. What came to be is not looked at afterwards either."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()

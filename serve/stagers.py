"""One stager for each adapter that is asked for: the reader travels with the model."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from somnolens.config import ServeSettings
from somnolens.score.engine import load_reader
from somnolens.serve.staging import Look, Stager

MOST = 8
"""Readers are small; their models are in the scorers."""


class Stagers:
    """Stagers by the address of their adapter, which all share the room for nights.

    Parameters
    ----------
    look : callable
        From an adapter's address to what looks at pictures with it.
    settings : ServeSettings
    """

    def __init__(self, look: Callable[[str], Look], settings: ServeSettings) -> None:
        self._look, self._settings = look, settings
        self._kept: OrderedDict[str, Stager] = OrderedDict()
        self._nights = asyncio.Semaphore(settings.nights_at_once)

    async def get(self, adapter: str) -> Stager:
        """The stager of an adapter.

        Raises
        ------
        AdapterError
        """
        if adapter not in self._kept:
            reader = await asyncio.to_thread(load_reader, adapter)
            stager = Stager(
                reader,
                self._look(adapter),
                chunk_size=self._settings.max_batch_size,
                chunks_at_once=2 * self._settings.max_replicas,  # one under way and one waiting for each
                nights_at_once=self._nights,
            )
            self._kept.setdefault(adapter, stager)
        self._kept.move_to_end(adapter)
        while len(self._kept) > MOST:
            self._kept.popitem(last=False)
        return self._kept[adapter]

"""The adapters of one scorer: loaded beside what is at work, kept while there is room, asked in shared passes.

Knows nothing of Ray.
"""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import numpy as np

from somnolens.errors import AdapterError, BaseModelError
from somnolens.score.engine import Engine, load_engine
from somnolens.score.probe import check_answers
from somnolens.serve.scorer.batching import PictureBatcher

ONE_AT_A_TIME: Final = threading.Lock()
"""transformers patches torch while it loads a model: of two that load at once, both come out with their embeddings
untied, and so does every later one."""

PASSES_ON_CPU: Final = 2
"""At once, of half the pictures each; a GPU does one of all of them."""


class Engines:
    """Adapters by their address, the least recently asked one given up first.

    One that is given up goes on for the requests it has. Assumes one event loop.

    Parameters
    ----------
    max_batch_size : int
    batch_wait_s : float
        As in `PictureBatcher`.
    most : int
        Adapters kept in memory.
    report : callable
        Gets the number of pictures of each pass.
    load : callable
        Loads an adapter, blocking.
    """

    def __init__(
        self,
        max_batch_size: int,
        batch_wait_s: float,
        most: int,
        report: Callable[[int], None] = lambda n: None,
        load: Callable[[str], Engine] = load_engine,
    ) -> None:
        self._max_batch_size, self._batch_wait_s, self._most = max_batch_size, batch_wait_s, most
        self._report, self._load = report, load
        self._kept: OrderedDict[str, asyncio.Task[tuple[Engine, PictureBatcher]]] = OrderedDict()

    @property
    def addresses(self) -> list[str]:
        """What is in memory, the least recently asked first."""
        return list(self._kept)

    async def look(self, pictures: np.ndarray, adapter: str) -> np.ndarray:
        """What an adapter says of pictures, in passes shared with all that ask the same one.

        Raises
        ------
        AdapterError
        BaseModelError
        """
        _, batcher = await self._get(adapter)
        return await batcher.score(pictures)

    async def rehearse(self, adapter: str) -> str:
        """Load an adapter beside the others and ask it known pictures.

        Returns
        -------
        str
            What is wrong with it; empty where nothing is.
        """
        try:
            engine, _ = await self._get(adapter)
            await asyncio.to_thread(check_answers, engine)
        except (AdapterError, BaseModelError) as error:
            self._kept.pop(adapter, None)
            return str(error)
        return ""

    async def _get(self, adapter: str) -> tuple[Engine, PictureBatcher]:
        task = self._kept.get(adapter)
        if task is None:
            task = self._kept[adapter] = asyncio.create_task(asyncio.to_thread(self._start, adapter))
        self._kept.move_to_end(adapter)
        try:
            ready = await asyncio.shield(task)  # whoever asked first may leave; the others still wait
        except (AdapterError, BaseModelError):
            self._kept.pop(adapter, None)
            raise
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return ready

    def _start(self, adapter: str) -> tuple[Engine, PictureBatcher]:
        with ONE_AT_A_TIME:
            engine = self._load(adapter)

        def look(pictures: np.ndarray) -> np.ndarray:
            return engine.look(pictures, self._max_batch_size)

        look(engine.lay(np.zeros((1, *engine.style.shape_px), dtype=np.uint8)))  # the first pass is slow
        n_passes = PASSES_ON_CPU if next(engine.looker.parameters()).device.type == "cpu" else 1
        return engine, PictureBatcher(look, self._max_batch_size, self._batch_wait_s, self._report, n_passes)

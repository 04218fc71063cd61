"""Whether a scorer answers a forward pass: tried now, but once for all who ask at the same moment."""

import asyncio
import time
from typing import Final

from somnolens.serve.adapters.choice import Choice
from somnolens.serve.worker.signal_work import Work

FRESH_S: Final = 1.0
"""An answer that is younger is given again: asking often must not keep scorers busy."""


class Readiness:
    """Tries a forward pass with the default adapter.

    Parameters
    ----------
    work : Work
    choice : Choice
    """

    def __init__(self, work: Work, choice: Choice) -> None:
        self._work, self._choice = work, choice
        self._attempt: asyncio.Task[None] | None = None
        self._succeeded_at = -FRESH_S

    async def check(self) -> None:
        """Return once a scorer has answered.

        Raises
        ------
        BusyError
        AdapterError
        """
        if time.monotonic() - self._succeeded_at < FRESH_S:
            return
        if self._attempt is None or self._attempt.done():
            self._attempt = asyncio.create_task(self._work.try_look(self._choice.default.address))
        await asyncio.shield(self._attempt)  # whoever asked first may leave
        self._succeeded_at = time.monotonic()

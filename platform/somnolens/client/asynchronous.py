"""The client for programs that do many things at once."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from somnolens.aasm import Stage
from somnolens.client import asking
from somnolens.client.answers import Doubt, Explanation, Night, NightStatus, Progress, Spectrogram, Statistic
from somnolens.client.asking import Asked, ExportFormat, ReportFormat, Signals, Source
from somnolens.client.retrying import Attempts, RefusedError, Retries
from somnolens.client.synchronous import PIECE_BYTES, TIMEOUT

Answer = TypeVar("Answer")


class AsyncClient:
    """As `Client`, with methods to await.

    Examples
    --------
    >>> async with AsyncClient("http://127.0.0.1:8000", key="...") as service:  # doctest: +SKIP
    ...     nights = await asyncio.gather(*map(service.score, paths))
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        key: str | None = None,
        retries: Retries = Retries(),  # noqa: B008  (frozen)
        timeout: httpx.Timeout = TIMEOUT,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url, self._retries = url.rstrip("/"), retries
        self._http = httpx.AsyncClient(
            base_url=self.url,
            headers=asking.authorise(key),
            timeout=timeout,
            transport=transport,
            verify=asking.load_certificates(),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def score(self, source: Source, keep: bool = False, model: str = "") -> Night:
        """As `Client.score`."""
        return await self._send(asking.ask_score(source, "answer", keep, model, Night.model_validate_json))

    async def score_epochs(
        self, signals: Signals, sampling_rate_hz: float, consecutive: bool = True, model: str = ""
    ) -> Night:
        """As `Client.score_epochs`."""
        return await self._send(asking.ask_epochs(signals, sampling_rate_hz, consecutive, model))

    async def stream(self, source: Source, keep: bool = True, model: str = "") -> AsyncIterator[Progress | Night]:
        """Score a recording and hear of its progress; the last value is the night.

        A stream that breaks is taken up again: the night goes on meanwhile, and is scored once.
        """
        async for told in self._follow(asking.ask_score(source, "stream", keep, model, bytes)):
            yield told

    async def submit(self, source: Source, model: str = "") -> str:
        """Have a recording scored and kept without waiting; the id to poll."""
        return (await self._send(asking.ask_score(source, "none", None, model, NightStatus.model_validate_json))).id

    async def simulate(self, seed: int = 7, hours: float = 1.0, model: str = "") -> Night:
        """Have a night simulated, scored and kept."""
        return await self._send(asking.ask_simulated(seed, hours, "answer", model, Night.model_validate_json))

    async def poll(self, id: str) -> NightStatus:
        """How far a night is."""
        return await self._send(asking.ask_status(id))

    async def wait(self, id: str, every_s: float = 0.5) -> Night:
        """Poll a night until it is done.

        Raises
        ------
        RefusedError
            Where it failed.
        """
        while (status := await self.poll(id)).night is None:
            if status.problem:
                raise RefusedError(status.problem)
            await asyncio.sleep(every_s)
        return status.night

    async def delete(self, id: str) -> None:
        """Empty a night."""
        await self._send(asking.ask_delete(id))

    async def picture(self, id: str, epoch: int) -> bytes:
        """One epoch as the model saw it, PNG."""
        return await self._send(asking.ask_picture(id, epoch))

    async def explain(self, id: str, epoch: int, stage: Stage | None = None, heat: bool = True) -> Explanation:
        """Why an epoch got its stage, or what there is for another one; the reasons alone take no forward pass."""
        return await self._send(asking.ask_explanation(id, epoch, stage, heat))

    async def review(self, id: str) -> list[Doubt]:
        """Epochs that a person should look at, the most doubtful first."""
        return await self._send(asking.ask_review(id))

    async def statistics(self, id: str, corrected: bool = True) -> list[Statistic]:
        """Statistics of the night beside what is usual."""
        return await self._send(asking.ask_statistics(id, corrected))

    async def spectrogram(self, id: str) -> Spectrogram:
        """Power by time and frequency."""
        return await self._send(asking.ask_spectrogram(id))

    async def report(self, id: str, format: ReportFormat = "html", age: int | None = None) -> bytes:
        """The morning report."""
        return await self._send(asking.ask_report(id, format, age))

    async def export(self, id: str, format: ExportFormat = "edf", corrected: bool = True) -> bytes:
        """The hypnogram: EDF+ annotations, CSV, JSON, or a zip of the files of BIDS."""
        return await self._send(asking.ask_export(id, format, corrected))

    async def corrections(self, id: str) -> dict[int, Stage]:
        """Stages that a person gave in the place of the model's, by epoch."""
        return await self._send(asking.ask_corrections(id))

    async def correct(self, id: str, scorer: str, stages: Mapping[int, Stage]) -> dict[int, Stage]:
        """Replace all corrections of a night."""
        return await self._send(asking.ask_correct(id, scorer, stages))

    async def model(self) -> dict[str, Any]:
        """What the service scores with."""
        return await self._send(asking.ask_model())

    async def models(self) -> list[dict[str, Any]]:
        """The adapters that `model` may name, the default first."""
        return await self._send(asking.ask_models())

    async def drift(self, model: str = "") -> dict[str, Any]:
        """Whether the newest nights look like those that the adapter was validated on."""
        return await self._send(asking.ask_drift(model))

    async def _send(self, asked: Asked[Answer]) -> Answer:
        attempts = Attempts(self._retries, self.url)
        while True:
            try:
                answer = await self._http.request(**asked.describe(), content=give_body(asked.body))
            except httpx.TransportError as error:
                wait_s = attempts.judge_loss(error)
            else:
                if answer.is_success:
                    return asked.parse(answer.content)
                wait_s = attempts.judge_answer(answer)
            await asyncio.sleep(wait_s)

    async def _follow(self, asked: Asked[bytes]) -> AsyncIterator[Progress | Night]:
        attempts = Attempts(self._retries, self.url)
        while True:
            try:
                async with self._http.stream(**asked.describe(), content=give_body(asked.body)) as answer:
                    if answer.is_success:
                        async for line in answer.aiter_lines():
                            told = asking.read_line(line)
                            yield told
                            if isinstance(told, Night):
                                return
                        raise httpx.RemoteProtocolError("the stream ended before the night was done")
                    await answer.aread()
                    wait_s = attempts.judge_answer(answer)
            except httpx.TransportError as error:
                wait_s = attempts.judge_loss(error)
            except RefusedError as error:
                wait_s = attempts.judge_failure(error)
            await asyncio.sleep(wait_s)


def give_body(body: Path | bytes | None) -> AsyncIterator[bytes] | bytes | None:
    """As for the other client; a file is read in threads."""
    return read_pieces(body) if isinstance(body, Path) else body


async def read_pieces(path: Path) -> AsyncIterator[bytes]:
    """A file in pieces."""
    with path.open("rb") as stream:
        while piece := await asyncio.to_thread(stream.read, PIECE_BYTES):
            yield piece

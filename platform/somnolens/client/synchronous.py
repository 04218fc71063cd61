"""The client for programs that do one thing after the other."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx

from somnolens.aasm import Stage
from somnolens.client import asking
from somnolens.client.answers import Doubt, Explanation, Night, NightStatus, Progress, Spectrogram, Statistic
from somnolens.client.asking import Asked, ExportFormat, ReportFormat, Signals, Source
from somnolens.client.retrying import Attempts, RefusedError, Retries

TIMEOUT: Final = httpx.Timeout(900.0, connect=10.0)
"""A whole night may wait behind others."""

PIECE_BYTES: Final = 2**20

Answer = TypeVar("Answer")


class Client:
    """The service at an address.

    What it is too busy for now, and what is lost on the way, is asked again; a recording is scored once, however
    often it had to be sent.

    Parameters
    ----------
    url : str
    key : str, optional
        API key.
    retries : Retries
    timeout : httpx.Timeout
    transport : httpx.BaseTransport, optional
        In place of the network.

    Examples
    --------
    >>> with Client("http://127.0.0.1:8000", key="...") as service:  # doctest: +SKIP
    ...     night = service.score("night.edf", keep=True)
    ...     service.explain(night.id, 120).evidence_for
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        key: str | None = None,
        retries: Retries = Retries(),  # noqa: B008  (frozen)
        timeout: httpx.Timeout = TIMEOUT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url, self._retries = url.rstrip("/"), retries
        self._http = httpx.Client(
            base_url=self.url,
            headers=asking.authorise(key),
            timeout=timeout,
            transport=transport,
            verify=asking.load_certificates(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def score(self, source: Source, keep: bool = False, model: str = "") -> Night:
        """Score a recording and wait for it.

        Parameters
        ----------
        source : Path, str or bytes
            A file, the URL of one in a bucket that the service may read, or the bytes of one.
        keep : bool
            Whether it can be asked about afterwards, under `Night.id`.
        model : str
            Adapter by name; without, the default.

        Raises
        ------
        RefusedError
            With the service's own sentence.
        ServiceError
            Where it cannot be reached.
        """
        return self._send(asking.ask_score(source, "answer", keep, model, Night.model_validate_json))

    def score_epochs(
        self, signals: Signals, sampling_rate_hz: float, consecutive: bool = True, model: str = ""
    ) -> Night:
        """Score epochs of 30 s given as numbers.

        Parameters
        ----------
        signals : mapping of str to array, shape (n_epochs, n_samples)
            By derivation, in microvolts.
        sampling_rate_hz : float
        consecutive : bool
            They follow each other without a gap, and are read together as a night is.
        model : str
        """
        return self._send(asking.ask_epochs(signals, sampling_rate_hz, consecutive, model))

    def stream(self, source: Source, keep: bool = True, model: str = "") -> Iterator[Progress | Night]:
        """Score a recording and hear of its progress; the last value is the night.

        A stream that breaks is taken up again: the night goes on meanwhile, and is scored once.
        """
        yield from self._follow(asking.ask_score(source, "stream", keep, model, bytes))

    def submit(self, source: Source, model: str = "") -> str:
        """Have a recording scored and kept without waiting; the id to poll."""
        return self._send(asking.ask_score(source, "none", None, model, NightStatus.model_validate_json)).id

    def simulate(self, seed: int = 7, hours: float = 1.0, model: str = "") -> Night:
        """Have a night simulated, scored and kept."""
        return self._send(asking.ask_simulated(seed, hours, "answer", model, Night.model_validate_json))

    def poll(self, id: str) -> NightStatus:
        """How far a night is."""
        return self._send(asking.ask_status(id))

    def wait(self, id: str, every_s: float = 0.5) -> Night:
        """Poll a night until it is done.

        Raises
        ------
        RefusedError
            Where it failed.
        """
        while (status := self.poll(id)).night is None:
            if status.problem:
                raise RefusedError(status.problem)
            time.sleep(every_s)
        return status.night

    def delete(self, id: str) -> None:
        """Empty a night."""
        self._send(asking.ask_delete(id))

    def picture(self, id: str, epoch: int) -> bytes:
        """One epoch as the model saw it, PNG."""
        return self._send(asking.ask_picture(id, epoch))

    def explain(self, id: str, epoch: int, stage: Stage | None = None, heat: bool = True) -> Explanation:
        """Why an epoch got its stage, or what there is for another one; the reasons alone take no forward pass."""
        return self._send(asking.ask_explanation(id, epoch, stage, heat))

    def review(self, id: str) -> list[Doubt]:
        """Epochs that a person should look at, the most doubtful first."""
        return self._send(asking.ask_review(id))

    def statistics(self, id: str, corrected: bool = True) -> list[Statistic]:
        """Statistics of the night beside what is usual."""
        return self._send(asking.ask_statistics(id, corrected))

    def spectrogram(self, id: str) -> Spectrogram:
        """Power by time and frequency."""
        return self._send(asking.ask_spectrogram(id))

    def report(self, id: str, format: ReportFormat = "html", age: int | None = None) -> bytes:
        """The morning report."""
        return self._send(asking.ask_report(id, format, age))

    def export(self, id: str, format: ExportFormat = "edf", corrected: bool = True) -> bytes:
        """The hypnogram: EDF+ annotations, CSV, JSON, or a zip of the files of BIDS."""
        return self._send(asking.ask_export(id, format, corrected))

    def corrections(self, id: str) -> dict[int, Stage]:
        """Stages that a person gave in the place of the model's, by epoch."""
        return self._send(asking.ask_corrections(id))

    def correct(self, id: str, scorer: str, stages: Mapping[int, Stage]) -> dict[int, Stage]:
        """Replace all corrections of a night."""
        return self._send(asking.ask_correct(id, scorer, stages))

    def model(self) -> dict[str, Any]:
        """What the service scores with."""
        return self._send(asking.ask_model())

    def models(self) -> list[dict[str, Any]]:
        """The adapters that `model` may name, the default first."""
        return self._send(asking.ask_models())

    def drift(self, model: str = "") -> dict[str, Any]:
        """Whether the newest nights look like those that the adapter was validated on."""
        return self._send(asking.ask_drift(model))

    def _send(self, asked: Asked[Answer]) -> Answer:
        attempts = Attempts(self._retries, self.url)
        while True:
            try:
                answer = self._http.request(**asked.describe(), content=give_body(asked.body))
            except httpx.TransportError as error:
                wait_s = attempts.judge_loss(error)
            else:
                if answer.is_success:
                    return asked.parse(answer.content)
                wait_s = attempts.judge_answer(answer)
            time.sleep(wait_s)

    def _follow(self, asked: Asked[bytes]) -> Iterator[Progress | Night]:
        attempts = Attempts(self._retries, self.url)
        while True:
            try:
                with self._http.stream(**asked.describe(), content=give_body(asked.body)) as answer:
                    if answer.is_success:
                        for line in answer.iter_lines():
                            told = asking.read_line(line)
                            yield told
                            if isinstance(told, Night):
                                return
                        raise httpx.RemoteProtocolError("the stream ended before the night was done")
                    answer.read()
                    wait_s = attempts.judge_answer(answer)
            except httpx.TransportError as error:
                wait_s = attempts.judge_loss(error)
            except RefusedError as error:
                wait_s = attempts.judge_failure(error)
            time.sleep(wait_s)


def give_body(body: Path | bytes | None) -> Iterator[bytes] | bytes | None:
    """A body as httpx takes it; a file is read in pieces, from its beginning for each try."""
    return read_pieces(body) if isinstance(body, Path) else body


def read_pieces(path: Path) -> Iterator[bytes]:
    """A file in pieces."""
    with path.open("rb") as stream:
        while piece := stream.read(PIECE_BYTES):
            yield piece

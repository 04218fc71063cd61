"""The work of the service on signals: stage nights, and answer what is asked of those that are kept.

Knows nothing of HTTP and nothing of Ray: an ingress reaches it in its own process or through a handle of Ray. What
can go wrong comes back as a problem document and is not raised: an error that crosses processes loses its kind.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

from somnolens.config import ServeSettings, SimulateSettings
from somnolens.report.morning import Seen
from somnolens.score.night import ScoredNight
from somnolens.score.reader import N_STAGES, NightReader
from somnolens.serve.adapters.catalogue import name_adapter
from somnolens.serve.messages.answers import Format, Told, describe_night, tell_night
from somnolens.serve.messages.chat import ChatRequest, describe_completion, find_picture, read_picture
from somnolens.serve.messages.problems import BusyError, Caught, describe_problem
from somnolens.serve.messages.schema import Drift
from somnolens.serve.monitoring.watch import Watch
from somnolens.serve.nights.kept import Shelf, write_kept
from somnolens.serve.nights.store import ANSWER, RECORD, UPLOAD, NightRecord, NightStore, Step, UnknownNightError
from somnolens.serve.worker.exports import QUESTIONS
from somnolens.serve.worker.fetching import fetch_recording
from somnolens.serve.worker.questions import Asked, ThreadLook
from somnolens.serve.worker.signals import parse_json, parse_npy
from somnolens.serve.worker.staging import Stagers
from somnolens.simulate.night import simulate_subject

SHARES: Final = {"reading": (0.0, 0.1), "looking": (0.1, 0.8), "finishing": (0.9, 0.1)}
"""Where in the progress of a night each state begins, and how much of it it is."""

LEAST_STEP: Final = 0.01
"""Progress that is worth telling."""


@dataclass(frozen=True)
class SentSignals:
    """Epochs as numbers, as they came; JSON where no derivations are named."""

    body: bytes
    adapter: str
    derivations: tuple[str, ...] = ()
    sampling_rate_hz: float = 100.0
    consecutive: bool = True


class Work(Protocol):
    """What an ingress asks of whoever works on signals."""

    def stage(self, id: str) -> AsyncIterator[Step]:
        """Stage a night of the store; the last step says whether it is done or has failed."""

    async def stage_signals(self, sent: SentSignals, wanted: Format) -> Told:
        """Stage epochs sent as numbers; nothing is kept."""

    async def answer(self, id: str, question: str, wanted: dict[str, Any]) -> Told:
        """Answer a question of `exports.QUESTIONS` about a night that is done."""

    async def answer_chat(self, asked: ChatRequest, adapter: str) -> Told:
        """Answer a conversation about one picture."""

    async def tell_drift(self, adapter: str) -> Drift:
        """How the newest nights of an adapter stand to its profile."""

    async def try_look(self, adapter: str) -> None:
        """Have one empty picture looked at."""


class SignalWork:
    """Work done in this process, with a scorer that may be elsewhere.

    Parameters
    ----------
    stagers : Stagers
    store : NightStore
    settings : ServeSettings
    watch : Watch
        Sees every night that is staged.
    """

    def __init__(self, stagers: Stagers, store: NightStore, settings: ServeSettings, watch: Watch) -> None:
        self._stagers, self._store, self._settings, self._watch = stagers, store, settings, watch
        self._shelf = Shelf(store)

    async def stage(self, id: str) -> AsyncIterator[Step]:
        """Steps of a night; one that another worker finished before it was lost is not staged again."""
        told: asyncio.Queue[Step | None] = asyncio.Queue()
        task = asyncio.create_task(self._stage(id, told.put_nowait))
        task.add_done_callback(lambda _: told.put_nowait(None))
        try:
            while step := await told.get():
                yield step
            yield task.result()
        finally:
            task.cancel()

    async def _stage(self, id: str, tell: Callable[[Step], None]) -> Step:
        if finished := await asyncio.to_thread(self._store.tell_outcome, id):
            return finished
        with Caught() as caught:
            await self._stage_now(id, tell)
        step = Step("failed", 1.0, describe_problem(caught.error)) if caught.error else Step("done", 1.0)
        if not isinstance(caught.error, BusyError):  # whoever sent it may try again
            await asyncio.to_thread(self._store.finish, id, step)
        return step

    async def _stage_now(self, id: str, tell: Callable[[Step], None]) -> None:
        record = await self._find(id)
        stager = await self._stagers.get(record.adapter)
        last = -1.0

        def report(state: str, share: float) -> None:
            nonlocal last
            begin, part = SHARES[state]
            if share == 0 or begin + share * part - last >= LEAST_STEP:
                last = begin + share * part
                tell(Step(state, round(last, 3)))

        def finish(seen: Seen, scored: ScoredNight) -> None:
            write_kept(self._store, id, _rename(seen, record), scored, record.keep)
            night = describe_night(scored, id if record.keep else None)
            self._store.write(id, ANSWER, night.model_dump_json().encode())
            if not self._store.has(id, RECORD):  # deleted meanwhile, and nobody may be left to wait for this
                self._store.remove(id)
                return
            self._watch.note(record.adapter, stager.reader, scored)

        with tempfile.TemporaryDirectory(prefix="somnolens-") as folder:
            await stager.stage_recording(lambda: self._bring(record, Path(folder)), finish, report)

    async def _find(self, id: str) -> NightRecord:
        record = await asyncio.to_thread(self._store.find, id)
        if record is None:
            raise UnknownNightError(f"Night {id!r} was deleted meanwhile. Send the recording again.")
        return record

    def _bring(self, record: NightRecord, folder: Path) -> Path:
        """The recording on this machine: uploaded, simulated, or fetched."""
        if "seed" in record.source:
            settings = SimulateSettings(n_subjects=1, seed=record.source["seed"], hours=record.source["hours"])
            return simulate_subject(0, settings, folder)
        if "url" in record.source:
            return fetch_recording(record.source["url"], folder / UPLOAD, self._settings)
        return self._store.bring_upload(record.id, folder)

    async def stage_signals(self, sent: SentSignals, wanted: Format) -> Told:
        """Stage epochs sent as numbers, and write the answer."""
        with Caught() as caught:
            parsed = await asyncio.to_thread(_parse, sent)
            stager = await self._stagers.get(sent.adapter)
            night = await stager.stage_signals(*parsed)
            return await asyncio.to_thread(tell_night, night, wanted)
        return Told.of_problem(describe_problem(caught.error))

    async def answer(self, id: str, question: str, wanted: dict[str, Any]) -> Told:
        """Answer a question about a night that is done, in a thread; forward passes go to the scorer."""
        with Caught() as caught:
            record = await self._find(id)
            stager = await self._stagers.get(record.adapter)
            with ThreadLook(stager.look_at_pictures) as look:
                return await asyncio.to_thread(self._think, id, question, wanted, stager.reader, look)
        return Told.of_problem(describe_problem(caught.error))

    def _think(self, id: str, question: str, wanted: dict[str, Any], reader: NightReader, look: ThreadLook) -> Told:
        """In a thread; the adapter that staged a night answers for it, whichever is the default now."""
        asked = Asked(self._shelf.take(id), self._store.read_corrections(id), reader, look, wanted)
        return QUESTIONS[question](asked)

    async def answer_chat(self, asked: ChatRequest, adapter: str) -> Told:
        """Answer a conversation about one picture."""
        with Caught() as caught:
            stager = await self._stagers.get(adapter)
            picture = await asyncio.to_thread(lambda: read_picture(find_picture(asked), stager.reader.style))
            said = (await stager.look_at_pictures(stager.reader.lay(picture)))[:, :N_STAGES]
            told = stager.reader.calibrate_pictures(said)[0]
            return Told.of_json(describe_completion(asked, name_adapter(adapter), told))
        return Told.of_problem(describe_problem(caught.error))

    async def tell_drift(self, adapter: str) -> Drift:
        """How the newest nights of an adapter stand to its profile."""
        return self._watch.tell(adapter, (await self._stagers.get(adapter)).reader)

    async def try_look(self, adapter: str) -> None:
        """Have one empty picture looked at."""
        await (await self._stagers.get(adapter)).try_look()


def _rename(seen: Seen, record: NightRecord) -> Seen:
    """A simulated night goes by its seed, all others by what an upload is called."""
    name = f"simulated-{record.source['seed']}" if "seed" in record.source else "night"
    return replace(seen, epochs=replace(seen.epochs, night=name))


def _parse(sent: SentSignals) -> Any:
    if not sent.derivations:
        return parse_json(sent.body)
    return parse_npy(sent.body, sent.derivations, sent.sampling_rate_hz, sent.consecutive)

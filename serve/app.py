"""The Ray Serve application: an ingress that takes bytes, workers that read and draw, scorers that look.

No postponed annotations in this file: Ray must see the type of the builder's settings.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import numpy as np
from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayActorError, RayTaskError
from ray.serve import Application
from ray.serve.config import AutoscalingConfig
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle, DeploymentResponse
from ray.util.metrics import Histogram

from somnolens.config import ServeSettings
from somnolens.errors import SomnolensError
from somnolens.importing import at_rest
from somnolens.score.reader import load_reader
from somnolens.serve.access.gate import Companion, Gate
from somnolens.serve.access.keys import KeySource, check_keys
from somnolens.serve.access.limits import Counters
from somnolens.serve.adapters.catalogue import Catalogue, settle_addresses
from somnolens.serve.adapters.choice import Choice
from somnolens.serve.ingress.api import create_api
from somnolens.serve.messages.answers import Format, Told
from somnolens.serve.messages.chat import ChatRequest
from somnolens.serve.messages.problems import BusyError
from somnolens.serve.messages.schema import Drift
from somnolens.serve.monitoring.meters import NightMeters, RequestMeters
from somnolens.serve.monitoring.watch import Watch
from somnolens.serve.nights.store import Step, name_folder, open_store
from somnolens.serve.worker.signal_work import SentSignals, SignalWork
from somnolens.serve.worker.staging import Stagers

logger = logging.getLogger("ray.serve")

MOST_TRIES = 3
"""Looking at pictures changes nothing, so a chunk whose replica is lost goes to another one; so does a night, whose
upload is in the store until it is done."""

LEAST_LOOK_BACK_S = 12.0
"""Requests under way are averaged over so long at least; Ray counts them every ten seconds."""

ROOM_TO_REFUSE = 40
"""Requests that an ingress takes beyond those it works on, to refuse them in its own words and at once."""

REHEARSAL_S = 300.0
"""A large model is loaded in it."""

STAND_BACK = 4
"""Steps of `nice` by which those who compute stand behind those who answer, so that a full machine refuses at once.
Ray starts all of its workers 15 steps down; there are 19."""

WORKER_REQUESTS = 200
"""Under way in one worker; nights wait in it for their turn, while pictures and small questions pass."""


def build(settings: ServeSettings) -> Application:
    """Build the application; `serve run` and `serve deploy` give the settings as `args`.

    Raises
    ------
    AdapterError
        At once, rather than in a replica.
    ServiceError
        Where there are no keys, and nobody said that none are wanted.
    """
    check_keys(settings)
    settings = settle_addresses(name_folder(settings))
    load_reader(Catalogue.from_settings(settings).find_default())
    scorer = Scorer.options(
        autoscaling_config=AutoscalingConfig(
            min_replicas=settings.min_replicas,
            max_replicas=settings.max_replicas,
            target_ongoing_requests=settings.target_ongoing_requests,
            upscale_delay_s=settings.upscale_delay_s,
            downscale_delay_s=settings.downscale_delay_s,
            look_back_period_s=max(settings.upscale_delay_s, LEAST_LOOK_BACK_S),
        ),
        ray_actor_options={"num_cpus": settings.cpus_per_replica, "num_gpus": settings.gpus_per_replica},
        max_ongoing_requests=2 * settings.max_batch_size,  # single epochs fill one pass while another runs
    ).bind(settings)
    ingress = Ingress.options(
        num_replicas=settings.ingress_replicas,
        max_queued_requests=settings.max_queued_requests,
        max_ongoing_requests=settings.requests_at_once + ROOM_TO_REFUSE,
    )
    worker = SignalWorker.options(num_replicas=settings.worker_replicas)
    return ingress.bind(settings, worker.bind(settings, scorer), scorer)


@serve.deployment
class Scorer:
    """Looks at pictures, in forward passes shared by all requests that want the same adapter.

    Parameters
    ----------
    settings : ServeSettings
    """

    async def __init__(self, settings: ServeSettings) -> None:
        with at_rest():
            from somnolens.serve.scorer.engines import Engines  # brings torch, which scorers alone need

        os.nice(STAND_BACK)
        per_pass = Histogram("somnolens_pictures_per_pass", boundaries=[1, 2, 4, 8, 16, 32, 64, 128, 256])
        self._engines = Engines(
            settings.max_batch_size, settings.batch_wait_s, settings.models_in_memory, per_pass.observe
        )
        adapter = await asyncio.to_thread(Catalogue.from_settings(settings).find_default)
        if fault := await self._engines.rehearse(adapter):  # a promotion is tried elsewhere; this one may come later
            logger.error("%s cannot be used: %s", adapter, fault)

    async def score(self, pictures: np.ndarray, adapter: str) -> np.ndarray:
        """What an adapter says of palette pictures, ndarray of uint8, shape (n, height_px, width_px)."""
        return await self._engines.look(pictures, adapter)

    async def rehearse(self, adapter: str) -> str:
        """As `Engines.rehearse`."""
        return await self._engines.rehearse(adapter)


@serve.deployment(ray_actor_options={"num_cpus": 1}, max_ongoing_requests=WORKER_REQUESTS)
class SignalWorker:
    """Works on signals: reads, prepares, draws, explains, reports; never loads the model.

    Parameters
    ----------
    settings : ServeSettings
    scorer : DeploymentHandle
    """

    def __init__(self, settings: ServeSettings, scorer: DeploymentHandle) -> None:
        os.nice(STAND_BACK)
        self._scorer = scorer
        stagers = Stagers(lambda adapter: partial(self._look, adapter=adapter), settings)
        self._work = SignalWork(stagers, open_store(settings), settings, Watch(settings, NightMeters()))

    async def stage(self, id: str) -> AsyncIterator[Step]:
        """As `SignalWork.stage`."""
        async for step in self._work.stage(id):
            yield step

    async def stage_signals(self, sent: SentSignals, wanted: Format) -> Told:
        """As `SignalWork.stage_signals`."""
        return await self._work.stage_signals(sent, wanted)

    async def answer(self, id: str, question: str, wanted: dict[str, Any]) -> Told:
        """As `SignalWork.answer`."""
        return await self._work.answer(id, question, wanted)

    async def answer_chat(self, asked: ChatRequest, adapter: str) -> Told:
        """As `SignalWork.answer_chat`."""
        return await self._work.answer_chat(asked, adapter)

    async def tell_drift(self, adapter: str) -> Drift:
        """As `SignalWork.tell_drift`."""
        return await self._work.tell_drift(adapter)

    async def try_look(self, adapter: str) -> None:
        """As `SignalWork.try_look`."""
        await self._work.try_look(adapter)

    async def _look(self, pictures: np.ndarray, adapter: str) -> np.ndarray:
        for _ in range(MOST_TRIES):
            try:
                return await _wait_for(self._scorer.score.remote(pictures, adapter))
            except RayActorError:
                continue
            except RayTaskError as error:
                if isinstance(error.cause, SomnolensError):  # with its own sentence, and without the trace
                    raise error.cause from None
                raise
            except (BackPressureError, DeploymentUnavailableError):
                raise BusyError("Every scorer is taken. Send the request again in a few seconds.") from None
        raise BusyError(f"{MOST_TRIES} scorers were lost while they looked. Send the request again.")


class RemoteWork:
    """The work of whichever worker has room, given to another one where that is lost.

    Parameters
    ----------
    worker : DeploymentHandle
    """

    def __init__(self, worker: DeploymentHandle) -> None:
        self._worker, self._streaming = worker, worker.options(stream=True)

    async def stage(self, id: str) -> AsyncIterator[Step]:
        """As `Work.stage`; a night that a lost worker had finished is not staged again, since the store says so."""
        for _ in range(MOST_TRIES):
            steps = self._streaming.stage.remote(id)
            try:
                async for step in steps:
                    yield step
                return
            except RayActorError:
                continue
            except (BackPressureError, DeploymentUnavailableError):
                break
            finally:
                steps.cancel()  # where whoever listened has left
        raise BusyError("No worker could stage the night. Send the request again in a few seconds.")

    async def stage_signals(self, sent: SentSignals, wanted: Format) -> Told:
        """As `Work.stage_signals`."""
        return await self._call("stage_signals", sent, wanted)

    async def answer(self, id: str, question: str, wanted: dict[str, Any]) -> Told:
        """As `Work.answer`."""
        return await self._call("answer", id, question, wanted)

    async def answer_chat(self, asked: ChatRequest, adapter: str) -> Told:
        """As `Work.answer_chat`."""
        return await self._call("answer_chat", asked, adapter)

    async def tell_drift(self, adapter: str) -> Drift:
        """As `Work.tell_drift`."""
        return await self._call("tell_drift", adapter)

    async def try_look(self, adapter: str) -> None:
        """As `Work.try_look`."""
        await self._call("try_look", adapter)

    async def _call(self, method: str, *arguments: Any) -> Any:
        for _ in range(MOST_TRIES):
            try:
                return await _wait_for(getattr(self._worker, method).remote(*arguments))
            except RayActorError:
                continue
            except (BackPressureError, DeploymentUnavailableError):
                break
        raise BusyError("No worker could answer. Send the request again in a few seconds.")


async def _wait_for(response: DeploymentResponse) -> Any:
    """What a replica answers; it need not go on where nobody waits any longer."""
    try:
        return await response
    except asyncio.CancelledError:
        response.cancel()
        raise


@serve.deployment(ray_actor_options={"num_cpus": 0})
@serve.ingress()
class Ingress:
    """Answers HTTP: takes bytes, checks, hands on and answers, so that slow uploads hold nobody else.

    Parameters
    ----------
    settings : ServeSettings
    worker, scorer : DeploymentHandle
    """

    def __init__(self, settings: ServeSettings, worker: DeploymentHandle, scorer: DeploymentHandle) -> None:
        self._settings, self._work, self._store = settings, RemoteWork(worker), open_store(settings)
        self._scorer, self._counters = scorer, Counters(settings.requests_at_once)
        self._meters = RequestMeters(lambda: self._counters.n_under_way)
        self._choice = Choice(Catalogue.from_settings(settings), self._rehearse, self._meters.note_change)

    def __serve_build_asgi_app__(self) -> FastAPI:
        """The application that Ray puts behind its proxy."""
        settings = self._settings
        api = create_api(self._work, self._store, self._choice, settings)
        api.add_middleware(Companion, run=partial(self._choice.follow_always, settings.registry_poll_s))
        api.add_middleware(
            Gate,
            settings=settings,
            keys=KeySource(settings.keys_file),
            counters=self._counters,
            report=self._meters.note_request,
            echo_request_id=False,
        )
        return api

    async def _rehearse(self, adapter: str) -> list[str]:
        """In every scorer there is; in a new one where all are scaled away."""
        told = await self._scorer.broadcast("rehearse", adapter).results_async(timeout_s=REHEARSAL_S)
        return told or [await self._scorer.rehearse.remote(adapter)]

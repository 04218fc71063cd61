"""The Ray Serve application: an ingress that takes bytes, workers that read and draw, scorers that look.

No postponed annotations in this file: Ray must see the type of the builder's settings.
"""

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayActorError
from ray.serve import Application
from ray.serve.config import AutoscalingConfig
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle
from ray.util.metrics import Histogram

from somnolens.config import ServeSettings
from somnolens.model.registry import pin_adapter
from somnolens.score.engine import load_engine, load_reader
from somnolens.serve.answers import Format, describe_model
from somnolens.serve.api import create_api
from somnolens.serve.batching import PictureBatcher
from somnolens.serve.nights import Step, name_folder, open_store
from somnolens.serve.problems import BusyError
from somnolens.serve.staging import Stager
from somnolens.serve.told import Told
from somnolens.serve.work import SentSignals, SignalWork

MOST_TRIES = 3
"""Looking at pictures changes nothing, so a chunk whose replica is lost goes to another one; so does a night, whose
upload is in the store until it is done."""

INGRESS_REQUESTS = 100
"""Under way in one ingress replica; most of them wait for a worker."""

WORKER_REQUESTS = 200
"""Under way in one worker; nights wait in it for their turn, while pictures and small questions pass."""


def build(settings: ServeSettings) -> Application:
    """Build the application; `serve run` and `serve deploy` give the settings as `args`.

    Raises
    ------
    AdapterError
        At once, rather than in a replica.
    """
    settings = name_folder(settings)
    settings = settings.model_copy(update={"adapter": pin_adapter(settings.adapter)})  # one for all replicas
    load_reader(settings.adapter)
    scorer = Scorer.options(
        autoscaling_config=AutoscalingConfig(
            min_replicas=settings.min_replicas,
            max_replicas=settings.max_replicas,
            target_ongoing_requests=settings.target_ongoing_requests,
        ),
        ray_actor_options={"num_cpus": settings.cpus_per_replica, "num_gpus": settings.gpus_per_replica},
        max_ongoing_requests=2 * settings.max_batch_size,  # single epochs fill one pass while another runs
    )
    ingress = Ingress.options(
        num_replicas=settings.ingress_replicas,
        max_queued_requests=settings.max_queued_requests,
    )
    worker = SignalWorker.options(num_replicas=settings.worker_replicas)
    return ingress.bind(settings, worker.bind(settings, scorer.bind(settings)))


@serve.deployment
class Scorer:
    """Looks at pictures, in forward passes shared by all requests.

    Parameters
    ----------
    settings : ServeSettings
    """

    def __init__(self, settings: ServeSettings) -> None:
        engine = load_engine(settings.adapter)
        per_pass = Histogram("somnolens_pictures_per_pass", boundaries=[1, 2, 4, 8, 16, 32, 64, 128, 256])

        def look(pictures: np.ndarray) -> np.ndarray:
            return engine.look(pictures, settings.max_batch_size)

        look(engine.lay(engine.style.background[None]))  # the first pass is slow
        self._batcher = PictureBatcher(look, settings.max_batch_size, settings.batch_wait_s, per_pass.observe)

    async def score(self, pictures: np.ndarray) -> np.ndarray:
        """Probabilities, shape (n, 5), of palette pictures, ndarray of uint8, shape (n, height_px, width_px)."""
        return await self._batcher.score(pictures)


@serve.deployment(ray_actor_options={"num_cpus": 1}, max_ongoing_requests=WORKER_REQUESTS)
class SignalWorker:
    """Works on signals: reads, prepares, draws, explains, reports; never loads the model.

    Parameters
    ----------
    settings : ServeSettings
    scorer : DeploymentHandle
    """

    def __init__(self, settings: ServeSettings, scorer: DeploymentHandle) -> None:
        self._scorer = scorer
        stager = Stager(
            load_reader(settings.adapter),
            self._look,
            chunk_size=settings.max_batch_size,
            chunks_at_once=2 * settings.max_replicas,  # one under way and one waiting for each
            nights_at_once=settings.nights_at_once,
        )
        self._work = SignalWork(stager, open_store(settings), settings)

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

    async def try_look(self) -> None:
        """As `SignalWork.try_look`."""
        await self._work.try_look()

    async def _look(self, pictures: np.ndarray) -> np.ndarray:
        for _ in range(MOST_TRIES):
            try:
                return await self._scorer.score.remote(pictures)
            except RayActorError:
                continue
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

    async def try_look(self) -> None:
        """As `Work.try_look`."""
        await self._call("try_look")

    async def _call(self, method: str, *arguments: Any) -> Any:
        for _ in range(MOST_TRIES):
            try:
                return await getattr(self._worker, method).remote(*arguments)
            except RayActorError:
                continue
            except (BackPressureError, DeploymentUnavailableError):
                break
        raise BusyError("No worker could answer. Send the request again in a few seconds.")


@serve.deployment(ray_actor_options={"num_cpus": 0}, max_ongoing_requests=INGRESS_REQUESTS)
@serve.ingress()
class Ingress:
    """Answers HTTP: takes bytes, checks, hands on and answers, so that slow uploads hold nobody else.

    Parameters
    ----------
    settings : ServeSettings
    worker : DeploymentHandle
    """

    def __init__(self, settings: ServeSettings, worker: DeploymentHandle) -> None:
        self._settings, self._work, self._store = settings, RemoteWork(worker), open_store(settings)
        self._card = describe_model(load_reader(settings.adapter), settings.adapter)

    def __serve_build_asgi_app__(self) -> FastAPI:
        """The application that Ray puts behind its proxy."""
        return create_api(self._work, self._store, self._card, self._settings)

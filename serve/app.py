"""The Ray Serve application: an ingress that reads and draws, scorers that look.

No postponed annotations in this file: Ray must see the type of the builder's settings.
"""

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
from somnolens.serve.api import create_api
from somnolens.serve.batching import PictureBatcher
from somnolens.serve.problems import BusyError
from somnolens.serve.staging import Stager

MOST_TRIES = 3
"""Looking at pictures changes nothing, so a chunk whose replica is lost goes to another one."""

INGRESS_REQUESTS = 100
"""Under way in one ingress replica; most of them wait for a scorer."""


def build(settings: ServeSettings) -> Application:
    """Build the application; `serve run` and `serve deploy` give the settings as `args`.

    Raises
    ------
    AdapterError
        At once, rather than in a replica.
    """
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
    return ingress.bind(settings, scorer.bind(settings))


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

        look(engine.style.background[None])  # the first pass is slow
        self._batcher = PictureBatcher(look, settings.max_batch_size, settings.batch_wait_s, per_pass.observe)

    async def score(self, pictures: np.ndarray) -> np.ndarray:
        """Probabilities, shape (n, 5), of palette pictures, ndarray of uint8, shape (n, height_px, width_px)."""
        return await self._batcher.score(pictures)


@serve.deployment(ray_actor_options={"num_cpus": 1}, max_ongoing_requests=INGRESS_REQUESTS)
@serve.ingress()
class Ingress:
    """Answers HTTP: reads, prepares, draws and reports, and never loads the model.

    Parameters
    ----------
    settings : ServeSettings
    scorer : DeploymentHandle
    """

    def __init__(self, settings: ServeSettings, scorer: DeploymentHandle) -> None:
        self._settings, self._scorer = settings, scorer
        self._stager = Stager(
            load_reader(settings.adapter),
            self._look,
            chunk_size=settings.max_batch_size,
            chunks_at_once=2 * settings.max_replicas,  # one under way and one waiting for each
            nights_at_once=settings.nights_at_once,
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        """The application that Ray puts behind its proxy."""
        return create_api(self._stager, self._settings)

    async def _look(self, pictures: np.ndarray) -> np.ndarray:
        for _ in range(MOST_TRIES):
            try:
                return await self._scorer.score.remote(pictures)
            except RayActorError:
                continue
            except (BackPressureError, DeploymentUnavailableError):
                raise BusyError("Every scorer is taken. Send the request again in a few seconds.") from None
        raise BusyError(f"{MOST_TRIES} scorers were lost while they looked. Send the request again.")

"""What the service counts, for Prometheus, beside what Ray counts by itself.

Names begin with `ray_somnolens_` where they are scraped. No label holds anything that a client has chosen, but the
name of its key, which an admin has given.
"""

from collections.abc import Callable

import numpy as np
from ray.util.metrics import Counter, Gauge, Histogram

from somnolens.aasm import STAGES
from somnolens.score.night import ScoredNight
from somnolens.score.profile import Departure
from somnolens.score.review import DOUBTFUL, list_reviews
from somnolens.serve.access.gate import Passage

SECONDS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300]


class RequestMeters:
    """Of an ingress: requests by client and status, problems by kind, what is under way, promotions.

    Parameters
    ----------
    count_under_way : callable
    """

    def __init__(self, count_under_way: Callable[[], int]) -> None:
        self._count_under_way = count_under_way
        self._requests = Counter("somnolens_requests", "Answered requests", ("client", "status"))
        self._problems = Counter("somnolens_problems", "Requests that failed, by kind", ("kind",))
        self._seconds = Histogram("somnolens_request_seconds", "From first byte to last", SECONDS, ("night",))
        self._under_way = Gauge("somnolens_requests_under_way", "In this ingress")
        self._changes = Counter("somnolens_adapter_changes", "Adapters tried as default", ("adapter", "taken"))

    def note_request(self, passage: Passage, seconds: float) -> None:
        """A request is over."""
        client = passage.client.name if passage.client else ""
        self._requests.inc(tags={"client": client, "status": str(passage.status)})
        self._seconds.observe(seconds, tags={"night": str(passage.is_night).lower()})
        self._under_way.set(self._count_under_way())
        if passage.problem:
            self._problems.inc(tags={"kind": passage.problem})

    def note_change(self, adapter: str, taken: bool) -> None:
        """An adapter was tried as the default."""
        self._changes.inc(tags={"adapter": adapter, "taken": str(taken).lower()})


class NightMeters:
    """Of whoever finishes nights: how many, how long, of which stages, how sure, and how far off the profile."""

    def __init__(self) -> None:
        self._nights = Counter("somnolens_nights", "Nights staged", ("adapter",))
        self._epochs = Counter("somnolens_epochs", "Epochs staged", ("adapter", "stage"))
        self._confidence = Gauge("somnolens_night_confidence", "Mean confidence of the last night", ("adapter",))
        self._review = Gauge("somnolens_night_review_share", "Epochs of the last night to look at", ("adapter",))
        self._doubtful = Counter("somnolens_epochs_doubtful", "Epochs whose stage is in doubt", ("adapter",))
        self._drift = Gauge("somnolens_drift_z", "Standard errors off the validation profile", ("adapter", "figure"))
        self._alarm = Gauge("somnolens_drift_alarm", "Whether that is an alarm", ("adapter", "figure"))

    def note_night(self, adapter: str, night: ScoredNight) -> None:
        """A night was staged."""
        tags, probabilities = {"adapter": adapter}, night.hypnogram.probabilities
        self._nights.inc(tags=tags)
        stages = list(night.hypnogram.stages)
        for stage in set(stages) & set(STAGES):
            self._epochs.inc(stages.count(stage), tags | {"stage": stage})
        sure = np.asarray(probabilities).max(axis=1)
        self._confidence.set(float(sure.mean()), tags)
        if n_doubtful := int((sure < DOUBTFUL).sum()):
            self._doubtful.inc(n_doubtful, tags)
        reviews = list_reviews(probabilities, night.quality, list(night.derivations))
        self._review.set(len(reviews) / len(stages), tags)

    def note_departure(self, adapter: str, departure: Departure, alarm: bool) -> None:
        """One figure of the newest nights was held against the profile."""
        tags = {"adapter": adapter, "figure": departure.figure}
        self._drift.set(departure.z, tags)
        self._alarm.set(float(alarm), tags)

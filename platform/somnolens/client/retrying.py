"""When to ask again: what the service is too busy for now, and what was lost on the way.

Waits grow by two from try to try and are drawn at random below that, so that clients turned away together do not come
back together (M. Brooker, "Exponential backoff and jitter", AWS Architecture Blog, 2015). Where the service names a
time, that is the least.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx

from somnolens.errors import ServiceError

AGAIN: Final = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Statuses that the same request may not get the next time."""


class RefusedError(ServiceError):
    """The service refused the request.

    Parameters
    ----------
    problem : mapping
        The problem document (RFC 9457).
    """

    def __init__(self, problem: Mapping[str, Any]) -> None:
        self.problem = dict(problem)
        super().__init__(str(problem.get("detail", "The service gave no reason.")))

    @property
    def status(self) -> int:
        """Status of HTTP."""
        return int(self.problem.get("status", 0))

    @property
    def problem_kind(self) -> str:
        """What a program may decide on, as `UnreadableRecording`."""
        return str(self.problem.get("type", "")).rpartition(":")[2]


@dataclass(frozen=True)
class Retries:
    """How often and how long to try.

    Parameters
    ----------
    most : int
        Tries after the first.
    first_s, longest_s : float
        Bounds of the first wait, and of any.

    Examples
    --------
    >>> Retries(first_s=0.5).draw_wait_s(3, lambda: 1.0), Retries().draw_wait_s(0, lambda: 0.0, retry_after="7")
    (4.0, 7.0)
    """

    most: int = 6
    first_s: float = 0.5
    longest_s: float = 60.0

    def draw_wait_s(self, n_tried: int, draw: Any = random.random, retry_after: str | None = None) -> float:
        """Seconds to wait after the first try (0), the second (1) and so on."""
        least_s = min(float(retry_after), self.longest_s) if retry_after and retry_after.isdigit() else 0.0
        most_s = min(self.longest_s, self.first_s * 2.0**n_tried)
        return least_s + draw() * most_s


class Attempts:
    """The tries of one request.

    Parameters
    ----------
    retries : Retries
    url : str
        Of the service, for sentences.
    """

    def __init__(self, retries: Retries, url: str) -> None:
        self._retries, self._url, self._n_tried = retries, url, 0

    def judge_answer(self, answer: httpx.Response) -> float:
        """Seconds until the next try after a refusal that has been read.

        Raises
        ------
        RefusedError
            Where another try is not worth it.
        """
        return self.judge_failure(RefusedError(_read_problem(answer)), answer.headers.get("retry-after"))

    def judge_failure(self, error: RefusedError, retry_after: str | None = None) -> float:
        """As `judge_answer`, of a night that was accepted and then failed."""
        if error.status not in AGAIN or self._is_over():
            raise error
        return self._draw_wait_s(retry_after)

    def judge_loss(self, error: httpx.TransportError) -> float:
        """Seconds until the next try after a connection that was lost or never came about.

        Raises
        ------
        ServiceError
            Where another try is not worth it.
        """
        if isinstance(error, httpx.UnsupportedProtocol) or self._is_over():
            raise ServiceError(
                f"The service at {self._url} cannot be reached ({type(error).__name__}) after {self._n_tried + 1} "
                "tries. Look at its address and whether it runs."
            ) from None
        return self._draw_wait_s(None)

    def _is_over(self) -> bool:
        return self._n_tried >= self._retries.most

    def _draw_wait_s(self, retry_after: str | None) -> float:
        self._n_tried += 1
        return self._retries.draw_wait_s(self._n_tried - 1, retry_after=retry_after)


def _read_problem(answer: httpx.Response) -> dict[str, Any]:
    """The problem document; a proxy in front of the service may answer something else."""
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        return answer.json()
    return {"status": answer.status_code, "detail": f"Answered with {answer.status_code} {answer.reason_phrase}."}

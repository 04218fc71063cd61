"""Jobs on another cluster, over Ray's job API: send, follow through dropped connections, list, stop."""

import asyncio
import logging
import secrets
import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobStatus, JobSubmissionClient

from somnolens.errors import ClusterError
from somnolens.jobs.cluster import PROGRESS_VARIABLE
from somnolens.jobs.named_clusters import NamedCluster, find_token
from somnolens.jobs.packing import copy_files

STOPPED_CODE = 143
"""Exit code for a job that was stopped: 128 and the number of SIGTERM."""

DROPPED = (ConnectionError, TimeoutError, aiohttp.ClientError, requests.RequestException)
"""What a connection that is gone raises, in the clients that Ray uses."""

ASK_AGAIN_S = 2.0
GIVE_UP_S = 300.0
"""A head that comes back within this time is waited for."""


def list_jobs() -> list[str]:
    """Names of the jobs that can be submitted, as `train_adapter`."""
    modules = [file for file in files("somnolens.jobs").iterdir() if file.name.endswith(".py")]
    return sorted(file.name.removesuffix(".py") for file in modules if "run_job(main)\n" in file.read_text())


def make_submission_id(job: str) -> str:
    """A name that tells job and time, and is new."""
    return f"{job.replace('_', '-')}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def make_entrypoint(job: str, arguments: Sequence[str], python: str = "python") -> str:
    """The command that the cluster runs.

    Examples
    --------
    >>> make_entrypoint("train_adapter", ["s3://lab/dataset", "s3://lab/run 7"])
    "python -m somnolens.jobs.train_adapter s3://lab/dataset 's3://lab/run 7'"
    """
    return shlex.join([python, "-m", f"somnolens.jobs.{job}", *arguments])


def make_ray_line(cluster: NamedCluster, entrypoint: str, folder: Path, submission_id: str) -> str:
    """The same as a command of Ray's, which sends the whole folder."""
    auth = "RAY_AUTH_MODE=token " if cluster.auth == "token" else ""
    words = ["ray", "job", "submit", "--address", cluster.address, "--working-dir", str(folder)]
    return f"{auth}{shlex.join([*words, '--submission-id', submission_id])} -- {entrypoint}"


class Cluster:
    """Ray's job API of one cluster, in sentences where it does not answer.

    Parameters
    ----------
    cluster : NamedCluster

    Raises
    ------
    SettingsError
        Where there is no token.
    ClusterError
        Where the cluster does not answer or refuses the token.
    """

    def __init__(self, cluster: NamedCluster) -> None:
        token, self._found = find_token(cluster)
        self._cluster = cluster
        logging.getLogger("ray").setLevel(logging.ERROR)  # the screen is ours
        headers = {"Authorization": f"Bearer {token}"} if token else None
        verify = str(cluster.ca_file.expanduser()) if cluster.ca_file else True
        with self._explain():
            self._client = JobSubmissionClient(cluster.address, headers=headers, verify=verify)

    @contextmanager
    def _explain(self) -> Iterator[None]:
        """Turn what Ray's client raises into one sentence."""
        address = self._cluster.address
        try:
            yield
        except AuthenticationError:
            raise ClusterError(
                f"{address} refuses the token of {self._found}. It was changed, or it is another cluster's: "
                "fetch it anew."
            ) from None
        except DROPPED as error:
            raise ClusterError(
                f"{address} does not answer ({type(error).__name__}). Is the port-forward open, the VPN up, "
                "the head alive?"
            ) from None
        except RuntimeError as error:
            reason = str(error).strip().splitlines()
            raise ClusterError(f"{address} answered: {reason[-1] if reason else 'nothing'}") from None

    def submit(
        self,
        job: str,
        entrypoint: str,
        folder: Path,
        chosen: Sequence[Path],
        submission_id: str,
        gpus: float = 0,
        cpus: float = 0,
    ) -> None:
        """Send files and start a job; a connection that drops meanwhile does not start it twice.

        Raises
        ------
        ClusterError
        """
        with TemporaryDirectory(prefix="somnolens-") as packed, self._explain():
            copy_files(folder, chosen, Path(packed))
            environment = {"env_vars": {**self._cluster.env, PROGRESS_VARIABLE: "1"}, "working_dir": packed}
            sent = {"runtime_env": environment, "metadata": {"somnolens": job}, "submission_id": submission_id}
            resources = {"entrypoint_num_gpus": gpus or None, "entrypoint_num_cpus": cpus or None}
            try:
                self._client.submit_job(entrypoint=entrypoint, **sent, **resources)
            except DROPPED:
                time.sleep(ASK_AGAIN_S)
                if submission_id not in {one.submission_id for one in self._client.list_jobs()}:
                    self._client.submit_job(entrypoint=entrypoint, **sent, **resources)

    def follow(
        self, submission_id: str, write: Callable[[str], None], note: Callable[[str], None] = lambda text: None
    ) -> JobDetails:
        """Write a job's log until the job has ended, each character once, however often the connection drops.

        Parameters
        ----------
        submission_id : str
        write : callable
            Gets pieces of the log.
        note : callable
            Gets a sentence when the connection drops.

        Raises
        ------
        ClusterError
            Where the cluster does not come back within `GIVE_UP_S`, or knows the job no more.
        """
        shown, dropped_at = 0, None
        self.describe(submission_id)

        def show(piece: str) -> None:
            nonlocal shown, dropped_at
            shown, dropped_at = shown + len(piece), None
            write(piece)

        while True:
            try:
                asyncio.run(self._tail(submission_id, shown, show))
                job = self._client.get_job_info(submission_id)
                if job.status.is_terminal():
                    show(self._client.get_job_logs(submission_id)[shown:])
                    return job
            except (*DROPPED, RuntimeError) as error:
                dropped_at = dropped_at or time.monotonic()
                note(f"The connection dropped ({type(error).__name__}); the job goes on. Trying again.")
                if time.monotonic() - dropped_at > GIVE_UP_S:
                    with self._explain():
                        raise
            time.sleep(ASK_AGAIN_S)

    async def _tail(self, submission_id: str, shown: int, show: Callable[[str], None]) -> None:
        """Ray sends the log from its beginning at each connection; what was shown is skipped."""
        seen = 0
        async for piece in self._client.tail_job_logs(submission_id):
            fresh = piece[max(0, shown - seen) :]
            seen += len(piece)
            if fresh:
                show(fresh)

    def describe(self, submission_id: str) -> JobDetails:
        """State of one job."""
        with self._explain():
            return self._client.get_job_info(submission_id)

    def list(self) -> list[JobDetails]:
        """Jobs that were submitted, the newest first."""
        with self._explain():
            jobs = [job for job in self._client.list_jobs() if job.submission_id]
        return sorted(jobs, key=lambda job: job.start_time or 0, reverse=True)

    def read_log(self, submission_id: str) -> str:
        """The log of a job so far."""
        with self._explain():
            return self._client.get_job_logs(submission_id)

    def stop(self, submission_id: str) -> bool:
        """Ask a job to end; False where it had ended."""
        with self._explain():
            return self._client.stop_job(submission_id)


def find_exit_code(job: JobDetails) -> int:
    """The exit code of a job that has ended, as its own process gave it."""
    if job.status == JobStatus.SUCCEEDED:
        return 0
    return STOPPED_CODE if job.status == JobStatus.STOPPED else job.driver_exit_code or 1

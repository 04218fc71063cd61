"""Work that takes a whole model goes to a worker of the cluster, or stays where there is no other machine."""

import os

import pytest

from somnolens.config import TrainSettings
from somnolens.errors import SettingsError
from somnolens.jobs.cluster import run_on_worker

TRAIN = TrainSettings()


def count(n: int):
    for number in range(n):
        yield number, os.getpid()
    if n > 2:
        raise SettingsError(f"{n} is too many.")


def test_in_a_cluster_of_its_own_a_job_does_the_work_itself(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert list(run_on_worker(TRAIN, count, 2)) == [(0, os.getpid()), (1, os.getpid())]


@pytest.mark.ray
def test_in_a_cluster_that_was_there_a_worker_does_it_and_its_errors_stay_one_sentence(ray_cluster, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "auto")
    heard = []
    with pytest.raises(SettingsError) as told:
        heard.extend(run_on_worker(TRAIN, count, 3))
    assert (type(told.value), str(told.value)) == (SettingsError, "3 is too many.")
    there = list(run_on_worker(TRAIN, count, 2))
    assert [number for number, _ in there] == [0, 1]
    assert os.getpid() not in {process for _, process in there}

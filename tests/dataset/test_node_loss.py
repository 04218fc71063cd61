"""A dataset on a Ray cluster of several nodes, one of which is lost."""

from dataclasses import replace
from pathlib import Path

import pytest

from somnolens.config import Settings, SimulateSettings
from somnolens.dataset.building import build_dataset
from somnolens.read.cohorts import find_nights
from somnolens.read.night import Night
from somnolens.simulate.night import simulate_subject
from tests.small_cohort import build_one_by_one, read_outputs

pytestmark = pytest.mark.cluster

N_NIGHTS, N_BEFORE_THE_LOSS = 40, 6


@pytest.fixture(scope="module")
def nights(tmp_path_factory) -> list[Night]:
    """One simulated hour under many names."""
    folder = tmp_path_factory.mktemp("nights")
    simulate_subject(0, SimulateSettings(hours=1.0), folder)
    (night,) = find_nights(folder, "simulated")
    return [replace(night, subject=f"SIM{number:03d}", night=f"SIM{number:03d}") for number in range(N_NIGHTS)]


@pytest.mark.fault("a node while a dataset is built, compared byte by byte")
def test_the_loss_of_a_node_changes_no_byte(nodes, nights, tmp_path: Path):
    cluster, workers = nodes
    settings, heard, on_nodes = Settings(), [], set()

    def report(made) -> None:
        heard.append(made.night)
        on_nodes.update(node["NodeID"] for node in list_alive())
        if len(heard) == N_BEFORE_THE_LOSS:
            cluster.remove_node(workers.pop(), allow_graceful=False)

    built = build_dataset(nights, settings, tmp_path / "lost", report)
    assert not workers[1:]
    assert len(on_nodes) == 3
    assert len(list_alive()) == 2
    assert sorted(heard) == [night.night for night in nights]
    alone = build_one_by_one(nights, tmp_path / "alone", settings)
    assert read_outputs(built.folder) == read_outputs(alone.folder)


def list_alive() -> list[dict]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]

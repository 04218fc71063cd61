"""A cluster that is started for one command."""

import subprocess
import sys

import pytest

from tests.processes import make_environment
from tests.repository.tree import ROOT

ASK = """
import sys
from pathlib import Path
import ray
from ray.util.state import list_nodes
from somnolens.jobs.cluster import cluster

def count():
    return len(list_nodes())

with cluster(Path(sys.argv[1])) as console:
    console.print(ray.get(ray.remote(count).remote()))
"""


@pytest.mark.ray
def test_a_worker_finds_its_own_cluster_where_another_runs(ray_cluster, ray_folder, tmp_path):
    """As Ray's cleaner of stopped trials looks for it."""
    command = [sys.executable, "-c", ASK, str(tmp_path / "ray.log")]
    asked = subprocess.run(
        command, cwd=ROOT, env=make_environment(ray_folder), capture_output=True, text=True, timeout=120
    )
    assert (asked.returncode, asked.stdout.strip()) == (0, "1"), (asked.stderr, (tmp_path / "ray.log").read_text())

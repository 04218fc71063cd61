"""Short nights for the tests of this folder."""

from pathlib import Path

import pytest

from tests.small_cohort import write_small_cohort


@pytest.fixture(scope="session")
def small_nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four short nights; never written to."""
    return write_small_cohort(tmp_path_factory.mktemp("nights"), 4)

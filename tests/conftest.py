"""What tests of several folders need."""

from pathlib import Path

import pytest

REAL_PSG = Path(__file__).parents[1] / ".." / "shared" / "psg"


@pytest.fixture(scope="session")
def psg_folder() -> Path:
    """The openly licensed real recordings, which lie beside the repository and not in it."""
    if not REAL_PSG.is_dir():
        pytest.skip("the real recordings of ../shared/psg are not here")
    return REAL_PSG

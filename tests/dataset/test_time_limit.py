"""A night that hangs fails; it does not stop the shift."""

import threading
import time

import pytest

from somnolens.dataset.time_limit import limit_time
from somnolens.errors import TimeLimitError


def wait() -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        pass


def test_a_block_that_takes_too_long_is_ended_with_a_sentence():
    with pytest.raises(TimeLimitError, match=r"SIM001 took longer than 0.05 s. Look"), limit_time(0.05, "SIM001"):
        wait()


def test_the_alarm_does_not_ring_after_the_block():
    with limit_time(0.05, "Night SIM001"):
        pass
    time.sleep(0.1)


def test_outside_the_main_thread_there_is_no_limit():
    ended = []

    def work() -> None:
        with limit_time(0.01, "Night SIM001"):
            time.sleep(0.05)
        ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ended

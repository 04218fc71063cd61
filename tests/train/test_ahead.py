"""Reading in the background changes the time and nothing else."""

import threading
import time

import pytest

from somnolens.train.ahead import read_ahead


@pytest.mark.parametrize("n_ahead", [0, 1, 3, 100])
def test_items_come_in_order_with_what_was_read_for_them(n_ahead):
    assert list(read_ahead(range(7), lambda n: n * n, n_ahead)) == [(n, n * n) for n in range(7)]


def test_the_next_items_are_read_before_they_are_asked_for_and_no_more():
    read = []
    ahead = read_ahead(range(10), read.append, 2)
    next(ahead)
    give_up = time.monotonic() + 5
    while read != [0, 1, 2] and time.monotonic() < give_up:
        time.sleep(0.001)
    time.sleep(0.02)
    assert read == [0, 1, 2]
    ahead.close()


def test_with_nothing_ahead_no_thread_reads():
    (_, name), *_ = read_ahead([0], lambda n: threading.current_thread().name, 0)
    assert name == threading.current_thread().name


def test_what_goes_wrong_is_raised_in_its_turn():
    ahead = read_ahead([1, 0, 2], lambda n: 1 / n, 2)
    assert next(ahead) == (1, 1.0)
    with pytest.raises(ZeroDivisionError):
        next(ahead)


def test_no_thread_is_left_when_the_reader_goes_away():
    ahead = read_ahead(range(100), lambda n: n, 4)
    next(ahead)
    ahead.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]

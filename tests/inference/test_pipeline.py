import threading
import time

import pytest

from i2i.errors import BrokenPicture
from i2i.inference.pipeline import THREADS, batched, overlapped, read_ahead


def test_results_come_in_order_and_reading_ahead_is_bounded():
    asked, lock = [], threading.Lock()

    def items():
        for number in range(100):
            with lock:
                asked.append(number)
            yield number

    results = overlapped(lambda number: number * 2, items(), ahead=5)
    assert [next(results) for _ in range(10)] == [2 * number for number in range(10)]
    assert len(asked) <= 10 + 5 + 1
    assert list(results) == [2 * number for number in range(10, 100)]


def test_an_error_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        list(overlapped(lambda number: 1 // number, [1, 0, 1], ahead=2))


def test_a_broken_picture_takes_its_place_and_the_rest_goes_on():
    def read(item):
        if item == "bad":
            raise BrokenPicture(item, "truncated")
        return item.upper()

    reads = list(read_ahead(read, ["a", "bad", "b"], ahead=1))
    assert [read.picture for read in reads] == ["A", None, "B"]
    assert str(reads[1].broken) == "bad: truncated"
    assert reads[1].broken.__traceback__ is None  # its frames would keep the half-decoded picture
    assert reads[1].broken.__cause__ is None


def test_closing_cancels_what_waits_and_waits_for_what_runs():
    finished = []

    def work(number):
        time.sleep(0.02)
        finished.append(number)

    results = overlapped(work, range(100), ahead=40)
    next(results)
    results.close()
    before = list(finished)
    time.sleep(0.1)
    assert finished == before
    assert len(finished) < 40


def test_every_thread_runs_before_the_first_item_so_that_a_signal_finds_none_half_started():
    before, counts = threading.active_count(), []

    def items():
        counts.append(threading.active_count() - before)
        yield 0

    assert list(overlapped(str, items(), ahead=2)) == ["0"]
    assert counts == [THREADS]


def test_batches_are_of_one_key_and_few_pictures_wait():
    reads = list(read_ahead(lambda item: item, ["aa", "b", "cc", "dd", "e", "fff", "gggg", "hhhhh"], ahead=1))
    groups = [[read.item for read in group] for group in batched(reads, lambda read: len(read.item), 2, most=3)]
    assert groups[:3] == [["aa", "cc"], ["b", "e"], ["dd"]]  # at the fourth waiting picture one group goes early
    assert sorted(item for group in groups for item in group) == sorted(read.item for read in reads)

import threading
import time

import pytest

from i2i.errors import BrokenPicture
from i2i.inference.pipeline import AHEAD_BYTES, THREADS, Room, SeveralFrames, batched, overlapped, read_ahead


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
    def read(item, enter):
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
    words = ["aa", "b", "cc", "dd", "e", "fff", "gggg", "hhhhh"]
    reads = list(read_ahead(lambda item, enter: item, words, ahead=1))
    groups = [
        [read.item for read in group] for group in batched(reads, lambda read: len(read.item), lambda key: 2, most=3)
    ]
    assert groups[:3] == [["aa", "cc"], ["b", "e"], ["dd"]]  # at the fourth waiting picture one group goes early
    assert sorted(item for group in groups for item in group) == sorted(read.item for read in reads)


def test_a_batch_is_as_large_as_is_said_for_its_key():
    reads = list(read_ahead(lambda item, enter: item, ["a", "bb", "c", "dd", "e"], ahead=1))
    groups = batched(reads, lambda read: len(read.item), {1: 3, 2: 1}.get, most=9)
    assert [[read.item for read in group] for group in groups] == [["bb"], ["dd"], ["a", "c", "e"]]


def test_no_more_is_decoded_ahead_than_there_is_room_for():
    inside, most, lock = set(), [], threading.Lock()

    def read(item, enter):
        enter(AHEAD_BYTES // 2)
        with lock:
            inside.add(item)
            most.append(len(inside))
        return item

    for done in read_ahead(read, range(40), ahead=20):
        time.sleep(0.001)
        with lock:
            inside.discard(done.item)
    assert max(most) <= 3  # two that wait, and one that was just handed over


def test_one_that_is_larger_than_all_room_goes_alone_and_in_its_turn():
    def read(item, enter):
        time.sleep(0.01 * (item % 3))
        enter(AHEAD_BYTES * 4 if item % 2 else 1)
        return item

    assert [done.item for done in read_ahead(read, range(12), ahead=8)] == list(range(12))


def test_what_fails_before_it_takes_room_keeps_nobody_waiting():
    def read(item, enter):
        if item % 2:
            raise BrokenPicture(str(item), "truncated")
        enter(AHEAD_BYTES)
        return item

    assert [done.picture for done in read_ahead(read, range(6), ahead=4)] == [0, None, 2, None, 4, None]


def test_closing_ends_the_wait_for_room():
    def read(item, enter):
        enter(AHEAD_BYTES)
        return item

    reads = read_ahead(read, range(30), ahead=20)
    next(reads)
    before = threading.active_count()
    reads.close()
    assert threading.active_count() <= before - THREADS


def test_what_is_raised_while_somebody_waits_for_room_ends_the_wait():
    """As a signal does it: not by closing, but inside of what waits for a result."""

    def read(item, enter):
        enter(AHEAD_BYTES)
        return item

    def items():
        for number in range(30):
            if number == 12:
                raise KeyboardInterrupt
            yield number

    before = threading.active_count()
    reads = read_ahead(read, items(), ahead=20)
    with pytest.raises(KeyboardInterrupt):
        list(reads)
    assert threading.active_count() == before


def test_pictures_that_wait_for_companions_keep_their_room_and_at_most_half_of_it():
    inside, most, room, lock = {}, [], Room(100), threading.Lock()

    def read(item, enter):
        enter(item)
        with lock:
            inside[item] = item
            most.append(sum(inside.values()))
        return item

    items = [10 + number for number in range(30)]  # no two have the same key
    groups = []
    for group in batched(read_ahead(read, items, 8, room), lambda read: read.item, lambda key: 4, 99, room):
        groups.append([read.item for read in group])
        time.sleep(0.002)
        with lock:
            for read_before in group:
                inside.pop(read_before.item)
    assert max(most) <= 100
    assert sorted(item for group in groups for item in group) == items


def test_one_larger_than_all_room_does_not_wait_for_those_that_wait_for_companions():
    room = Room(100)

    def read(item, enter):
        enter(item)
        return item

    sizes = [30, 500, 31, 501, 502, 1, 30, 31, 700]
    groups = list(batched(read_ahead(read, sizes, 6, room), lambda read: read.item, lambda key: 2, 99, room))
    assert sorted(read.item for group in groups for read in group) == sorted(sizes)
    assert not room.taken
    assert not room.waiting


def test_several_frames_are_left_alone_and_counted():
    def read(item, enter):
        raise SeveralFrames(7)

    (done,) = read_ahead(read, ["a.gif"], ahead=1)
    assert (done.picture, done.frames, done.broken) == (None, 7, None)


def test_no_more_waits_to_be_encoded_than_weighs_so_much():
    started, lock, gate = [], threading.Lock(), threading.Event()

    def write(item):
        with lock:
            started.append(item)
        gate.wait(5)
        return item

    drawn = []

    def items():
        for number in range(10):
            drawn.append(number)
            yield number

    results = overlapped(write, items(), ahead=9, weigh=lambda item: AHEAD_BYTES // 2)
    threading.Timer(0.1, gate.set).start()
    assert next(results) == 0
    assert len(drawn) == 3  # the third was one too many
    assert list(results) == list(range(1, 10))

"""Read ahead → batches of equal size → model: one path for one picture or a million, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from typing import Any, Generic, TypeVar

from i2i.errors import BrokenPicture
from i2i.images.decode import without_frames

Item = TypeVar("Item")
Result = TypeVar("Result")
THREADS = 4


@dataclass(frozen=True)
class Read(Generic[Item]):
    """An item whose picture was read, or could not be."""

    index: int
    item: Item
    picture: Any
    """What it was opened as, such as a tensor; None where it could not be."""
    broken: BrokenPicture | None = None


def overlapped(function: Callable[[Item], Result], items: Iterable[Item], ahead: int) -> Generator[Result]:
    """`map` on threads, in order, at most `ahead` items beyond the one asked for; closing waits for those running."""
    with ThreadPoolExecutor(THREADS) as threads:
        _start_all(threads)
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(threads.submit(function, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _start_all(threads: ThreadPoolExecutor) -> None:
    """Start every thread while none has work: one whose start a signal interrupts is never waited for."""
    started = Event()
    try:
        for _ in range(THREADS):
            threads.submit(started.wait)  # each holds its thread, so that the next needs another
    finally:
        started.set()


def read_ahead(open_item: Callable[[Item], object], items: Iterable[Item], ahead: int) -> Iterator[Read[Item]]:
    """Pictures in order; one that cannot be read says so instead."""

    def read(numbered: tuple[int, Item]) -> Read[Item]:
        index, item = numbered
        try:
            return Read(index, item, open_item(item))
        except BrokenPicture as broken:
            return Read(index, item, None, without_frames(broken))

    return overlapped(read, enumerate(items), ahead)


def batched(
    reads: Iterable[Read[Item]], key: Callable[[Read[Item]], Hashable], size: int, most: int
) -> Iterator[list[Read[Item]]]:
    """Batches of one key each; no more than `most` pictures wait for companions."""
    waiting: dict[Hashable, list[Read[Item]]] = {}
    for read in reads:
        group = waiting.setdefault(key(read), [])
        group.append(read)
        if len(group) == size:
            yield waiting.pop(key(read))
        elif sum(map(len, waiting.values())) > most:
            yield waiting.pop(max(waiting, key=lambda name: len(waiting[name])))
    yield from waiting.values()

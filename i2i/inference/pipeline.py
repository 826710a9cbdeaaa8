"""Read ahead → batches of equal size → model: one path for one picture or a million, in bounded memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from threading import Condition, Event
from typing import Any, Generic, TypeVar

from i2i.errors import BrokenPicture, I2IError
from i2i.images.decode import without_frames

Item = TypeVar("Item")
Result = TypeVar("Result")
THREADS = 4
AHEAD_BYTES = 2**29
"""Of decoded pictures that wait for the model, and of answers that wait to be encoded."""


@dataclass(frozen=True)
class Read(Generic[Item]):
    """An item whose picture was read, or could not be."""

    index: int
    item: Item
    picture: Any
    """What it was opened as, such as a tensor; None where it could not be."""
    broken: BrokenPicture | None = None
    frames: int = 1
    """More where the file is an animation or has pages, and was to be left for whoever takes them one by one."""


class SeveralFrames(I2IError):
    """Raised while an item is opened whose frames are to be taken one by one."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} frames")
        self.count = count


class Room:
    """Memory for pictures read ahead, given in their order, so that nobody waits for somebody behind.

    A picture larger than all of it is let in once somebody asks for it, and all others there wait for companions: those
    will not go before it.
    """

    def __init__(self, size: int = AHEAD_BYTES) -> None:
        self.size, self.closed = size, False
        self.turn = 0
        self.is_asked = True
        self.taken: dict[int, int] = {}
        self.waiting: dict[int, int] = {}
        self.changed = Condition()

    def enter(self, index: int, need: int) -> None:
        """Wait until all before `index` are in, or passed, and there is room. Raises `I2IError` once it is closed."""
        with self.changed:
            self.changed.wait_for(lambda: self.closed or (self.turn >= index and self._has_room(need)))
            if self.closed:
                raise I2IError("nobody waits for this picture any more")
            self.taken[index] = need
            self._next(index)

    def pass_by(self, index: int) -> None:
        """Let those behind in, whatever became of this one; to be called for every index."""
        with self.changed:
            self.changed.wait_for(lambda: self.closed or self.turn >= index)
            self._next(index)

    def ask(self, is_asked: bool) -> None:
        """Whether somebody waits for the next picture, or is busy with those that are out."""
        with self.changed:
            self.is_asked = is_asked
            self.changed.notify_all()

    def wait(self, index: int) -> None:
        """From now on it waits for companions, with what it has taken."""
        with self.changed:
            self.waiting[index] = self.taken.pop(index, 0)
            self.changed.notify_all()

    def is_half_full(self) -> bool:
        """Whether those that wait for companions fill half of it."""
        return 2 * sum(self.waiting.values()) > self.size

    def go(self, indices: Sequence[int]) -> None:
        """They wait no longer, and keep what they have taken until they leave."""
        with self.changed:
            self.taken.update({index: self.waiting.pop(index, 0) for index in indices})

    def leave(self, indices: Sequence[int]) -> None:
        """Give back what was taken, if anything."""
        with self.changed:
            for index in indices:
                self.taken.pop(index, None)
            self.changed.notify_all()

    def close(self) -> None:
        """Wait no longer."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def _has_room(self, need: int) -> bool:
        inside = sum(self.taken.values()) + sum(self.waiting.values())
        return inside + need <= self.size or (self.is_asked and not self.taken)

    def _next(self, index: int) -> None:
        self.turn = max(self.turn, index + 1)
        self.changed.notify_all()


def overlapped(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    ahead: int,
    weigh: Callable[[Item], int] = lambda item: 0,
    threads: int = THREADS,
    ended: Callable[[], object] = lambda: None,
    most: int = AHEAD_BYTES,
) -> Generator[Result]:
    """`map` on threads, in order, at most `ahead` items beyond the one asked for; closing waits for those running.

    No more than `most` bytes wait by what `weigh` says of each, one alone excepted. `ended` is called before that
    wait, whatever ends it, be it a signal: for whoever has threads wait for something else.
    """
    with ThreadPoolExecutor(threads) as pool:
        _start_all(pool, threads)
        waiting: deque[tuple[Future[Result], int]] = deque()
        weight = 0
        try:
            for item in items:
                own = weigh(item)
                while waiting and weight + own > most:
                    done, freed = waiting.popleft()
                    weight -= freed
                    yield done.result()
                waiting.append((pool.submit(function, item), own))
                weight += own
                del item
                if len(waiting) > ahead:
                    done, freed = waiting.popleft()
                    weight -= freed
                    yield done.result()
            while waiting:
                yield waiting.popleft()[0].result()
        finally:
            ended()
            for future, _ in waiting:
                future.cancel()


def _start_all(pool: ThreadPoolExecutor, threads: int) -> None:
    """Start every thread while none has work: one whose start a signal interrupts is never waited for."""
    started = Event()
    try:
        for _ in range(threads):
            pool.submit(started.wait)  # each holds its thread, so that the next needs another
    finally:
        started.set()


def read_ahead(
    open_item: Callable[[Item, Callable[[int], None]], object],
    items: Iterable[Item],
    ahead: int,
    room: Room | None = None,
) -> Generator[Read[Item]]:
    """Pictures in order; one that cannot be read says so instead.

    `open_item` is given a function to be told, before anything is decoded, how many bytes that will take; it waits
    until there is room for them. In a `room` that is given they wait for companions: `batched` lets them leave it.
    """
    own = room or Room()

    def read(numbered: tuple[int, Item]) -> Read[Item]:
        index, item = numbered
        try:
            return Read(index, item, open_item(item, lambda need: own.enter(index, need)))
        except BrokenPicture as broken:
            return Read(index, item, None, without_frames(broken))
        except SeveralFrames as several:
            return Read(index, item, None, frames=several.count)
        finally:
            own.pass_by(index)

    with closing(overlapped(read, enumerate(items), ahead, ended=own.close)) as reads:
        for done in reads:
            if room is None:
                own.leave([done.index])
                yield done
            else:
                room.ask(False)
                room.wait(done.index)
                yield done
                room.ask(True)
            del done


def batched(
    reads: Iterable[Read[Item]],
    key: Callable[[Read[Item]], Hashable],
    size: Callable[[Any], int],
    most: int,
    room: Room | None = None,
) -> Iterator[list[Read[Item]]]:
    """Batches of one key each, of as many as `size` says for it; no more than `most` pictures wait for companions.

    Nor do they fill more than half of the `room`, where one is given; those of a batch leave it when the next is asked
    for.
    """
    waiting: dict[Hashable, list[Read[Item]]] = {}
    for read in reads:
        own = key(read)
        group = waiting.setdefault(own, [])
        group.append(read)
        if len(group) >= size(own):
            yield from _one_after_another([waiting.pop(own)], room)
        while sum(map(len, waiting.values())) > most or (waiting and room is not None and room.is_half_full()):
            yield from _one_after_another([waiting.pop(max(waiting, key=lambda name: len(waiting[name])))], room)
        del read, group
    yield from _one_after_another(waiting.values(), room)


def _one_after_another(groups: Iterable[list[Read[Item]]], room: Room | None) -> Iterator[list[Read[Item]]]:
    for group in groups:
        indices = [read.index for read in group]
        if room is not None:
            room.go(indices)
        yield group
        if room is not None:
            room.leave(indices)

"""What holds several pictures: an animation, or a document of pages."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from i2i.errors import BrokenPicture, I2IError
from i2i.images.limits import BeyondLimits, Limits
from i2i.images.reading import explaining


@dataclass(frozen=True)
class Frames:
    """What there is to know of an animation or a document beside its pictures."""

    count: int = 1
    """How many pictures come, the poster too."""
    durations: tuple[int, ...] = ()
    """Milliseconds that each frame is shown, 0 for a poster; none of pages."""
    loop: int = 1
    """How often an animation is played; 0: for ever."""
    pages: bool = False
    """Whether these are pages, each of its own size and kind, and not the frames of an animation."""
    poster: bool = False
    """Whether the first picture is no frame: a PNG shows it where animations are not understood."""

    @property
    def name(self) -> str:
        """What one of them is called."""
        return "page" if self.pages else "frame"


@dataclass(frozen=True)
class Layout:
    """What is told of frames without decoding one."""

    frames: Frames
    size: tuple[int, int]
    """Width and height of the largest picture, in pixels; (0, 0) where only the header tells it."""


class FrameLost(I2IError):
    """A frame, by its number from 1, that the file does not hold as it says; becomes a `BrokenPicture`."""

    def __init__(self, number: int, reason: str = "truncated", name: str = "frame") -> None:
        super().__init__(f"{name} {number}: {reason}")
        self.reason = reason


def durations_between(times: Sequence[float]) -> tuple[int, ...]:
    """Whole milliseconds from each point of time to the next; rounding does not add up.

    >>> durations_between([0, 33.33, 66.67, 100])
    (33, 34, 33)
    """
    marks = [round(time) for time in times]
    return tuple(later - earlier for earlier, later in pairwise(marks))


@contextmanager
def naming_frame(path: Path, number: int, frames: Frames, limits: Limits) -> Iterator[None]:
    """Whatever goes wrong inside the `with` block becomes `BrokenPicture` of this file that says which frame it was.

    So does taking longer than a frame may.
    """
    start = time.monotonic()
    try:
        with explaining(path, limits):
            yield
            if time.monotonic() - start > limits.seconds:
                raise BeyondLimits(f"took longer than {limits.seconds:g} seconds to decode")
    except (BrokenPicture, FrameLost) as broken:
        raise BrokenPicture(str(path), f"{frames.name} {number} of {frames.count}: {broken.reason}") from broken

"""What a walk over a file's blocks finds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from i2i.images.limits import BeyondLimits, Limits, amount

_MOST_NUMBERS = 2**18
"""Of one tag: a picture of 512 megapixels has no more than 262,144 strips of 44 × 44 pixels. Each becomes an object."""
_IN_ALL = 4
"""All kinds of metadata together may take so many times what one of them may."""


@dataclass(frozen=True)
class Outline:
    """What is told by a file's blocks, not by its pixels."""

    width: int = 0
    """In pixels, before orientation; 0 where only the decoder tells it."""
    height: int = 0
    frames: int = 1
    """How many frames or pages there are; counting ends just beyond what the limits allow."""
    late: bytes = b""
    """The chunks of metadata behind a PNG's pixels, as they are in the file."""


@dataclass
class Weighed:
    """Adds up the bytes that a file's metadata takes, kind by kind, and counts its frames."""

    limits: Limits
    file_bytes: int
    frames: int = 0
    total: int = 0
    numbers: int = 0
    sums: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, count: int) -> None:
        """Raises `BeyondLimits` where there are more bytes of a kind, or in all, than the limits allow.

        A block that claims to be longer than the file is damage, which its decoder will meet.
        """
        count = min(count, self.file_bytes)
        self.sums[kind] += count
        self.total += count
        most = self.limits.metadata_bytes
        if self.sums[kind] > most:
            raise BeyondLimits(f"too large: its {kind} takes {amount(self.sums[kind])}; up to {amount(most)} are read")
        if self.total > _IN_ALL * most:
            raise BeyondLimits(f"too large: its metadata takes more than {amount(_IN_ALL * most)}")

    def add_numbers(self, tag: int, count: int) -> None:
        """Raises `BeyondLimits` where a tag has, or all of them have, more numbers than any picture needs."""
        self.numbers += count
        if count > _MOST_NUMBERS:
            raise BeyondLimits(f"too large: its tag {tag} has {count:,} numbers; up to {_MOST_NUMBERS:,} are read")
        if self.numbers > 2 * _MOST_NUMBERS:
            raise BeyondLimits(f"too large: its tags have more than {2 * _MOST_NUMBERS:,} numbers")

    def another_frame(self) -> None:
        """Raises `BeyondLimits` where there are more frames than the limits allow."""
        self.frames += 1
        if self.frames > self.limits.frames:
            self.limits.check_size(0, 0, self.frames)

"""What there is to know of a picture beside its values and size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from i2i.images.metadata import NOTHING, Metadata


@dataclass(frozen=True)
class Levels:
    """What the levels of a picture are in its file."""

    bits: Literal[8, 16] = 8
    profile: bytes | None = None
    """The ICC profile that says which colours they mean; None: sRGB."""
    reduced: bool = False
    """Whether the file holds more than these 8 bits, which could not be read."""
    from_srgb: bool = False
    """Whether the levels at hand mean sRGB and are brought into the profile's colours when they are written."""
    left_out: str = ""
    """What keeps the profile that the file has from being used, so that they count as sRGB; empty: nothing."""


EIGHT_BITS = Levels()
Colours = Literal["source", "srgb", "as-stored"]
"""What becomes of a picture's colours where it has a profile."""


@dataclass(frozen=True)
class Kind:
    """How a picture is stored, and what its file says of it."""

    channels: int = 3
    """1: grey, 2: grey and alpha, 3: RGB, 4: RGB and alpha."""
    levels: Levels = EIGHT_BITS
    metadata: Metadata = NOTHING

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return self.channels in (2, 4)

"""What a generator is shown of a source, and how a picture comes out of what it makes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import torch
from torch import Tensor

from i2i import UsageError, luma

MID_GREY = 0.5
"""What the generator sees in a hole."""

LUMA = (0.299, 0.587, 0.114)
RED_SPAN, BLUE_SPAN = 2 * (1 - LUMA[0]), 2 * (1 - LUMA[2])
"""ITU-R BT.601, full range: red is luma + 1.402 (Cr − ½), blue is luma + 1.772 (Cb − ½)."""


class Answer(Protocol):
    """One kind of task."""

    inputs: int
    """Channels that the generator, and beside the target the discriminator, is shown."""
    outputs: int
    """Channels that the generator makes."""

    def shown(self, source: Tensor, mask: Tensor | None) -> Tensor:
        """(B, 3, H, W), mask (B, 1, H, W) or None → (B, inputs, H, W); all in [0, 1]."""

    def picture(self, made: Tensor, source: Tensor, mask: Tensor | None) -> Tensor:
        """(B, outputs, H, W) that the generator made of this source → (B, 3, H, W); all in [0, 1]."""


class Pictures:
    """The generator makes the whole picture."""

    inputs = outputs = 3

    def shown(self, source: Tensor, mask: Tensor | None) -> Tensor:
        """The source."""
        return source

    def picture(self, made: Tensor, source: Tensor, mask: Tensor | None) -> Tensor:
        """What was made."""
        return made


class Colours:
    """The generator makes Cb and Cr (ITU-R BT.601, full range); the source's luma stays, its colours are not seen.

    The paper predicts a and b of Lab; luma and its differences from blue and red are linear in RGB, so the distance
    from the target is one of colours alone.
    """

    inputs, outputs = 1, 2

    def shown(self, source: Tensor, mask: Tensor | None) -> Tensor:
        """The source's luma. Raises `UsageError` where it has holes: its lightness is not known there."""
        if mask is not None:
            raise UsageError("model.answers=colours: the sources have holes; set dataset.make=grey, or answers=picture")
        return luma(source)

    def picture(self, made: Tensor, source: Tensor, mask: Tensor | None) -> Tensor:
        """The source's luma in the colours made, clamped where no such colour exists."""
        return in_colours(luma(source), made)


class Holes:
    """The generator is shown the source without its holes, and where they are; the answer is new inside them only."""

    inputs, outputs = 4, 3

    def shown(self, source: Tensor, mask: Tensor | None) -> Tensor:
        """The source, mid-grey in its holes, and the mask."""
        mask = _required(mask)
        return torch.cat([torch.lerp(source, torch.full_like(source, MID_GREY), mask), mask], 1)

    def picture(self, made: Tensor, source: Tensor, mask: Tensor | None) -> Tensor:
        """What was made where the mask is 1, the source where it is 0."""
        return torch.lerp(source, made, _required(mask))


ANSWERS: Mapping[str, Answer] = MappingProxyType({"picture": Pictures(), "colours": Colours(), "holes": Holes()})


def in_colours(lightness: Tensor, colours: Tensor) -> Tensor:
    """Luma (B, 1, H, W), Cb and Cr (B, 2, H, W), all in [0, 1] → RGB (B, 3, H, W), clamped to [0, 1]."""
    blue_difference, red_difference = (colours - 0.5).split(1, 1)
    red = lightness + RED_SPAN * red_difference
    blue = lightness + BLUE_SPAN * blue_difference
    green = (lightness - LUMA[0] * red - LUMA[2] * blue) / LUMA[1]
    return torch.cat([red, green, blue], 1).clamp(0, 1)


def _required(mask: Tensor | None) -> Tensor:
    if mask is None:
        raise UsageError(
            "model.answers=holes: nothing says where the holes are; a batch to learn from needs a mask, such as "
            "dataset.use=self-paired with dataset.make=holes gives, a picture to fill its own, as --mask does"
        )
    return mask

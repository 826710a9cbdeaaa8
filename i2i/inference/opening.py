"""Whatever a picture comes as, a file, a PIL image or a tensor, opened for a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from i2i.contracts import Geometry
from i2i.errors import UsageError
from i2i.images.decode import parsed_colour
from i2i.images.limits import LIMITS, Examine, Header, Limits
from i2i.images.masks import masked
from i2i.images.whole import Colours, Whole, open_whole
from i2i.inference.pipeline import SeveralFrames

Item = TypeVar("Item")


def _unseen(header: Header) -> None:
    """Nobody wants to see it."""


@dataclass(frozen=True)
class Subject(Generic[Item]):
    """A picture to translate, with what belongs to it."""

    item: Item
    """Whatever the answer is to be known by."""
    picture: Any
    """A path, a PIL image, a tensor (3, H, W), or a `Whole`."""
    mask: Any = None
    """Likewise, but the tensor (1, H, W): what is to be made anew, for a model that fills."""
    key: int | str | None = None
    """What its chance is a function of beside the seed; None: how many came before it."""
    examine: Examine = _unseen
    """Looks at the header of a file before anything is decoded; may raise `BrokenPicture`."""
    every_frame: bool = False
    """Whether a file of several frames is to be left alone, for whoever takes them one by one."""


@dataclass(frozen=True)
class Opening:
    """How pictures are opened for a model."""

    geometry: Geometry
    background: str | None = None
    colours: Colours = "source"
    limits: Limits = LIMITS

    def open(self, subject: Subject[Any], enter: Callable[[int], None] = lambda need: None) -> Whole:
        """The picture with all that it holds; `enter` is told how many bytes decoding takes before they are taken.

        Raises `BrokenPicture` where a file cannot be read, `SeveralFrames` where it is to be left alone, `UsageError`
        for what is no picture.
        """

        def examine(header: Header) -> None:
            subject.examine(header)
            if subject.every_frame and header.frames > 1:
                raise SeveralFrames(header.frames)
            enter(header.decoded_bytes)

        whole = self._opened(subject.picture, examine)
        if subject.mask is not None:
            is_file = isinstance(subject.picture, Path | str)
            whole = masked(whole, subject.mask, subject.picture if is_file else "the picture", self.limits)
        if self.background is not None and whole.has_alpha and not (self.geometry.restores or self.geometry.fills):
            return whole.over(parsed_colour(self.background))
        return whole

    def _opened(self, picture: Any, examine: Examine) -> Whole:
        if isinstance(picture, Whole):
            return picture
        if not isinstance(picture, Tensor):
            colours = "as-stored" if self.geometry.fills else self.colours
            return open_whole(picture, colours, self.limits, examine)
        if picture.dim() != 3 or picture.shape[0] != 3 or not picture.numel():
            raise UsageError(f"a picture tensor is (3, H, W), found {tuple(picture.shape)}")
        if picture.dtype != torch.uint8 and not picture.is_floating_point():
            raise UsageError(f"a picture tensor is uint8 or float in [0, 1], found {picture.dtype}")
        if picture.is_floating_point() and not picture.isfinite().all():
            raise UsageError("a picture tensor is float in [0, 1], found numbers that are not finite")
        return Whole(picture)

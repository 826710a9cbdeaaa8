"""Whoever wants to know how a translation comes along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


class Onlooker:
    """Hears how far a batch is and sees it on its way; called by the thread that translates, which waits meanwhile."""

    sees: bool = True
    """Whether pictures on their way are wanted: making them may take time."""

    def reported(self, items: Sequence[Any], fraction: float, scalars: Mapping[str, float]) -> None:
        """The batch of these items is that far, in [0, 1]."""

    def shown(self, items: Sequence[Any], iteration: int, pictures: Sequence[Tensor]) -> None:
        """What these items look like after so many iterations: float (3, h, w) in [0, 1] each, on any device."""

    def told(self, text: str) -> None:
        """Something does not go as it was asked for, such as smaller batches for want of memory; once each."""


class Nobody(Onlooker):
    """Nobody wants to know."""

    sees = False

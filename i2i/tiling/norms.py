"""Norms that work in tiles as they do in the whole picture: met as they are called, and told what to normalise by.

No model declares where its norms are: they are found by their calls (`looks`), and counted in the order of the calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from i2i.errors import I2IError
from i2i.tiling.layout import Tile
from i2i.tiling.looks import Look, look_of
from i2i.tiling.moments import OTHER_WAYS, Moments, Statistics, inner_moments, together

Compute = Callable[[Sequence[Tile]], Tensor]
"""Reads these tiles from the picture and runs the model: (B, C, height · scale, width · scale) of their outer boxes."""

Report = Callable[[float], object]
"""Told which fraction of the work is done."""


class Met(TorchFunctionMode):
    """While entered, each call that looks at a whole picture is answered by `answer(place, look)`.

    `place` counts such calls from 0; `pictures` is how many are translated at once.
    """

    def __init__(self, answer: Callable[[int, Look], Any], pictures: int) -> None:
        super().__init__()
        self.answer = answer
        self.pictures = pictures
        self.place = 0

    def __enter__(self) -> Met:
        self.place = 0
        super().__enter__()
        return self

    def __torch_function__(
        self, func: Any, types: Iterable[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """The function's own answer, but for what looks at a whole picture."""
        look = look_of(func, args, kwargs or {}, self.pictures)
        if look is None:
            return func(*args, **(kwargs or {}))
        self.place += 1
        return self.answer(self.place - 1, look)


class Fixed(Met):
    """While entered, the norms of one translation go by these statistics of the whole picture.

    `pictures` is how many of its tiles are translated at once. Raises `I2IError` where the model calls other norms than
    when the statistics were taken.
    """

    def __init__(self, statistics: Statistics, pictures: int = 1) -> None:
        super().__init__(self._known, pictures)
        self.statistics = statistics

    def _known(self, place: int, look: Look) -> Any:
        return look.answer(known(self.statistics, place, look))

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        super().__exit__(kind, error, traceback)
        if kind is None and self.place != len(self.statistics):
            raise I2IError(OTHER_WAYS)


def silent(fraction: float) -> None:
    """Nobody asked to hear of progress."""


def known(statistics: Statistics, place: int, look: Look) -> Moments:
    """The moments of one look. Raises `I2IError` where there are none for it."""
    if place >= len(statistics) or len(statistics[place].mean) != look.maps.shape[1]:
        raise I2IError(OTHER_WAYS)
    return statistics[place]


def inner(look: Look, tiles: Sequence[Tile]) -> Moments:
    """The moments of a batch of tiles over their inner boxes."""
    return together(inner_moments(maps, tile) for maps, tile in zip(look.maps, tiles, strict=True))

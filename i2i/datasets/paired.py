"""Pictures and what they are to become (Isola et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from i2i.datasets import PairedOptions
from i2i.datasets.folders import Domain, open_domain, random_place, resized_size
from i2i.datasets.pairs import partners
from i2i.datasets.reading import Half, Reader, Size
from i2i.datasets.walk import Walk
from i2i.errors import BrokenPicture, UsageError
from i2i.images.names import Rewrite

if TYPE_CHECKING:
    import numpy
    from torch import Tensor

MOST_STRETCH = 0.01
"""By how much the proportions of two pictures of a pair may differ."""


class Paired(Walk):
    """Walks through the sources, each with its target, or through pictures that hold both side by side."""

    def __init__(self, options: PairedOptions) -> None:
        self.options = options
        _refuse_two_answers(options)
        self.target = open_domain("target", options.target) if options.target else None
        if self.target is None:
            _refuse_half_a_question(options)
            both = open_domain("source", options.source)
            domain, odd = _without(both, both.pictures, lambda path: _odd_width(both.sizes[path]))
        else:
            rewrite = Rewrite(options.match)
            source, target = open_domain("source", options.source, rewrite.touches), self.target
            self.partners = partners(source, target, rewrite, "[[_photo, _map]]")
            domain, odd = _without(
                source,
                self.partners,
                lambda path: _other_proportions(source.sizes[path], target.sizes[self.partners[path]]),
            )
        super().__init__(domain, options.validation)
        self.broken = (*domain.broken, *(self.target.broken if self.target else ()), *odd)
        self.reader = Reader(options, self._wanted())

    def describe(self) -> dict[str, object]:
        """Counts and sizes of both, or of the pictures that hold both."""
        domains = (self.domain, self.target) if self.target else (self.domain,)
        return {domain.name: domain.describe() for domain in domains}

    def load(self, index: int, rng: numpy.random.Generator) -> dict[str, Tensor]:
        """`source` and `target`, each uint8 (3, crop, crop), of the same place."""
        options, path = self.options, self.pictures[index]
        place = random_place(self._size(path), options.crop, options.resize, options.flip, rng)
        (source, left), (target, right) = self._sides(path)
        return {"source": self.reader.square(source, place, left), "target": self.reader.square(target, place, right)}

    def _size(self, path: Path) -> Size:
        """Of the source."""
        width, height = self.domain.sizes[path]
        return (width, height) if self.target is not None else (width // 2, height)

    def _sides(self, path: Path) -> tuple[tuple[Path, Half], tuple[Path, Half]]:
        """Where the source and the target of a picture are."""
        if self.target is not None:
            return (path, None), (self.partners[path], None)
        left, right = (path, 0), (path, 1)
        return (left, right) if self.options.sides == "source-target" else (right, left)

    def _wanted(self) -> Iterator[tuple[Path, Size, Half]]:
        for path in (*self.pictures, *self.held_out):
            size = resized_size(self._size(path), self.options.crop, self.options.resize)
            yield from ((side, size, half) for side, half in self._sides(path))


def _refuse_two_answers(options: PairedOptions) -> None:
    """Raise `UsageError` where two folders are given and something says that one holds pairs."""
    if options.target and options.sides is not None:
        raise UsageError("dataset.sides: says what the halves of one picture are; leave out that or dataset.target")


def _refuse_half_a_question(options: PairedOptions) -> None:
    """Raise `UsageError` where there is one folder and nothing says how it holds pairs."""
    if options.sides is None:
        raise UsageError(
            "dataset.target: no folder of pictures given; where each picture of dataset.source holds both side by "
            "side, set dataset.sides=source-target or target-source"
        )
    if options.match:
        raise UsageError("dataset.match: pairs names of two folders; without dataset.target there is one")


def _without(
    domain: Domain, pictures: Iterable[Path], problem: Callable[[Path], str | None]
) -> tuple[Domain, tuple[BrokenPicture, ...]]:
    """Those of the pictures that are half of a pair, and the others. Raises `UsageError` where none is."""
    reasons = {path: problem(path) for path in pictures}
    odd = tuple(BrokenPicture(path, reason) for path, reason in reasons.items() if reason is not None)
    fitting = {path for path, reason in reasons.items() if reason is None}
    if not fitting:
        raise UsageError(f"none of {len(odd)} pictures makes a pair; the first, {odd[0]}")
    return domain.only(fitting), odd


def _odd_width(size: tuple[int, int]) -> str | None:
    if size[0] % 2 == 0:
        return None
    return f"{size[0]}×{size[1]} pixels: no two sides of equal width"


def _other_proportions(source: tuple[int, int], target: tuple[int, int]) -> str | None:
    stretch = (source[0] * target[1]) / (source[1] * target[0])
    if max(stretch, 1 / stretch) <= 1 + MOST_STRETCH:
        return None
    return f"{source[0]}×{source[1]} pixels, and its target {target[0]}×{target[1]}: not of the same proportions"

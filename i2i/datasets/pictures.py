"""Pictures of one kind, and their classes where folders tell them (DCGAN and its relatives)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from i2i.contracts import Dataset
from i2i.datasets import PicturesOptions
from i2i.datasets.folders import Domain, open_domain, random_place, resized_size, split
from i2i.datasets.reading import Reader, Size
from i2i.errors import UsageError

if TYPE_CHECKING:
    import numpy
    from torch import Tensor


class _Part(Dataset):
    """The training or the validation pictures; `class_of` has those of both, or none where there are no labels."""

    def __init__(
        self,
        options: PicturesOptions,
        reader: Reader,
        sizes: Mapping[Path, Size],
        pictures: Sequence[Path],
        class_of: Mapping[Path, str],
    ) -> None:
        self.options, self.reader, self.sizes, self.pictures = options, reader, sizes, pictures
        self.classes = tuple(sorted(set(class_of.values())))
        numbers = {name: number for number, name in enumerate(self.classes)}
        self.labels = [numbers[class_of[path]] for path in pictures] if class_of else []

    def __len__(self) -> int:
        return len(self.pictures)

    def load(self, index: int, rng: numpy.random.Generator) -> dict[str, Tensor]:
        """`picture`, uint8 (3, size, size), and with classes `label`, int64 ()."""
        options = self.options
        path = self.pictures[index]
        place = random_place(self.sizes[path], options.size, options.resize or options.size, options.flip, rng)
        sample = {"picture": self.reader.square(path, place)}
        if self.classes:
            sample["label"] = torch.tensor(self.labels[index])
        return sample


class Pictures(_Part):
    """Squares out of one or several folders of pictures: by index, those that are trained on."""

    def __init__(self, options: PicturesOptions) -> None:
        self.domain = open_domain("source", options.source)
        self.broken = self.domain.broken
        self.class_of = _class_of(self.domain) if options.classes else {}
        training, validation = _split_by_class(self.domain, self.class_of, options.validation)
        sizes = self.domain.sizes
        resized = (
            (path, resized_size(size, options.size, options.resize or options.size), None)
            for path, size in sizes.items()
        )
        reader = Reader(options, resized)
        super().__init__(options, reader, sizes, training, self.class_of)
        self._validation = _Part(options, reader, sizes, validation, self.class_of)

    @property
    def validation(self) -> Dataset | None:
        """The held-out pictures, of the same classes, or None where there are none."""
        return self._validation if len(self._validation) else None

    def describe(self) -> dict[str, object]:
        """Counts and sizes, and how many pictures each class has."""
        found: dict[str, object] = {self.domain.name: self.domain.describe()}
        if self.classes:
            found["classes"] = dict(sorted(Counter(self.class_of.values()).items()))
        return found


def _split_by_class(domain: Domain, class_of: Mapping[Path, str], share: float) -> tuple[list[Path], list[Path]]:
    """(training, validation) as `split` makes them, of every class by itself: none is held out whole."""
    training, validation = list[Path](), list[Path]()
    for name in sorted(set(class_of.values())) or [""]:
        kept, held_out = split(
            {path: at for path, at in domain.pictures.items() if class_of.get(path, "") == name}, share
        )
        training += kept
        validation += held_out
    return training, validation


def _class_of(domain: Domain) -> dict[Path, str]:
    """The first folder below the named one. Raises `UsageError` where a picture lies in none, or all in the same."""
    needed = f"dataset.classes needs two or more folders directly below dataset.{domain.name}, each named after a class"
    outside = [path for path, name in domain.pictures.items() if "/" not in name]
    if outside:
        pictures = f"{len(outside)} of {len(domain.pictures)} pictures"
        raise UsageError(f"{outside[0]}: is in no class's folder (the first of {pictures}); {needed}")
    class_of = {path: name.partition("/")[0] for path, name in domain.pictures.items()}
    if len(set(class_of.values())) == 1:
        path, name = next(iter(class_of.items()))
        raise UsageError(f"{path}: is of the only class, {name!r}; {needed}")
    return class_of

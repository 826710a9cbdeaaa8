"""Pictures that are their own targets: what they are translated from is made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from i2i.datasets import SelfPairedOptions
from i2i.datasets.folders import open_domain, random_place, resized_size
from i2i.datasets.reading import Reader
from i2i.datasets.walk import Walk

if TYPE_CHECKING:
    import numpy
    import torch
    from torch import Tensor


class SelfPaired(Walk):
    """Walks through the pictures; `prepare` makes their sources on the device."""

    def __init__(self, options: SelfPairedOptions) -> None:
        self.options = options
        super().__init__(open_domain("source", options.source), options.validation)
        sizes = self.domain.sizes.items()
        self.reader = Reader(
            options, ((at, resized_size(size, options.crop, options.resize), None) for at, size in sizes)
        )

    def load(self, index: int, rng: numpy.random.Generator) -> dict[str, Tensor]:
        """`target`, uint8 (3, crop, crop)."""
        options = self.options
        path = self.pictures[index]
        place = random_place(self.domain.sizes[path], options.crop, options.resize, options.flip, rng)
        return {"target": self.reader.square(path, place)}

    def prepare(self, batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
        """`source` and `target` (B, 3, crop, crop) in [0, 1]; where holes are made `mask` (B, 1, crop, crop), 1 there.

        `source` is 0.5 in the holes, whatever else is made of it.
        """
        from i2i.datasets.making import made

        target = batch["target"].float() / 255
        source, mask = made(target, self.options.make, generator)
        return {"source": source, "target": target} | ({} if mask is None else {"mask": mask})

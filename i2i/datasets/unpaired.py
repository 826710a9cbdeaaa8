"""Two folders of pictures without pairs (CycleGAN and its relatives)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from i2i.contracts import Dataset
from i2i.datasets import UnpairedOptions
from i2i.datasets.folders import open_domain, random_place, resized_size, split
from i2i.datasets.reading import Reader, Size

if TYPE_CHECKING:
    import numpy
    from torch import Tensor


class Unpaired(Dataset):
    """Walks through the larger domain, the source where both are equal; partners are drawn from the other."""

    def __init__(self, options: UnpairedOptions) -> None:
        self.options = options
        self.domains = (open_domain("source", options.source), open_domain("target", options.target))
        self.broken = [picture for domain in self.domains for picture in domain.broken]
        parts = [split(domain.pictures, options.validation) for domain in self.domains]
        sizes = {path: size for domain in self.domains for path, size in domain.sizes.items()}
        wanted = ((path, resized_size(size, options.crop, options.resize), None) for path, size in sizes.items())
        reader = Reader(options, wanted)
        self._training = _Part(options, reader, sizes, parts[0][0], parts[1][0])
        self._validation = _Part(options, reader, sizes, parts[0][1], parts[1][1])

    @property
    def validation(self) -> Dataset | None:
        """The held-out pictures of both domains, or None where one has none."""
        return self._validation if len(self._validation) else None

    def describe(self) -> dict[str, object]:
        """Counts and sizes of each domain."""
        return {domain.name: domain.describe() for domain in self.domains}

    def __len__(self) -> int:
        return len(self._training)

    def load(self, index: int, rng: numpy.random.Generator) -> dict[str, Tensor]:
        """`source` and `target`, each uint8 (3, crop, crop)."""
        return self._training.load(index, rng)


class _Part(Dataset):
    """The training or the validation pictures."""

    def __init__(
        self,
        options: UnpairedOptions,
        reader: Reader,
        sizes: Mapping[Path, Size],
        source: Sequence[Path],
        target: Sequence[Path],
    ) -> None:
        self.options, self.reader, self.sizes = options, reader, sizes
        self.pictures = {"source": source, "target": target}

    def __len__(self) -> int:
        lengths = [len(pictures) for pictures in self.pictures.values()]
        return max(lengths) if min(lengths) else 0

    def load(self, index: int, rng: numpy.random.Generator) -> dict[str, Tensor]:
        options = self.options
        walked = max(self.pictures, key=lambda key: len(self.pictures[key]))
        sample = {}
        for key, pictures in self.pictures.items():
            chosen = index if key == walked else int(rng.integers(len(pictures)))
            path = pictures[chosen]
            place = random_place(self.sizes[path], options.crop, options.resize, options.flip, rng)
            sample[key] = self.reader.square(path, place)
        return sample

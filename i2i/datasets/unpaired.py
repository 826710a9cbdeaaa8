"""Two folders of pictures without pairs (CycleGAN and its relatives)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from i2i.contracts import Dataset
from i2i.datasets import UnpairedOptions
from i2i.errors import BrokenPicture, UsageError
from i2i.images.decode import check_header, open_picture, to_tensor
from i2i.images.folders import find_pictures

if TYPE_CHECKING:
    import numpy
    from torch import Tensor


@dataclass(frozen=True)
class Domain:
    """The readable pictures of one kind, in a fixed order."""

    name: str
    pictures: Mapping[Path, str]
    """Each with its path below the folder that was named."""
    sizes: Counter[tuple[int, int]]
    broken: tuple[BrokenPicture, ...]


class Unpaired(Dataset):
    """Walks through the larger domain, the source where both are equal; partners are drawn from the other."""

    def __init__(self, options: UnpairedOptions) -> None:
        self.options = options
        self.domains = (open_domain("source", options.source), open_domain("target", options.target))
        self.broken = [picture for domain in self.domains for picture in domain.broken]
        parts = [split(domain.pictures, options.validation) for domain in self.domains]
        self._training = _Part(options, parts[0][0], parts[1][0])
        self._validation = _Part(options, parts[0][1], parts[1][1])

    @property
    def validation(self) -> Dataset | None:
        """The held-out pictures of both domains, or None where one has none."""
        return self._validation if len(self._validation) else None

    def describe(self) -> dict[str, object]:
        """Counts and sizes of each domain."""
        return {domain.name: _description(domain) for domain in self.domains}

    def __len__(self) -> int:
        return len(self._training)

    def load(self, index: int, rng: numpy.random.Generator) -> dict[str, Tensor]:
        """`source` and `target`, each uint8 (3, crop, crop)."""
        return self._training.load(index, rng)


class _Part(Dataset):
    """The training or the validation pictures."""

    def __init__(self, options: UnpairedOptions, source: Sequence[Path], target: Sequence[Path]) -> None:
        self.options = options
        self.pictures = {"source": source, "target": target}

    def __len__(self) -> int:
        lengths = [len(pictures) for pictures in self.pictures.values()]
        return max(lengths) if min(lengths) else 0

    def load(self, index: int, rng: numpy.random.Generator) -> dict[str, Tensor]:
        walked = max(self.pictures, key=lambda key: len(self.pictures[key]))
        sample = {}
        for key, pictures in self.pictures.items():
            chosen = index if key == walked else int(rng.integers(len(pictures)))
            sample[key] = to_tensor(self._cropped(open_picture(pictures[chosen], self.options.background), rng))
        return sample

    def _cropped(self, picture: Image.Image, rng: numpy.random.Generator) -> Image.Image:
        """A random square of the resized picture, computed without resizing the rest."""
        crop = self.options.crop
        shrink = min(picture.size) / self.options.resize  # source pixels per resized pixel
        width, height = (max(crop, round(side / shrink)) for side in picture.size)
        left, top = int(rng.integers(width - crop + 1)), int(rng.integers(height - crop + 1))
        across, down = picture.width / width, picture.height / height
        box = (left * across, top * down, (left + crop) * across, (top + crop) * down)
        square = picture.resize((crop, crop), Image.Resampling.BICUBIC, box=box)
        if self.options.flip and rng.random() < 0.5:
            square = square.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return square


def open_domain(name: str, folders: Sequence[str] | None) -> Domain:
    """Find the pictures of a domain and read their headers. Raises `UsageError` where none is readable."""
    if not folders:
        raise UsageError(f"dataset.{name}: no folder of pictures given")
    found: dict[Path, str] = {}
    for folder in map(Path, folders):
        for path in find_pictures(folder):
            found[path] = path.name if path == folder else path.relative_to(folder).as_posix()
    pictures, broken, sizes = dict[Path, str](), list[BrokenPicture](), Counter[tuple[int, int]]()
    with ThreadPoolExecutor(8) as threads:
        for path, size in zip(found, threads.map(_size, found), strict=True):
            if isinstance(size, BrokenPicture):
                broken.append(size)
            else:
                pictures[path] = found[path]
                sizes[size] += 1
    if not pictures:
        raise UsageError(f"{', '.join(folders)}: none of {len(found)} pictures can be read ({broken[0].reason})")
    return Domain(name, pictures, sizes, tuple(broken))


def split(pictures: Mapping[Path, str], share: float) -> tuple[list[Path], list[Path]]:
    """(training, validation): by a hash of each name, so that a new file moves no other from part to part.

    Held out is whatever hashes below `share`, about that part of a large folder; of a small one at least one picture
    (unless `share` is 0 or it is the only one), and never all.
    """
    places = {path: _place(name) for path, name in pictures.items()}
    first, last = min(places, key=places.__getitem__), max(places, key=places.__getitem__)
    held_out = {path for path, place in places.items() if place < share or (share and path == first)} - {last}
    return [path for path in pictures if path not in held_out], [path for path in pictures if path in held_out]


def _place(name: str) -> float:
    """In [0, 1), evenly spread over names."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:6]) / 2**48


def _size(path: Path) -> tuple[int, int] | BrokenPicture:
    try:
        return check_header(path)
    except BrokenPicture as broken:
        return broken


def _description(domain: Domain) -> dict[str, object]:
    (width, height), _ = domain.sizes.most_common(1)[0]
    return {
        "pictures": len(domain.pictures),
        "broken": len(domain.broken),
        "most common size": f"{width}×{height}",
        "distinct sizes": len(domain.sizes),
    }

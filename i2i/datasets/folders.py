"""Pictures of one kind as a dataset sees them: found once, split by name, cut into squares."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
import torch
from PIL import Image

from i2i.datasets.finding import find
from i2i.errors import BrokenPicture, UsageError
from i2i.images.decode import check_header

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

MOST_LONG = 8.0
"""Proportions of a picture from which only the part that is looked at is resized."""
_AT_ONCE = 1024  # pictures handed to the threads at a time


@dataclass(frozen=True)
class Domain:
    """The readable pictures of one kind, in a fixed order."""

    name: str
    pictures: Mapping[Path, str]
    """Each with its path below the folder or in the archive that was named."""
    sizes: Mapping[Path, tuple[int, int]]
    """Width and height of each."""
    broken: tuple[BrokenPicture, ...]
    names_of_broken: tuple[str, ...] = ()
    """The same as of the readable ones."""
    states: Mapping[str, str] = field(default_factory=dict)
    """Archives and lists that hold them, with what differs when they have changed."""

    def describe(self) -> dict[str, object]:
        """Counts and sizes, for `Dataset.describe`; a checksum of sizes and times tells changed archives and lists."""
        sizes = Counter(self.sizes.values())
        (width, height), _ = sizes.most_common(1)[0]
        found: dict[str, object] = {
            "pictures": len(self.pictures),
            "broken": len(self.broken),
            "most common size": f"{width}×{height}",
            "distinct sizes": len(sizes),
        }
        if self.states:
            found["archives and lists"] = f"{len(self.states)} (sizes and times: {_checksum(self.states)})"
        return found

    def only(self, kept: Container[Path]) -> Domain:
        """The same without other readable pictures than these."""
        pictures = {path: name for path, name in self.pictures.items() if path in kept}
        return replace(self, pictures=pictures, sizes={path: self.sizes[path] for path in pictures})


def open_domain(name: str, folders: Sequence[str] | None, wanted: Callable[[str], bool] = lambda stem: True) -> Domain:
    """Find the pictures of a domain, those of a `wanted` stem, and read their headers.

    Raises `UsageError` where there are none, or none is readable.
    """
    if not folders:
        raise UsageError(f"dataset.{name}: no folder of pictures given")
    there = find(folders)
    if not (found := {path: below for path, below in there.pictures.items() if wanted(path.stem)}):
        raise UsageError(f"{', '.join(folders)}: none of its pictures has a name that dataset.match fits")
    sizes, broken = _headers(list(found))
    if not sizes:
        reason = next(iter(broken.values())).reason
        raise UsageError(f"{', '.join(folders)}: none of {len(found)} pictures can be read ({reason})")
    pictures = {path: found[path] for path in sizes}
    return Domain(name, pictures, sizes, tuple(broken.values()), tuple(found[path] for path in broken), there.states)


def split(pictures: Mapping[Path, str], share: float) -> tuple[list[Path], list[Path]]:
    """(training, validation): by a hash of each name, so that a new file moves no other from part to part.

    Held out is whatever hashes below `share`, about that part of a large folder; of a small one at least one picture
    (unless `share` is 0 or it is the only one), and never all.
    """
    places = {path: _place(name) for path, name in pictures.items()}
    first, last = min(places, key=places.__getitem__), max(places, key=places.__getitem__)
    held_out = {path for path, place in places.items() if place < share or (share and path == first)} - {last}
    return [path for path in pictures if path not in held_out], [path for path in pictures if path in held_out]


@dataclass(frozen=True)
class Square:
    """A place in a picture that is resized to `width` times `height` pixels."""

    side: int
    width: int
    height: int
    left: int
    top: int
    mirrored: bool

    @property
    def is_in_long_picture(self) -> bool:
        """Whether to resize all of the picture would be much more than what is seen of it."""
        return max(self.width, self.height) > MOST_LONG * min(self.width, self.height)

    def cut(self, pixels: NDArray[numpy.uint8]) -> Tensor:
        """(height, width, 3), the resized picture → what is seen there, (3, side, side)."""
        seen = pixels[self.top : self.top + self.side, self.left : self.left + self.side]
        turned = seen[:, ::-1] if self.mirrored else seen
        return torch.from_numpy(numpy.array(turned.transpose(2, 0, 1), order="C"))

    def of(self, picture: Image.Image) -> Image.Image:
        """What is seen there of a picture of any size, without resizing what lies outside."""
        across, down = picture.width / self.width, picture.height / self.height
        right, bottom = self.left + self.side, self.top + self.side
        box = (self.left * across, self.top * down, right * across, bottom * down)
        square = picture.resize((self.side, self.side), Image.Resampling.BICUBIC, box=box)
        return square.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if self.mirrored else square


def resized_size(size: tuple[int, int], side: int, resize: int) -> tuple[int, int]:
    """Width and height of a picture whose shorter side becomes `resize`, and no side less than `side`."""
    shrink = min(size) / resize  # source pixels per resized pixel
    width, height = (max(side, round(length / shrink)) for length in size)
    return width, height


def random_place(size: tuple[int, int], side: int, resize: int, flip: bool, rng: numpy.random.Generator) -> Square:
    """A square of `side` pixels in a picture of `size`, resized until its shorter side is `resize`, at least `side`.

    The place is random; with `flip` every other square is mirrored.
    """
    width, height = resized_size(size, side, resize)
    left, top = int(rng.integers(width - side + 1)), int(rng.integers(height - side + 1))
    return Square(side, width, height, left, top, bool(flip and rng.random() < 0.5))


def _place(name: str) -> float:
    """In [0, 1), evenly spread over names."""
    return int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()[:6]) / 2**48


def _checksum(states: Mapping[str, str]) -> str:
    """Of what has no path in it: data that was moved is the same."""
    lines = [f"{place.rpartition('/')[2]} {state}" for place, state in states.items()]
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()[:12]


def _headers(paths: Sequence[Path]) -> tuple[dict[Path, tuple[int, int]], dict[Path, BrokenPicture]]:
    """(width, height) of each picture, and those that have none to be read."""
    sizes, broken = dict[Path, tuple[int, int]](), dict[Path, BrokenPicture]()
    shared: dict[tuple[int, int], tuple[int, int]] = {}  # of a million pictures most are of one size
    with ThreadPoolExecutor(8) as threads:
        for start in range(0, len(paths), _AT_ONCE):
            some = paths[start : start + _AT_ONCE]
            for path, size in zip(some, threads.map(_size, some), strict=True):
                if isinstance(size, BrokenPicture):
                    broken[path] = size
                else:
                    sizes[path] = shared.setdefault(size, size)
    return sizes, broken


def _size(path: Path) -> tuple[int, int] | BrokenPicture:
    try:
        return check_header(path)
    except BrokenPicture as broken:
        return broken

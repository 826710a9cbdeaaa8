"""Pictures that were made out of nothing, written by their numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from i2i.images.encode import write_picture

if TYPE_CHECKING:
    from i2i.inference.translator import Translated


def write_numbered(
    pictures: Iterable[Translated[int]],
    destination: Path,
    total: int,
    batch: int,
    written: Callable[[int], object] = lambda number: None,
) -> Generator[Image.Image]:
    """Write pictures as `00000.png` and so on; each comes back once it is written, in order.

    Writing overlaps with the model, of which `batch` come at once. Files of these names are written over: see `taken`.
    `written` and closing as for `Files.translated`. Raises `I2IError` where the destination cannot be written to.
    """
    from i2i.inference.pipeline import overlapped

    def write(made: Translated[int]) -> Image.Image:
        image = made.whole.image()
        write_picture(image, destination / _numbered_name(made.item, total))
        written(made.item)
        return image

    return overlapped(write, pictures, ahead=2 * batch + 2)


def taken(destination: Path, total: int, others: Sequence[str] = ()) -> Path | None:
    """The first of the files that `write_numbered` and its caller, by the names of `others`, would write over."""
    if not destination.is_dir():
        return None
    there = {path.name for path in destination.iterdir()}
    names = (*(_numbered_name(number, total) for number in range(total)), *others)
    return next((destination / name for name in names if name in there), None)


def numbered_before(destination: Path, total: int) -> int:
    """How many numbered pictures are in the folder besides the `total` that `write_numbered` writes."""
    stems = [path.stem for path in destination.glob("*.png") if re.fullmatch("[0-9]{5,}", path.stem)]
    return sum(int(stem) >= total or _numbered_name(int(stem), total) != f"{stem}.png" for stem in stems)


def _numbered_name(number: int, total: int) -> str:
    """Names are as long as the last of `total` needs, and sort by their number."""
    digits = max(5, len(str(total - 1)))
    return f"{number:0{digits}d}.png"

"""Pictures too large for memory to files, band by band."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from i2i.disk.drafts import BeforeRename, complete_or_not_at_all
from i2i.errors import I2IError
from i2i.images.encode import PLAIN, write_levels
from i2i.images.formats import Encoding
from i2i.images.holding import Held, held
from i2i.images.kinds import Kind
from i2i.images.rows import takes_rows, writer_for

if TYPE_CHECKING:
    from torch import Tensor


def write_rows(
    bands: Iterable[Tensor],
    size: tuple[int, int],
    like: Kind,
    path: Path,
    encoding: Encoding = PLAIN,
    before_rename: BeforeRename | None = None,
) -> list[str]:
    """Write a picture of `size` (height, width) whose bands (C, h, width), float in [0, 1], come from the top.

    PNG, TIFF, PGM and PPM go to the disk as they come, one band being compressed while the next is made; the levels of
    other formats are gathered, 8 bits each. Otherwise as `write_whole`.
    Raises `I2IError` where the bands do not make up the picture.
    """
    holding, seen_through, lost = held(like, size, path, encoding), False, list[str]()

    def fitting() -> Iterator[Tensor]:
        nonlocal seen_through
        for band in _fitting(bands, (like.channels, *size), path):
            seen_through = seen_through or holding.is_told_lost(band)
            yield band

    if takes_rows(holding):
        _as_they_come(fitting(), holding, path, before_rename)
    else:
        rows = (part for band in fitting() for part in holding.rows(band))
        lost = write_levels(rows, holding, path, before_rename)
    return holding.phrases(seen_through) + lost


def _as_they_come(bands: Iterator[Tensor], holding: Held, path: Path, before_rename: BeforeRename | None) -> None:
    with complete_or_not_at_all(path, before_rename) as stream, ThreadPoolExecutor(1) as thread:
        writer, writing = writer_for(stream, holding), Future[None]()
        writing.set_result(None)

        def write(band: Tensor) -> None:
            for part in holding.rows(band):
                writer.write(part)

        for band in bands:
            writing.result()
            writing = thread.submit(write, band)
        writing.result()
        writer.finish()


def _fitting(bands: Iterable[Tensor], shape: tuple[int, int, int], path: Path) -> Iterator[Tensor]:
    """The bands, of which there are exactly as many rows as the picture has."""
    (channels, height, width), top = shape, 0
    for band in bands:
        top += band.shape[1]
        if band.shape != (channels, band.shape[1], width) or top > height:
            raise I2IError(f"{path}: bands (C, h, W) of {shape}, found one of {tuple(band.shape)} down to row {top}")
        yield band
    if top < height:
        raise I2IError(f"{path}: bands of {shape}, found {top} rows of {height}")

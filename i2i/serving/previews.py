"""Pictures as every browser shows them, no larger than a screen."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PIL import Image

from i2i.disk.drafts import complete_or_not_at_all
from i2i.errors import BrokenPicture
from i2i.images.decode import open_picture
from i2i.images.limits import Limits
from i2i.serving.refusals import Refused

SIDE = 2048
"""Pixels at most; larger pictures are made smaller."""
EXACT = 512 * 512
"""Pixels up to which nothing is lost."""
PIXELS = 64_000_000
"""Decoded for it at most."""
_ONE_AT_A_TIME = threading.Lock()


def preview(path: Path, folder: Path, limits: Limits, grew: Callable[[int], object]) -> Path:
    """A file to show instead of the picture in `path`, made in `folder` when it is first asked for.

    `grew` is told of its bytes; where it raises, there is none.

    Raises `Refused` where the picture cannot be read, or is too large for that.
    """
    made = folder / f"{path.parent.name}-{path.stem}.webp"
    with _ONE_AT_A_TIME:
        if not made.exists():
            _write(path, made, replace(limits, pixels=min(limits.pixels, PIXELS)))
            try:
                grew(made.stat().st_size)
            except BaseException:
                made.unlink()
                raise
    return made


def _write(path: Path, made: Path, limits: Limits) -> None:
    try:
        shown = open_picture(path, limits=limits)
    except BrokenPicture as broken:
        raise Refused(422, f"cannot be shown: {broken.reason}") from broken
    except FileNotFoundError as error:
        raise Refused(404, "there is no such picture any more") from error
    if max(shown.size) > SIDE:
        shown.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    with complete_or_not_at_all(made) as stream:
        shown.save(stream, "WEBP", quality=90, method=2, lossless=shown.width * shown.height <= EXACT)

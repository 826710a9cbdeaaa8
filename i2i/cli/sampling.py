"""`i2i translate` with a model that makes pictures out of nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from i2i.cli.progress import counting
from i2i.errors import UsageError, counted

if TYPE_CHECKING:
    from PIL import Image

    from i2i.inference.translator import Translated, Translator

STOPS = 4
"""Of a walk, where --count does not say."""
SHEET = 256
"""Pictures on a sheet at most."""
WALK, GRID = "walk.gif", "grid.png"


@dataclass(frozen=True)
class Sampling:
    """What is asked for: `count` pictures, or a walk through them with `frames` from each to the next."""

    count: int
    frames: int | None
    grid: bool

    @property
    def total(self) -> int:
        """How many pictures that makes."""
        return self.count * (self.frames or 1)

    @property
    def extras(self) -> list[str]:
        """What is written besides the pictures, by file name."""
        return [WALK] * (self.frames is not None) + [GRID] * self.grid


def asked_for(
    sources: tuple[Path, ...],
    count: int | None,
    frames: int | None,
    grid: bool,
    class_name: str | None,
    save_every: int | None = None,
) -> Sampling | None:
    """What the flags ask to be made, or None where they ask to translate. Raises `UsageError` where it is neither."""
    flags = {"--count": count, "--interpolate": frames, "--grid": grid or None, "--class": class_name}
    given = [flag for flag, value in flags.items() if value is not None]
    if sources and given:
        raise UsageError(f"--src translates pictures, {given[0]} makes new ones: leave one of them out")
    if sources:
        return None
    if save_every is not None:
        raise UsageError(f"--save-every {save_every} is for pictures on their way to a translation: it needs --src DIR")
    if count is None and frames is None:
        raise UsageError("say which pictures to translate, --src DIR, or how many new ones to make, --count 64")
    if count is not None and count < 1:
        raise UsageError(f"--count {count}: at least 1, such as --count 64")
    if frames is not None and frames < 1:
        raise UsageError(f"--interpolate {frames}: at least 1 frame from each picture to the next, such as 50")
    if frames is not None and count == 1:
        raise UsageError("--interpolate walks from picture to picture: --count is at least 2")
    return Sampling(STOPS if count is None else count, frames, grid)


def refuse_misuse(translator: Translator, sampling: Sampling | None, usage: str) -> None:
    """Raise `UsageError` where the model cannot do that; `usage` is the command without what to do."""
    if sampling is None and not translator.translates:
        raise UsageError(f"{translator.name} makes pictures out of nothing, without --src: `{usage} --count 64`")
    if sampling is not None and not translator.samples:
        raise UsageError(f"{translator.name} translates pictures and makes no new ones: `{usage} --src DIR`")


def refuse_replacing(sampling: Sampling, destination: Path) -> None:
    """Raise `UsageError` where a file would be written over, before anything is computed."""
    from i2i.inference.numbered import taken

    if (there := taken(destination, sampling.total, sampling.extras)) is not None:
        raise UsageError(f"{there}: is there already; choose another --dst, or --force")


def drawn(translator: Translator, sampling: Sampling, batch: int, seed: int) -> Iterator[Translated[int]]:
    """The pictures asked for, the first of them made at once: only then has the model seen, or refused, its options."""
    if sampling.frames is None:
        made = translator.sampled(sampling.count, seed, batch)
    else:
        made = translator.walked(sampling.count, sampling.frames, seed, batch)
    return chain([next(made)], made)


def write_all(made: Iterable[Translated[int]], sampling: Sampling, destination: Path, batch: int) -> str:
    """Write the pictures as they are made and show how far it is; says what was made."""
    from i2i.images.encode import write_animation, write_picture
    from i2i.images.sheet import plain_sheet
    from i2i.inference.numbered import write_numbered

    written: list[object] = []
    shown: list[Image.Image] = []
    with counting(sampling.total, "made", written) as counter:
        with closing(write_numbered(made, destination, sampling.total, batch, written.append)) as pictures:
            passing = _seen(pictures, sampling, counter.count, shown)
            if sampling.frames is None:
                deque(passing, maxlen=0)
            else:
                write_animation(passing, destination / WALK)
        if sampling.grid:
            write_picture(plain_sheet(shown), destination / GRID)
    return _told(sampling, destination)


def left_from_before(sampling: Sampling, destination: Path) -> str | None:
    """`faces/ also holds 62 numbered pictures of an earlier command`, or None where all that it holds is new."""
    from i2i.inference.numbered import numbered_before

    older = [counted(number, "numbered picture")] if (number := numbered_before(destination, sampling.total)) else []
    older += [name for name in (WALK, GRID) if name not in sampling.extras and (destination / name).exists()]
    return f"{destination}/ also holds {' and '.join(older)} of an earlier command" if older else None


def _seen(
    pictures: Iterable[Image.Image], sampling: Sampling, show: Callable[[int], None], shown: list[Image.Image]
) -> Iterator[Image.Image]:
    """The same pictures, counted as they pass; `shown` takes those of the sheet, no larger than it shows them."""
    from i2i.images.sheet import LARGEST_CELL, fit

    for number, picture in enumerate(pictures):
        if sampling.grid and number % (sampling.frames or 1) == 0 and len(shown) < SHEET:
            shown.append(picture if max(picture.size) <= LARGEST_CELL else fit(picture, LARGEST_CELL))
        show(number + 1)
        yield picture


def _told(sampling: Sampling, destination: Path) -> str:
    """`64 pictures made in faces/, with grid.png`."""
    extras = " and ".join(sampling.extras)
    if sampling.grid and sampling.count > SHEET:
        extras += f" (the first {SHEET})" if sampling.frames is None else f" (the first {SHEET} stops)"
    return f"{counted(sampling.total, 'picture')} made in {destination}/" + (f", with {extras}" if extras else "")

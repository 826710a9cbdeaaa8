"""Pictures against their targets, pair by pair, with bicubic enlargement beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING, Literal

import torch
from PIL import Image

from i2i.errors import BrokenPicture, UsageError
from i2i.evaluation.metrics import WINDOW, luma, psnr, ssim
from i2i.evaluation.named import METRICS
from i2i.evaluation.pairing import Pair
from i2i.images.decode import check_header, open_picture, to_image, to_tensor
from i2i.images.resize import shrunk
from i2i.inference.opening import Subject
from i2i.inference.pipeline import overlapped
from i2i.training.runtime import memory_explained

if TYPE_CHECKING:
    from i2i.features.lpips import LPIPS
    from i2i.inference.translator import Translator


Baseline = Literal["originals", "targets"]
Predicted = tuple[Pair, Image.Image | BrokenPicture]


@dataclass(frozen=True)
class Ruler:
    """By what pairs are measured."""

    scale: int | None = None
    """Pixels of a target per pixel of what the picture was made from, along each side; None where nobody knows."""
    border: int = 0
    """Pixels left out on each side."""
    lpips: LPIPS | None = None
    """A prepared network, on the device where it is to work."""
    baseline: Baseline | None = None
    """What is enlarged by Pillow's bicubic filter for comparison: the originals, or targets shrunk by `scale`."""

    def scores(self, picture: Image.Image, target: Image.Image) -> dict[str, float]:
        """Of two pictures of one size, without the border. Raises `ValueError` where too little is left."""
        width, height = (max(0, side - 2 * self.border) for side in picture.size)
        needed = WINDOW if self.lpips is None else max(WINDOW, self.lpips.smallest)
        if min(width, height) < needed:
            left = f"{width}×{height} pixels" + (f" without the border of {self.border}" if self.border else "")
            raise ValueError(f"{left}; {'SSIM' if self.lpips is None else 'LPIPS'} needs {needed}×{needed}")
        inner = (..., slice(self.border, self.border + height), slice(self.border, self.border + width))
        ours, theirs = to_tensor(picture)[inner], to_tensor(target)[inner]
        bright, goal = luma(ours), luma(theirs)
        found = {"psnr_y": psnr(bright, goal), "ssim_y": ssim(bright, goal)}
        found |= {"psnr_rgb": psnr(ours, theirs), "ssim_rgb": ssim(ours, theirs)}
        if self.lpips is not None:
            device = next(self.lpips.buffers()).device
            images = (image[None].to(device).float() / 255 for image in (ours, theirs))
            with torch.no_grad():
                found["lpips"] = self.lpips.distances(*images).item()
        return found


@dataclass(frozen=True)
class Row:
    """One picture's figures, by the names of `METRICS`."""

    name: str
    scores: Mapping[str, float]
    bicubic: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Evaluation:
    """All that was measured, and what could not be."""

    rows: Sequence[Row]
    refused: Sequence[BrokenPicture] = ()

    @classmethod
    def of(cls, results: Iterable[Row | BrokenPicture]) -> Evaluation:
        """Sorted by name, in whatever order they come."""
        rows, refused = list[Row](), list[BrokenPicture]()
        for result in results:
            if isinstance(result, Row):
                rows.append(result)
            else:
                refused.append(result)
        return cls(sorted(rows, key=lambda row: row.name), sorted(refused, key=lambda broken: broken.path))

    @property
    def metrics(self) -> list[str]:
        """Which were measured."""
        return list(self.rows[0].scores) if self.rows else []

    @property
    def compared(self) -> int:
        """How many pictures have bicubic figures beside theirs."""
        return sum(row.bicubic is not None for row in self.rows)

    @property
    def identical(self) -> int:
        """How many pictures equal their target on Y, so that their PSNR is infinite."""
        return sum(row.scores["psnr_y"] == inf for row in self.rows)

    def mean(self, metric: str) -> float:
        """Over all pictures but those of infinite PSNR; infinite where there are no others."""
        return _mean([row.scores[metric] for row in self.rows])

    def bicubic_mean(self, metric: str) -> float | None:
        """The same of bicubic enlargement, over the same pictures as far as it has any; None where it has none."""
        compared = [row for row in self.rows if row.bicubic]
        finite = [row for row in compared if isfinite(row.scores[metric])] or compared
        return _mean([row.bicubic[metric] for row in finite if row.bicubic]) if compared else None

    def worst_first(self, metric: str) -> list[Row]:
        """The rows, by one of their figures."""
        return sorted(self.rows, key=lambda row: row.scores[metric], reverse=not METRICS[metric].more_is_better)


def evaluate_pairs(pairs: Sequence[Pair], ruler: Ruler) -> Evaluation:
    """Measure files against their targets; what cannot be read or measured is among the `refused`.

    One pair is measured at a time, and few are in memory.
    """
    return Evaluation.of(measured(read(pairs), ruler))


def measured(predicted: Iterable[Predicted], ruler: Ruler) -> Iterator[Row | BrokenPicture]:
    """A row for each picture as it comes, or the reason why there is none."""
    for pair, picture in predicted:
        if isinstance(picture, BrokenPicture):
            yield picture
            continue
        try:
            with memory_explained("crop the pictures, or leave out LPIPS with --lpips none"):
                row = _row(pair, picture, ruler)
        except BrokenPicture as broken:
            yield BrokenPicture(broken.path, broken.reason)
        else:
            yield row


def read(pairs: Iterable[Pair]) -> Generator[Predicted]:
    """The predictions as their files hold them."""

    def opened(pair: Pair) -> Predicted:
        try:
            return pair, open_picture(pair.picture)
        except BrokenPicture as broken:
            return pair, BrokenPicture(broken.path, broken.reason)

    return overlapped(opened, pairs, ahead=2)


def translated(translator: Translator, pairs: Iterable[Pair], batch: int = 1, seed: int = 0) -> Generator[Predicted]:
    """The predictions that a model makes, rounded to 8 bits as in a file."""
    for done in translator.stream((Subject(pair, pair.picture) for pair in pairs), batch, seed):
        if done.picture is None:
            yield done.item, done.broken or BrokenPicture(done.item.picture, "could not be read")
        elif done.untouched:
            raise UsageError(
                f"{done.item.picture}: nothing of it is transparent, so {translator.name} fills nothing: translate "
                "with --mask, then evaluate with --pred"
            )
        else:
            yield done.item, open_picture(done.whole.image())


def scale_of(pairs: Iterable[Pair]) -> int | None:
    """How many times larger most pictures are than their originals; None where that is no whole number.

    Pictures that cannot be read have no say.
    """
    found = Counter[int | None]()
    for pair in pairs:
        if pair.original is not None:
            try:
                found[_ratio(check_header(pair.picture), check_header(pair.original))] += 1
            except BrokenPicture:
                continue
    ratio, count = found.most_common(1)[0] if found else (None, 0)
    return ratio if 2 * count > found.total() else None


def _ratio(large: tuple[int, int], small: tuple[int, int]) -> int | None:
    scale = large[0] // small[0]
    return scale if large == (scale * small[0], scale * small[1]) else None


def _row(pair: Pair, picture: Image.Image, ruler: Ruler) -> Row:
    target = _fitting(open_picture(pair.target), pair, picture, ruler.scale)
    try:
        return Row(pair.name, ruler.scores(picture, target), _baseline(pair, picture, target, ruler))
    except ValueError as problem:
        raise BrokenPicture(pair.picture, str(problem)) from problem


def _fitting(target: Image.Image, pair: Pair, picture: Image.Image, scale: int | None) -> Image.Image:
    """The target without the rows and columns that an enlargement cannot have."""
    spare = [theirs - ours for theirs, ours in zip(target.size, picture.size, strict=True)]
    if min(spare) < 0 or max(spare) >= (scale or 1):
        sizes = f"{_size(picture)}, but its target {pair.target} is {_size(target)}"
        if scale is None and min(spare) >= 0:
            sizes += "; with --scale S it may be up to S - 1 pixels larger"
        raise BrokenPicture(pair.picture, sizes)
    return target.crop((0, 0, *picture.size)) if max(spare) else target


def _baseline(pair: Pair, picture: Image.Image, target: Image.Image, ruler: Ruler) -> dict[str, float] | None:
    if ruler.baseline == "targets":
        return ruler.scores(*_shrunk_and_enlarged(target, ruler.scale or 1))
    if ruler.baseline is None or pair.original is None:
        return None
    original = open_picture(pair.original)
    if ruler.scale is not None and _ratio(picture.size, original.size) != ruler.scale:
        ratio = f"not {ruler.scale} times its original {pair.original}, which is {_size(original)}"
        raise BrokenPicture(pair.picture, f"{_size(picture)}, {ratio}")
    return ruler.scores(original.resize(picture.size, Image.Resampling.BICUBIC), target)


def _shrunk_and_enlarged(target: Image.Image, scale: int) -> tuple[Image.Image, Image.Image]:
    """What bicubic makes of a target, and as much of the target as `scale` divides."""
    if min(target.size) < scale:
        raise ValueError(f"its target is {_size(target)}, which cannot be shrunk by {scale}")
    whole = target.crop((0, 0, target.width // scale * scale, target.height // scale * scale))
    small = to_image(shrunk(to_tensor(whole)[None].float() / 255, scale)[0])
    return small.resize(whole.size, Image.Resampling.BICUBIC), whole


def _size(picture: Image.Image) -> str:
    return f"{picture.width}×{picture.height}"


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if isfinite(value)]
    return sum(finite) / len(finite) if finite else inf

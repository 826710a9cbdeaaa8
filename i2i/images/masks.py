"""Masks: pictures that show in white what of another picture is to be made anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from PIL import Image

from i2i.contracts.geometry import luma
from i2i.errors import BrokenPicture, UsageError
from i2i.images.decode import open_picture, to_tensor
from i2i.images.limits import LIMITS, Limits
from i2i.images.whole import Whole

if TYPE_CHECKING:
    from torch import Tensor


def masked(
    picture: Whole,
    mask: Path | str | Image.Image | Tensor,
    name: Path | str = "the picture",
    limits: Limits = LIMITS,
) -> Whole:
    """The picture without what the mask shows: there it is transparent.

    A mask is a picture of the same size whose light pixels, from half grey up, count, or a tensor (1, H, W) whose
    numbers from 0.5 up do; transparent pixels of a mask do not. Raises `BrokenPicture`, of `name`, where the sizes
    differ, of the mask where it cannot be read or asks for more than `limits`, and `UsageError` for a tensor of another
    shape.
    """
    shown = _read(mask, limits)
    if shown.shape[-2:] != picture.values.shape[-2:]:
        sizes = ["{1}×{0}".format(*values.shape[-2:]) for values in (shown, picture.values)]
        where = "" if isinstance(mask, Image.Image) or not _is_picture(mask) else f" {mask}"
        raise BrokenPicture(name, f"its mask{where} has {sizes[0]} pixels, the picture {sizes[1]}; both must be equal")
    return picture.cut_out(shown)


def _is_picture(mask: object) -> TypeGuard[Path | str | Image.Image]:
    """Whether it is a PIL picture or a place of any kind that opens as a Path does."""
    return isinstance(mask, str | Image.Image) or hasattr(mask, "open")


def _read(mask: Path | str | Image.Image | Tensor, limits: Limits) -> Tensor:
    """(1, H, W), true where something is to be made."""
    from torch import Tensor

    if _is_picture(mask):
        return luma(to_tensor(open_picture(mask, "black", limits)).float()) >= 127.5
    if not isinstance(mask, Tensor):
        raise UsageError(f"a mask is a path, a PIL picture or a tensor (1, H, W), found {type(mask).__name__}")
    if mask.dim() != 3 or mask.shape[0] != 1:
        raise UsageError(f"a mask tensor is (1, H, W), found {tuple(mask.shape)}")
    return mask >= 0.5

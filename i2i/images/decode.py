"""Files to pictures: whatever a file holds becomes upright 8-bit sRGB, or a `BrokenPicture` that says why not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy
from PIL import Image, ImageColor

from i2i.errors import BrokenPicture, I2IError, UsageError
from i2i.images.colour import to_srgb
from i2i.images.limits import LIMITS, Examine, Limits
from i2i.images.reading import check_header as check_header
from i2i.images.reading import decoding as decoding
from i2i.images.reading import explaining as explaining
from i2i.images.reading import orientation

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def open_picture(
    source: Path | str | Image.Image,
    background: str = "white",
    limits: Limits = LIMITS,
    examine: Examine | None = None,
) -> Image.Image:
    """Decode a file, or bring a Pillow image into the same form: RGB, 8 bit, sRGB, upright, without metadata.

    The EXIF orientation is applied, 16 bits are scaled to 8, an embedded colour profile is converted to sRGB (one that
    cannot be used is ignored), transparency is composited over `background` (a Pillow colour: a name, `#rrggbb`), and
    of an animation the first frame is taken. Values of a floating-point picture count from 0 to the smallest of 1, 255
    and 65535 whose double holds them all; 32-bit integers count as 16-bit ones and are clipped.

    `source` may also be a place of another kind that opens as a Path does. A file that asks for more than `limits` is
    refused; `examine` is shown the header of a file before it is decoded.

    Raises `BrokenPicture` when the file cannot be decoded, `UsageError` when `background` is no colour.
    """
    backdrop = parsed_colour(background)
    if isinstance(source, Image.Image):
        with explaining(source):
            return upright_rgb(source, backdrop)
    with decoding(Path(source) if isinstance(source, str) else source, limits, examine) as image:
        return upright_rgb(image, backdrop)


def parsed_colour(name: str) -> tuple[int, ...]:
    """The levels of a Pillow colour: a name, `#rrggbb`. Raises `UsageError` where there is no such colour."""
    try:
        return ImageColor.getrgb(name)
    except ValueError as problem:
        raise UsageError(f"background: no such colour: {name!r} (a name such as white, or #rrggbb)") from problem


def without_frames(broken: BrokenPicture) -> BrokenPicture:
    """The same to be kept: a traceback's frames would keep half-decoded pixels alive."""
    return BrokenPicture(broken.path, broken.reason)


def upright_rgb(image: Image.Image, background: tuple[int, ...] = (255, 255, 255)) -> Image.Image:
    """A new RGB picture as `open_picture` describes it, from an opened one; what Pillow raises passes through."""
    rgb, alpha = upright_parts(image)
    if alpha is not None:
        picture = Image.new("RGB", rgb.size, background[:3])
        picture.paste(rgb, mask=alpha)
        return picture
    rgb.info = {}  # a stale profile or orientation would be written out again
    return rgb


def upright_parts(image: Image.Image, to_srgb: bool = True) -> tuple[Image.Image, Image.Image | None]:
    """The colours of an opened picture, RGB, 8 bit, upright and new, and its alpha channel where it has one.

    They are sRGB, unless `to_srgb` is false: then they are levels of whatever the picture's profile says.
    """
    colour, alpha = _split_alpha(_eight_bits(upright(image)))
    return _to_srgb(colour, image.info.get("icc_profile") if to_srgb else None), alpha


def upright(image: Image.Image) -> Image.Image:
    """The decoded picture, turned as its orientation asks for."""
    image.load()
    turn = _UPRIGHT.get(orientation(image))
    return image.transpose(turn) if turn is not None else image


def unit_levels(image: Image.Image) -> NDArray[numpy.float32]:
    """The levels of a picture of integers or floats, (H, W) in [0, 1]."""
    values = numpy.asarray(image)
    white = 65535.0
    if image.mode == "F":
        values = numpy.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        peak = float(values.max(initial=0.0))
        white = next((top for top in (1.0, 255.0) if peak <= 2 * top), white)
    return numpy.clip(values / white, 0, 1).astype(numpy.float32)


def opaque_levels(image: Image.Image) -> NDArray[numpy.bool_] | None:
    """Where a picture of integers or floats is not of the level that its file calls transparent, if it calls one so."""
    transparent = image.info.get("transparency")
    return numpy.asarray(image) != transparent if isinstance(transparent, int) else None


def to_tensor(image: Image.Image) -> Tensor:
    """Pixels as uint8 (C, H, W): three channels, or one for a picture of mode L."""
    import torch

    plain = image if image.mode in ("L", "RGB") else open_picture(image)
    pixels = torch.from_numpy(numpy.array(plain))
    if pixels.ndim == 2:
        return pixels[None]
    return pixels.permute(2, 0, 1).contiguous()


def to_image(tensor: Tensor) -> Image.Image:
    """The picture in a (C, H, W) tensor: uint8, or float clipped to [0, 1] and rounded to nearest.

    C is 1: grey, mode L; 2: grey and alpha, LA; 3: RGB; or 4: RGBA. Raises `I2IError` for another shape.
    """
    import torch

    if tensor.ndim != 3 or not 1 <= tensor.shape[0] <= 4:
        raise I2IError(f"a picture's tensor is (C, H, W) of 1 to 4 channels, found {tuple(tensor.shape)}")
    pixels = tensor.detach()
    if pixels.dtype != torch.uint8:
        pixels = pixels.float().nan_to_num(0.0).clamp(0, 1).mul(255).round().to(torch.uint8)
    rows = pixels.permute(1, 2, 0).cpu().contiguous().numpy()  # (H, W, C)
    return Image.fromarray(rows[:, :, 0] if rows.shape[2] == 1 else rows)


def _eight_bits(image: Image.Image) -> Image.Image:
    """A picture of integers or floats as mode L or LA; any other as it is."""
    if image.mode != "F" and not image.mode.startswith("I"):
        return image
    grey = Image.fromarray(numpy.rint(unit_levels(image) * 255).astype(numpy.uint8))
    opaque = opaque_levels(image)
    if opaque is None:
        return grey
    return Image.merge("LA", (grey, Image.fromarray(opaque.astype(numpy.uint8) * 255)))


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colour of mode L, RGB or CMYK, and the alpha channel where there is one."""
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        *colour, alpha = image.convert("LA" if grey else "RGBA").split()
        return (colour[0] if grey else Image.merge("RGB", colour)), alpha
    if grey:
        return image.convert("L"), None
    return (image if image.mode in ("RGB", "CMYK") else image.convert("RGB")), None


def _to_srgb(colour: Image.Image, profile: bytes | None) -> Image.Image:
    rgb = colour.convert("RGB")  # always a new picture
    if profile:
        for picture in (colour, rgb):  # a grey picture may carry an RGB profile
            transform = to_srgb(profile, picture.mode)
            if transform is not None:
                return transform.apply(picture)
    return rgb

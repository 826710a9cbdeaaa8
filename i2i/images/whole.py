"""Pictures with all that their pixels hold: grey or colour, transparency, levels of 8 or 16 bits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy
from PIL import Image

from i2i.images.decode import (
    decoding,
    explaining,
    opaque_levels,
    to_image,
    to_tensor,
    unit_levels,
    upright,
    upright_parts,
)
from i2i.images.deep import WHITE, deep_colour, stored_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_GREY = ("1", "L", "LA", "La")
_COLOUR_SPACES = {1: b"GRAY", 2: b"GRAY", 3: b"RGB ", 4: b"RGB "}


@dataclass(frozen=True)
class Levels:
    """What the levels of a picture are in its file."""

    bits: Literal[8, 16] = 8
    profile: bytes | None = None
    """The ICC profile that says which colours they mean; None: sRGB."""
    reduced: bool = False
    """Whether the file holds more than these 8 bits, which could not be read."""


EIGHT_BITS = Levels()


@dataclass(frozen=True)
class Whole:
    """A picture with all that its pixels hold."""

    values: Tensor
    """(C, H, W): grey, grey and alpha, RGB, or RGB and alpha; uint8, or float in [0, 1]."""
    levels: Levels = EIGHT_BITS

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return len(self.values) in (2, 4)

    @property
    def is_seen_through(self) -> bool:
        """Whether any pixel is less than opaque."""
        return self.has_alpha and bool(self.unit[-1].min() < 1)

    @property
    def unit(self) -> Tensor:
        """The values as float in [0, 1], on the CPU."""
        import torch

        values = self.values.detach().cpu()
        return values.float() / 255 if values.dtype == torch.uint8 else values.float().nan_to_num(0.0).clamp(0, 1)

    def deep(self) -> NDArray[numpy.uint16]:
        """(H, W, C), rounded to the nearest of 65536 levels."""
        levels = self.unit.mul(WHITE).round().permute(1, 2, 0).numpy()
        return numpy.ascontiguousarray(levels, numpy.uint16)

    def image(self) -> Image.Image:
        """As Pillow has it: L, LA, RGB, RGBA, or I;16 for grey of 16 bits; of colours and alpha it holds 8 bits."""
        if self.levels.bits == 16 and len(self.values) == 1:
            height, width = self.values.shape[-2:]
            image = Image.frombytes("I;16", (width, height), self.deep().astype("<u2").tobytes())
        else:
            image = to_image(self.values)
        if self.levels.profile is not None:
            image.info["icc_profile"] = self.levels.profile
        return image

    def cut_out(self, mask: Tensor) -> Whole:
        """With nothing to be seen where the mask (1, H, W) is true."""
        import torch

        opaque = 255 if self.values.dtype == torch.uint8 else 1
        colour = self.values[:-1] if self.has_alpha else self.values
        alpha = self.values[-1:] if self.has_alpha else torch.full_like(colour[:1], opaque)
        return replace(self, values=torch.cat([colour, alpha.masked_fill(mask.to(alpha.device), 0)]))

    def over(self, background: tuple[int, ...]) -> Whole:
        """Without alpha: laid over a colour of 8-bit levels; grey stays grey where that is grey too."""
        import torch

        backdrop = torch.tensor(background[:3], dtype=torch.float32).view(3, 1, 1) / 255
        if len(self.values) == 2 and len(set(background[:3])) == 1:
            backdrop = backdrop[:1]
        colour, alpha = self.unit[:-1], self.unit[-1:]
        return replace(self, values=colour * alpha + backdrop * (1 - alpha))


def open_whole(source: Path | str | Image.Image, as_stored: bool = False) -> Whole:
    """Decode a file, or take a Pillow image, upright, with its kind of colour, its transparency and its depth.

    Levels of 16 bits are kept as they are with the colour profile that they come with; so are those of 8 bits where
    they are asked for `as_stored`, else they are brought to sRGB as `open_picture` does it. Integers and floats beyond
    16 bits count as 16 and as there. A palette of greys is grey.
    Raises `BrokenPicture` when the file cannot be decoded.
    """
    if isinstance(source, Image.Image):
        with explaining(source):
            return _whole(source, as_stored)
    path = Path(source)
    with decoding(path) as image:
        if image.mode in ("RGB", "RGBA", "CMYK") and (bits := stored_bits(image)) > 8:
            deep = deep_colour(path, image) if bits == 16 else None
            if deep is None:
                shallow = _whole(image, as_stored)
                return replace(shallow, levels=replace(shallow.levels, reduced=True))
            return _deep(_with_transparent_colour(deep, image), image)
        return _whole(image, as_stored)


def _whole(image: Image.Image, as_stored: bool) -> Whole:
    """An opened picture of 8 bits, or of grey levels of any depth."""
    import torch

    if image.mode == "F" or image.mode.startswith("I"):
        return _deep_grey(image)
    grey = image.mode in _GREY or (image.mode in ("P", "PA") and _has_greys_alone(image))
    profile = _fitting_profile(image, channels=1 if grey else 3) if as_stored and image.mode != "CMYK" else None
    rgb, alpha = upright_parts(image, to_srgb=profile is None)
    colour = to_tensor(rgb.convert("L") if grey else rgb)
    return Whole(colour if alpha is None else torch.cat([colour, to_tensor(alpha)]), Levels(profile=profile))


def _fitting_profile(image: Image.Image, channels: int) -> bytes | None:
    """The ICC profile of a picture, if it is one of so many channels, alpha counting too."""
    profile: bytes | None = image.info.get("icc_profile")
    return profile if profile and profile[16:20] == _COLOUR_SPACES[channels] else None


def _has_greys_alone(image: Image.Image) -> bool:
    image.load()  # some formats have a palette only then
    colours = numpy.reshape(image.getpalette("RGB") or [], (-1, 3))
    return bool((colours == colours[:, :1]).all())


def _deep_grey(image: Image.Image) -> Whole:
    turned = upright(image)
    channels = [unit_levels(turned)]
    if (opaque := opaque_levels(turned)) is not None:
        channels.append(opaque.astype(numpy.float32))
    return _of_unit_levels(numpy.stack(channels, axis=-1), image)


def _deep(levels: NDArray[numpy.uint16], image: Image.Image) -> Whole:
    return _of_unit_levels(levels / numpy.float32(WHITE), image)


def _of_unit_levels(levels: NDArray[Any], image: Image.Image) -> Whole:
    import torch

    values = torch.from_numpy(levels).permute(2, 0, 1).contiguous()
    return Whole(values, Levels(16, _fitting_profile(image, levels.shape[2])))


def _with_transparent_colour(levels: NDArray[numpy.uint16], image: Image.Image) -> NDArray[numpy.uint16]:
    """RGBA where a file of RGB calls one colour transparent."""
    transparent = image.info.get("transparency")
    if levels.shape[2] != 3 or not isinstance(transparent, tuple):
        return levels
    opaque = (levels != transparent).any(axis=-1, keepdims=True)
    return numpy.concatenate([levels, opaque * numpy.uint16(WHITE)], axis=-1)

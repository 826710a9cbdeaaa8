"""Pictures with all that their pixels hold: grey or colour, transparency, levels of 8 or 16 bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
from PIL import Image, ImageFile

from i2i.images.colour import fits
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
from i2i.images.deep import WHITE, deep_colour, holds_deep_grey
from i2i.images.kinds import EIGHT_BITS as EIGHT_BITS
from i2i.images.kinds import Colours as Colours
from i2i.images.kinds import Kind as Kind
from i2i.images.kinds import Levels as Levels
from i2i.images.limits import LIMITS, Examine, Limits
from i2i.images.metadata import NOTHING, Metadata, metadata_of
from i2i.images.profiles import GREY, deep_meaning, is_moved, meaning, stored_as
from i2i.images.reading import stored_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor


@dataclass(frozen=True)
class Whole:
    """A picture with all that its pixels hold, and what its file says beside them."""

    values: Tensor
    """(C, H, W): grey, grey and alpha, RGB, or RGB and alpha; uint8, or float in [0, 1]."""
    levels: Levels = EIGHT_BITS
    metadata: Metadata = NOTHING

    @property
    def kind(self) -> Kind:
        """Without the values."""
        return Kind(len(self.values), self.levels, self.metadata)

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is alpha."""
        return self.kind.has_alpha

    @property
    def is_seen_through(self) -> bool:
        """Whether any pixel is less than opaque."""
        return self.has_alpha and bool(self.unit[-1].min() < 1)

    @property
    def unit(self) -> Tensor:
        """The values as float in [0, 1], on the CPU."""
        return unit_range(self.values)

    def deep(self) -> NDArray[numpy.uint16]:
        """(H, W, C), rounded to the nearest of 65536 levels."""
        levels = self.unit.mul(WHITE).round().permute(1, 2, 0).numpy()
        return numpy.ascontiguousarray(levels, numpy.uint16)

    def image(self) -> Image.Image:
        """As Pillow has it: L, LA, RGB, RGBA, or I;16 for grey of 16 bits; of colours and alpha it holds 8 bits.

        Its profile says what the values mean; there is none where they mean sRGB. Metadata stay behind.
        """
        if self.levels.bits == 16 and len(self.values) == 1:
            height, width = self.values.shape[-2:]
            image = Image.frombytes("I;16", (width, height), self.deep().astype("<u2").tobytes())
        else:
            image = to_image(self.values)
        if fits(self.levels.profile, len(self.values)) and not self.levels.from_srgb:
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
        return replace(self, values=over(self.unit, background))


def unit_range(values: Tensor) -> Tensor:
    """Values, uint8 or float in [0, 1] as well as can be, as new float in [0, 1], on the CPU."""
    import torch

    values = values.detach().cpu()
    return values.float() / 255 if values.dtype == torch.uint8 else values.float().nan_to_num(0.0).clamp_(0, 1)


def over(values: Tensor, background: tuple[int, ...]) -> Tensor:
    """Float values (C, H, W) with alpha, laid over a colour; grey stays grey where that is grey too."""
    import torch

    backdrop = torch.tensor(background[:3], dtype=torch.float32).view(3, 1, 1) / 255
    if len(values) == 2 and len(set(background[:3])) == 1:
        backdrop = backdrop[:1]
    return values[:-1] * values[-1:] + backdrop * (1 - values[-1:])


def open_whole(
    source: Path | str | Image.Image,
    colours: Colours = "source",
    limits: Limits = LIMITS,
    examine: Examine | None = None,
) -> Whole:
    """Decode a file, or take a Pillow image, upright, with its kind of colour, transparency, depth and metadata.

    With `colours` "source" 8 bits of RGB are brought to sRGB, and `write_whole` brings them back into the colours of
    the profile that they came with; one of sRGB itself is merely kept. With "srgb" they stay sRGB, without a profile.
    With "as-stored" the levels are left as they are and the profile is kept. Grey and CMYK of 8 bits are brought to
    sRGB for good, but for grey "as-stored". Levels of 16 bits are kept as they are, with their profile; "srgb" brings
    them to sRGB of 8 bits where they mean anything else. A profile that cannot be used is left out, and the levels say
    why.
    Integers and floats beyond 16 bits count as 16 and as stored. A palette of greys is grey.
    Raises `BrokenPicture` when the file cannot be decoded, asks for more than `limits`, or `examine` refuses it.
    """
    if isinstance(source, Image.Image):
        with explaining(source):
            return _whole(source, colours)
    path = Path(source) if isinstance(source, str) else source
    with decoding(path, limits, examine) as image:
        return _of_file(path, image, colours, limits)


def _of_file(path: Path, image: ImageFile.ImageFile, colours: Colours, limits: Limits) -> Whole:
    if image.mode not in ("RGB", "RGBA", "CMYK") or (bits := stored_bits(image)) == 8:
        return _whole(image, colours)
    grey = holds_deep_grey(image)
    if colours == "srgb" and is_moved(image, "L" if grey else stored_as(image)):
        return _whole(image.convert("LA") if grey else image, colours)
    deep = deep_colour(path, image, limits) if bits == 16 else None
    if deep is None:
        shallow = _whole(image, colours)
        return replace(shallow, levels=replace(shallow.levels, reduced=True))
    return _of_planes([deep[:, :, number] for number in range(deep.shape[2])], WHITE, image, colours)


def _whole(image: Image.Image, colours: Colours) -> Whole:
    """An opened picture of 8 bits, or of grey levels of any depth."""
    import torch

    deep = image.mode == "F" or image.mode.startswith("I")
    if deep and not (colours == "srgb" and is_moved(image, "L")):
        return _deep_grey(image, colours)
    grey = deep or image.mode in GREY or (image.mode in ("P", "PA") and _has_greys_alone(image))
    levels, transform = meaning(image, grey, colours)
    rgb, alpha = upright_parts(image, to_srgb=transform is None and levels.profile is None)
    if transform is not None:
        rgb = transform.apply(rgb)
    colour = to_tensor(rgb.convert("L") if grey else rgb)
    values = colour if alpha is None else torch.cat([colour, to_tensor(alpha)])
    return Whole(values, levels, metadata_of(image))


def _has_greys_alone(image: Image.Image) -> bool:
    image.load()  # some formats have a palette only then
    colours = numpy.reshape(image.getpalette("RGB") or [], (-1, 3))
    return bool((colours == colours[:, :1]).all())


def _deep_grey(image: Image.Image, colours: Colours) -> Whole:
    turned = upright(image)
    opaque = opaque_levels(turned)
    return _of_planes([unit_levels(turned), *([] if opaque is None else [opaque])], 1, image, colours)


def _of_planes(planes: Sequence[NDArray[Any]], white: int, image: Image.Image, colours: Colours) -> Whole:
    """From channels (H, W) whose levels go up to `white`."""
    import torch

    values = numpy.empty((len(planes), *planes[0].shape), numpy.float32)
    for channel, plane in zip(values, planes, strict=True):
        numpy.divide(plane, white, out=channel, dtype=numpy.float32)
    return Whole(torch.from_numpy(values), deep_meaning(image, len(planes), colours), metadata_of(image))

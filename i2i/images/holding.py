"""What of a picture a format holds, and its levels as they are written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
from PIL import Image

from i2i.contracts.geometry import luma
from i2i.images.colour import Transform, fits, from_srgb, is_usable, to_srgb, why_unusable
from i2i.images.decode import parsed_colour
from i2i.images.exif import exif_telling
from i2i.images.formats import FORMATS, Encoding, Format, known_suffix, require_fitting
from i2i.images.kinds import Kind
from i2i.images.metadata import Metadata
from i2i.images.whole import over, unit_range

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_AT_ONCE = 1 << 20  # pixels, of which there are several copies on the way
_UNUSABLE = "colour profile left out, as {}; the picture counts as sRGB"
_XMP_HEAD = 29  # bytes of an address before JPEG's XMP


@dataclass(frozen=True)
class Held:
    """How a picture of one kind and size goes into a file of one format."""

    suffix: str
    width: int
    height: int
    channels: int
    """Of the file."""
    bits: int
    profile: bytes | None
    metadata: Metadata
    quality: int | None
    lost: tuple[str, ...]
    """What the format does not hold of any such picture, a phrase each."""
    background: str | None = None
    """What transparency is laid over; None: there is none, or it is kept."""
    transform: Transform | None = field(default=None, repr=False)
    """What the colours are brought through."""

    @property
    def format(self) -> Format:
        """The file's."""
        return FORMATS[self.suffix]

    def rows(self, values: Tensor) -> Iterator[NDArray[Any]]:
        """Values (C, h, W), uint8 or float in [0, 1], as the file has them, in parts (_, W, C), uint8 or uint16."""
        for piece in values.split(max(1, _AT_ONCE // self.width), dim=1):
            yield self._levels(piece)

    def _levels(self, values: Tensor) -> NDArray[Any]:
        import torch

        if self.background is not None:
            values = over(unit_range(values), parsed_colour(self.background))
        values = _of_kind(values, self.channels)
        if values.dtype == torch.uint8 and self.bits == 8:
            levels = values.detach().cpu()
        else:
            white = 255 if self.bits == 8 else 65535
            levels = unit_range(values).mul(white).round_()
            levels = levels.to(torch.uint8) if self.bits == 8 else levels
        rows = numpy.ascontiguousarray(levels.permute(1, 2, 0).numpy(), numpy.uint8 if self.bits == 8 else numpy.uint16)
        return rows if self.transform is None else _brought(rows, self.transform)

    def is_told_lost(self, values: Tensor) -> bool:
        """Whether these rows show through and are laid over the background."""
        return self.background is not None and bool(values[-1].min() < (1 if values.is_floating_point() else 255))

    def phrases(self, seen_through: bool) -> list[str]:
        """What is lost, a phrase each."""
        if not seen_through:
            return list(self.lost)
        return [f"transparency laid over {self.background}, as {self.format.name} holds none", *self.lost]


def held(kind: Kind, size: tuple[int, int], path: Path, encoding: Encoding) -> Held:
    """How a picture of a size (height, width) goes into a file.

    Raises `UsageError` for an unknown suffix or background, `BrokenPicture` where the format holds no such size.
    """
    suffix, (height, width) = known_suffix(path), size
    require_fitting(path, width, height)
    form, bits, lost = FORMATS[suffix], 8, list[str]()
    if kind.levels.reduced:
        lost.append("8 bits of each level kept, as no more are read from this kind of file")
    if kind.levels.left_out:
        lost.append(_UNUSABLE.format(kind.levels.left_out))
    if kind.levels.bits == 16:
        bits = 16 if form.deep else 8
        if bits == 8:
            lost.append(f"8 of 16 bits kept, as {form.name} is written with 8")
    background = None
    if kind.has_alpha and not form.kinds & {2, 4}:
        parsed_colour(background := encoding.background)
    channels = _channels(kind.channels, form, bits, background)
    profile, transform = _meaning(kind, form, bits, channels, lost)
    metadata = _kept(kind.metadata, form, lost).sized(width, height)
    quality = encoding.quality if form.quality and encoding.quality is not None else form.quality
    return Held(suffix, width, height, channels, bits, profile, metadata, quality, tuple(lost), background, transform)


def _channels(found: int, form: Format, bits: int, background: str | None) -> int:
    """How many the file has."""
    if background is not None:
        found = 1 if found == 2 and len(set(parsed_colour(background)[:3])) == 1 else 3
    if found == 2 and form.name == "TIFF" and bits == 16:
        return 4  # few can read grey of 16 bits with alpha
    return min((kind for kind in form.kinds if kind >= found and (kind % 2) == (found % 2)), default=max(form.kinds))


def _of_kind(values: Tensor, channels: int) -> Tensor:
    """Values of 1 to 4 channels with so many, as formats ask for it: grey as colours, or colours as grey."""
    import torch

    if len(values) == 3 and channels == 1:
        return luma(unit_range(values))
    if len(values) <= 2 < channels:
        return torch.cat([values[:1].expand(3, -1, -1), values[1:]])
    return values


def _meaning(
    kind: Kind, form: Format, bits: int, channels: int, lost: list[str]
) -> tuple[bytes | None, Transform | None]:
    """The profile to embed, and what brings the colours into it or, where it cannot be embedded, into sRGB."""
    profile = kind.levels.profile
    if profile is None:
        return None, None
    embeddable = form.profile and fits(profile, channels)
    if kind.levels.from_srgb:
        way = from_srgb(profile) if embeddable and bits == 8 else None
        return (profile, way) if way is not None else (None, None)
    if embeddable:
        return profile, None
    stored = "L" if fits(profile, 1) else "RGB"
    way = to_srgb(profile, stored)
    if way is None:
        if not is_usable(profile, stored):
            lost.append(_UNUSABLE.format(why_unusable(profile, stored)))
        return None, None
    if bits == 16:
        lost.append(f"colour profile left out, as {form.name} holds none")
        return None, None
    lost.append(f"colours brought to sRGB, as {form.name} holds no profile of this kind")
    return None, way


def _brought(rows: NDArray[Any], transform: Transform) -> NDArray[Any]:
    """Levels (h, W, C) whose colours, without alpha, went through the transform."""
    colours = 1 if rows.shape[2] <= 2 else 3
    colour, alpha = rows[:, :, :colours], rows[:, :, colours:]
    picture = Image.fromarray(numpy.ascontiguousarray(colour[:, :, 0] if colours == 1 else colour))
    brought = transform.apply(picture.convert(transform.input_mode))
    if colours == 1:
        brought = brought.convert("L")
    return numpy.concatenate([numpy.asarray(brought).reshape(colour.shape), alpha], axis=2)


def _kept(metadata: Metadata, form: Format, lost: list[str]) -> Metadata:
    """What the format holds of it."""
    exif, xmp, dpi = metadata.exif, metadata.xmp, metadata.dpi
    if dpi is not None and form.described and not form.dpi:
        exif = exif_telling(dpi, exif)
    told = {"EXIF": exif, "XMP": xmp}
    if not form.described and (names := [name for name, block in told.items() if block]):
        lost.append(f"{' and '.join(names)} left out, as {form.name} holds none")
        exif = xmp = None
    if dpi is not None and not (form.described or form.dpi):
        lost.append(f"resolution left out, as {form.name} holds none")
    if form.block is not None:
        if exif and len(exif) + 6 > form.block:
            lost.append(f"EXIF left out, as {form.name} holds at most 64 KiB of it")
            exif = None
        if xmp and len(xmp) + _XMP_HEAD > form.block:
            lost.append(f"XMP left out, as {form.name} holds at most 64 KiB of it")
            xmp = None
    return replace(metadata, exif=exif, xmp=xmp, dpi=dpi if form.dpi else None)

"""Proof: whatever way round, in whatever colours and of whatever kind a picture is stored, it comes out as it looks.

Every picture is stored in each of EXIF's eight orientations with the profile of one of three colour spaces: sRGB, one
with the primaries and the gamma of Adobe RGB, one with the primaries of Display P3. It is read and written again, in
the same format, by something that changes nothing. What then must be in the file, as readers other than ours see it:

| kind | profile in the file | levels that come out | profile that comes out |
| --- | --- | --- | --- |
| RGB, RGBA | sRGB | the same | the same |
| RGB, RGBA | wider than sRGB | within 2, as they were sRGB in between | the same |
| P | as RGB, of the palette's colours | as RGB | as RGB |
| L, LA | grey, with the tone curve of the space | those of sRGB, within 2; exactly, where it is sRGB's curve | none |
| I;16 | the same grey one | the same, all 16 bits | the same |
| CMYK | of inks that take away the space's primaries | those of sRGB, by LittleCMS | none |

All are upright, their EXIF says so, and gives the size as it is now; artist and resolution are kept. That holds for
PNG and TIFF. JPEG and WebP are written lossily: their levels are compared by mean and largest difference.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms

from i2i.images.encode import write_whole
from i2i.images.whole import open_whole

pytestmark = pytest.mark.prove
ARTIST, DPI, SIZE = "Ada", (240, 240), (24, 16)
KINDS = {
    ".png": ("L", "LA", "RGB", "RGBA", "P", "I;16"),
    ".tif": ("L", "LA", "RGB", "RGBA", "P", "I;16", "CMYK"),
    ".jpg": ("L", "RGB", "CMYK"),
    ".webp": ("RGB", "RGBA"),
}
LOSSY = {".jpg": (3, 24), ".webp": (5, 48)}
"""The most that levels may differ in the mean, and one alone; WebP halves the resolution of colours."""
SRGB_CURVE = b"para" + bytes(4) + struct.pack(">HH5i", 3, 0, 157286, 62119, 3417, 5072, 2651)  # IEC 61966-2-1
GAMMA_CURVE = b"curv" + bytes(4) + struct.pack(">IH", 1, 563) + bytes(2)  # 563/256
D50 = numpy.array([0.9642, 1.0, 0.8249])
BRADFORD = numpy.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass(frozen=True)
class Space:
    """A colour space, by its primaries' chromaticities and its tone curve; its white is D65."""

    name: str
    primaries: tuple[tuple[float, float], ...]
    curve: bytes

    @property
    def is_srgb(self) -> bool:
        return self.name == "srgb"

    def profile(self, colours: str = "RGB ") -> bytes:
        """An ICC profile (ICC.1:2010) of a display's colours or greys, or of inks printed one over another: CMYK."""
        text = b"mluc" + bytes(4) + struct.pack(">II4sII", 1, 12, b"enUS", 2 * len(self.name), 28)
        tags = {b"desc": text + self.name.encode("utf-16be"), b"cprt": text + self.name.encode("utf-16be")}
        tags[b"wtpt"] = _xyz(D50)
        if colours == "GRAY":
            tags[b"kTRC"] = self.curve
        elif colours == "CMYK":
            tags[b"A2B0"] = self._inks()
        else:
            for letter, colorant in zip(b"rgb", _colorants(self.primaries).T, strict=True):
                tags[bytes([letter]) + b"XYZ"] = _xyz(colorant)
                tags[bytes([letter]) + b"TRC"] = self.curve
        listed, stored, place = b"", b"", 132 + 12 * len(tags)
        for tag, values in tags.items():
            listed += struct.pack(">4sII", tag, place + len(stored), len(values))
            stored += values + bytes(-len(values) % 4)
        sizes, date = (place + len(stored), 0x04300000), [1] * 6
        kind, meant = (b"prtr", b"Lab ") if colours == "CMYK" else (b"mntr", b"XYZ ")
        head = struct.pack(">I4xI4s4s4s6H4s28x", *sizes, kind, colours.encode(), meant, *date, b"acsp")
        return (head + _xyz(D50)[8:]).ljust(128, b"\0") + struct.pack(">I", len(tags)) + listed + stored

    def _inks(self) -> bytes:
        """What each ink takes away, all or nothing of red, green, blue, and all three (10.9: lut8Type)."""
        inks = numpy.stack(numpy.meshgrid(*[[0, 1]] * 4, indexing="ij"), axis=-1).reshape(16, 4)
        light = (1 - inks[:, :3]) * (1 - inks[:, 3:])
        parts = numpy.cbrt(light @ _colorants(self.primaries).T / D50).clip(16 / 116)
        lab = 116 * parts[:, 1] - 16, 500 * (parts[:, 0] - parts[:, 1]), 200 * (parts[:, 1] - parts[:, 2])
        corners = numpy.stack([lab[0] * 2.55, lab[1] + 128, lab[2] + 128], axis=1).round().clip(0, 255)
        matrix, as_it_is = [65536, 0, 0, 0, 65536, 0, 0, 0, 65536], bytes(range(256))
        head = b"mft1" + bytes(4) + struct.pack(">4B9i", 4, 3, 2, 0, *matrix)
        return head + as_it_is * 4 + corners.astype(numpy.uint8).tobytes() + as_it_is * 3


SPACES = (
    Space("srgb", ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), SRGB_CURVE),
    Space("adobe", ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), GAMMA_CURVE),
    Space("p3", ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)), SRGB_CURVE),
)


@dataclass(frozen=True)
class Expected:
    """What must be in the file that comes out."""

    levels: NDArray[Any]
    """(H, W, C), upright: grey, grey and alpha, RGB, or RGB and alpha; uint8, or uint16 for 16 bits."""
    mean: float
    """The most that levels may differ, in the mean …"""
    most: float
    """… and one alone."""
    profile: bytes | None

    def check(self, path: Path) -> None:
        """Compare it with a file, which is read by Pillow alone."""
        with Image.open(path) as image:
            image.load()
            assert image.getexif().get(ExifTags.Base.Orientation, 1) == 1
            assert image.getexif()[ExifTags.Base.Artist].strip("\0") == ARTIST
            below = image.getexif().get_ifd(ExifTags.IFD.Exif)
            height, width, _ = self.levels.shape
            assert (below[ExifTags.Base.ExifImageWidth], below[ExifTags.Base.ExifImageHeight]) == (width, height)
            assert image.info.get("dpi", DPI) == pytest.approx(DPI, abs=0.05)
            assert image.info.get("icc_profile") == self.profile
            found = numpy.asarray(image).reshape(*image.size[::-1], -1)
        assert (found.shape, found.dtype) == (self.levels.shape, self.levels.dtype)
        difference = numpy.abs(found.astype(int) - self.levels)
        assert difference.max() <= self.most
        assert difference.mean() <= self.mean


def cases(folder: Path) -> Iterator[tuple[Path, Expected]]:
    """Every picture of the table, in its place below `folder`, and what must come out of it; none looks like another.

    The names tell all of it: `png/RGB-adobe-6.png`.
    """
    for suffix, kinds in KINDS.items():
        (folder / suffix[1:]).mkdir(parents=True, exist_ok=True)
        for kind in kinds:
            for space in SPACES:
                for orientation in range(1, 9):
                    path = folder / suffix[1:] / f"{kind.replace(';', '')}-{space.name}-{orientation}{suffix}"
                    yield path, _stored(path, kind, space, orientation)


def _stored(path: Path, kind: str, space: Space, orientation: int) -> Expected:
    """Store the picture of a kind so that it looks right in an orientation."""
    profile = space.profile({"L": "GRAY", "LA": "GRAY", "I;16": "GRAY", "CMYK": "CMYK"}.get(kind, "RGB "))
    levels, palette = _picture(kind, profile)
    turned = numpy.ascontiguousarray(_turned(levels, orientation))
    stored = Image.frombytes(kind, turned.shape[1::-1], turned.tobytes())
    if palette is not None:
        stored.putpalette(palette.tobytes())
    settings: dict[str, dict[str, Any]] = {".jpg": {"quality": 100, "subsampling": 0}, ".webp": {"lossless": True}}
    told = {"icc_profile": profile, "exif": _exif(orientation, stored.size)}
    stored.save(path, dpi=DPI, **told, **settings.get(path.suffix, {}))
    moved = not space.is_srgb and kind not in ("I;16", "CMYK")
    mean, most = LOSSY.get(path.suffix, (2.0, 2.0) if moved else (0.0, 0.0))
    kept = None if kind in ("L", "LA", "CMYK") else profile
    return Expected(_as_it_comes_out(levels, palette, kind, space), mean, most, kept)


def _picture(kind: str, profile: bytes) -> tuple[NDArray[Any], NDArray[numpy.uint8] | None]:
    """Levels (H, W, C) that differ from side to side, from dark to light, in colours that sRGB has too; a palette."""
    width, height = SIZE
    across, down = numpy.meshgrid(numpy.linspace(0, 1, width), numpy.linspace(0, 1, height))
    if kind == "I;16":
        return (across * 50000 + down * 15535).astype("<u2")[:, :, None], None
    alpha = _levels(1 - across / 2 - down / 4)
    if kind in ("L", "LA"):
        return numpy.stack([_levels(across * 0.7 + down * 0.3), alpha][: len(kind)], axis=2), None
    planes = [across, down, (across + 1 - down) / 2]
    if kind == "CMYK":
        return numpy.stack([_levels(plane) for plane in (*planes, across / 4)], axis=2), None
    if kind == "P":
        planes = [numpy.floor(plane * 3.99) / 4 + 0.1 for plane in planes]
    srgb = Image.fromarray(numpy.stack([_levels(plane) for plane in planes], axis=2))
    theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    colour = numpy.asarray(ImageCms.profileToProfile(srgb, ImageCms.createProfile("sRGB"), theirs))
    if kind == "P":
        palette, places = numpy.unique(colour.reshape(-1, 3), axis=0, return_inverse=True)
        return places.reshape(height, width, 1).astype(numpy.uint8), palette
    return (numpy.concatenate([colour, alpha[:, :, None]], axis=2) if kind == "RGBA" else colour), None


def _levels(values: NDArray[Any]) -> NDArray[numpy.uint8]:
    return numpy.rint(255 * values).astype(numpy.uint8)


def _as_it_comes_out(
    levels: NDArray[Any], palette: NDArray[numpy.uint8] | None, kind: str, space: Space
) -> NDArray[Any]:
    if palette is not None:
        return palette[levels[:, :, 0]]
    if kind == "CMYK":
        picture = Image.frombytes("CMYK", levels.shape[1::-1], levels.tobytes())
        theirs = ImageCms.ImageCmsProfile(io.BytesIO(space.profile("CMYK")))
        srgb = ImageCms.createProfile("sRGB")
        return numpy.asarray(ImageCms.profileToProfile(picture, theirs, srgb, outputMode="RGB"))
    if kind in ("L", "LA") and space.curve == GAMMA_CURVE:
        light = (levels[:, :, :1] / 255) ** (563 / 256)
        coded = numpy.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
        return numpy.concatenate([_levels(coded), levels[:, :, 1:]], axis=2)
    return levels


def _turned(levels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """As they are stored to look like they do (EXIF 2.32, 4.6.4: on which sides the 0th row and column are seen)."""
    row, column = {
        1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
        5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom"),
    }[orientation]  # fmt: skip
    stored = levels if row in ("top", "bottom") else levels.swapaxes(0, 1)
    stored = stored[::-1] if row in ("bottom", "right") else stored
    return stored[:, ::-1] if column in ("bottom", "right") else stored


def _exif(orientation: int, size: tuple[int, int]) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif[ExifTags.Base.Artist] = ARTIST
    sizes = dict(zip((ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight), size, strict=True))
    exif[ExifTags.IFD.Exif] = sizes
    return exif.tobytes()


def _xyz(numbers: NDArray[Any]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * number) for number in numbers))


def _colorants(primaries: tuple[tuple[float, float], ...]) -> NDArray[Any]:
    """XYZ of red, green and blue, one a column, as they look where white is D50 (Bradford's adaptation)."""
    columns, white = numpy.stack([_lifted(place) for place in primaries], axis=1), _lifted((0.3127, 0.3290))
    adapted = numpy.linalg.inv(BRADFORD) @ numpy.diag(BRADFORD @ D50 / (BRADFORD @ white)) @ BRADFORD
    return adapted @ (columns * numpy.linalg.solve(columns, white))


def _lifted(place: tuple[float, float]) -> NDArray[Any]:
    x, y = place
    return numpy.array([x / y, 1, (1 - x - y) / y])


def test_every_picture_comes_out_as_it_looks(tmp_path: Path, figure: Callable[[str], None]) -> None:
    count = 0
    for path, expected in cases(tmp_path / "in"):
        target = tmp_path / "out" / path.relative_to(tmp_path / "in")
        assert write_whole(open_whole(path), target) == [], path
        try:
            expected.check(target)
        except AssertionError as different:
            raise AssertionError(f"{path.name}: {different}") from different
        count += 1
    figure(f"{count} pictures in 8 orientations and {len(SPACES)} colour spaces come out as they look")


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
def test_every_colour_that_srgb_has_too_comes_back(tmp_path: Path, space: Space, figure: Callable[[str], None]) -> None:
    """A million colours drawn by chance: of those that sRGB has, none moves by more than 2 levels.

    Those that lie on sRGB's edge, at level 0 or 255, are not counted: most of them were brought there. Among them are
    the darkest greys of a plain gamma, levels 1 to 4, for which sRGB has only black.
    """
    levels = numpy.random.default_rng(0).integers(0, 256, (1000, 1000, 3), numpy.uint8)
    Image.fromarray(levels).save(tmp_path / "a.png", icc_profile=space.profile())
    picture = open_whole(tmp_path / "a.png")
    write_whole(picture, tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        moved = numpy.abs(numpy.asarray(image).astype(int) - levels).max(2)
    srgb = picture.values.permute(1, 2, 0).numpy()
    inside = numpy.ones_like(moved, bool) if space.is_srgb else ((srgb > 0) & (srgb < 255)).all(2)
    figure(
        f"{space.name}: {inside.mean():.0%} of all colours are sRGB's too; they move by {moved[inside].max()} at most"
    )
    assert inside.mean() > 0.4
    assert moved[inside].max() <= (0 if space.is_srgb else 2)


def test_a_colour_that_srgb_has_not_becomes_the_nearest_that_it_has(tmp_path: Path) -> None:
    """The reddest that Display P3 has becomes the reddest of sRGB, told in P3's levels."""
    space = SPACES[2]
    Image.new("RGB", (2, 2), (255, 0, 0)).save(tmp_path / "a.png", icc_profile=space.profile())
    picture = open_whole(tmp_path / "a.png")
    assert picture.values[:, 0, 0].tolist() == [255, 0, 0]
    write_whole(picture, tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as image:
        assert image.getpixel((0, 0)) == pytest.approx((234, 51, 35), abs=1)
        assert image.info["icc_profile"] == space.profile()

"""Pictures with all that their pixels hold, read and written."""

import struct
import zlib

import kornia_rs.io
import numpy
import pytest
import torch
from PIL import Image, ImageCms

from i2i import BrokenPicture, UsageError, open_picture
from i2i.images.encode import write_whole
from i2i.images.formats import Encoding
from i2i.images.limits import Limits
from i2i.images.masks import masked
from i2i.images.whole import Levels, Whole, open_whole

PNG_MODES = {1: "I;16", 2: "RGBA", 3: "RGB", 4: "RGBA"}


def noise(channels, height=13, width=9):
    return numpy.random.default_rng(channels).integers(0, 65536, (height, width, channels), numpy.uint16)


def levels_of(picture):
    """(H, W, C), 16-bit levels as integers."""
    return picture.deep().astype(int)


def profile_for(space):
    return b"\0" * 16 + space + b"\0" * 108


def whole(levels, profile=None):
    """A picture of 16-bit levels (H, W, C)."""
    return Whole(torch.from_numpy(levels / 65535).float().permute(2, 0, 1), Levels(16, profile))


def with_chunk(path, kind, body):
    """Put a chunk behind a PNG's header."""
    encoded = path.read_bytes()
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    path.write_bytes(encoded[:33] + chunk + encoded[33:])


# levels of 16 bits


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_written_and_read_as_they_are(tmp_path, channels, suffix):
    levels, profile = noise(channels, 600), profile_for(b"GRAY" if channels == 1 else b"RGB ")
    picture = whole(levels, profile)
    assert write_whole(picture, tmp_path / f"a{suffix}") == []
    read = open_whole(tmp_path / f"a{suffix}")
    assert (levels_of(read) == levels).all()
    assert read.levels == Levels(16, profile)
    if suffix == ".png":
        with Image.open(tmp_path / "a.png") as image:
            image.load()
            assert (image.mode, image.info["icc_profile"]) == (PNG_MODES[channels], profile)
    if channels < 4:
        others = kornia_rs.io.read_image_png_u16 if suffix == ".png" else kornia_rs.io.read_image_tiff_u16
        assert (others(str(tmp_path / f"a{suffix}"), {1: "mono", 3: "rgb"}[channels]) == levels).all()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_that_others_wrote_are_read_as_they_are(tmp_path, channels):
    mode = {1: "mono", 3: "rgb", 4: "rgba"}[channels]
    kornia_rs.io.write_image_png_u16(str(tmp_path / "a.png"), noise(channels), mode)
    assert (levels_of(open_whole(tmp_path / "a.png")) == noise(channels)).all()
    if channels < 4:
        kornia_rs.io.write_image_tiff_u16(str(tmp_path / "a.tif"), noise(channels), mode)
        assert (levels_of(open_whole(tmp_path / "a.tif")) == noise(channels)).all()


def test_deep_grey_with_alpha_is_kept_and_a_tiff_says_it_in_colours(tmp_path):
    picture = whole(noise(2))
    write_whole(picture, tmp_path / "a.png")
    assert (levels_of(open_whole(tmp_path / "a.png")) == noise(2)).all()
    write_whole(picture, tmp_path / "a.tif")
    assert (levels_of(open_whole(tmp_path / "a.tif")) == noise(2)[:, :, [0, 0, 0, 1]]).all()


def tiff(path, parts, planar=False, big=False):
    """A colour TIFF whose pixels lie in parts of 7 and 6 rows, or in a plane for each colour."""
    order = ">" if big else "<"
    fields = {256: 9, 257: 13, 259: 1, 262: 2, 277: 3, 278: 13 if planar else 7, 284: 2 if planar else 1}
    stored, behind = [part.astype(f"{order}u2").tobytes() for part in parts], 8 + 2 + 12 * 10 + 4
    sizes = [len(part) for part in stored]
    pixels = behind + 6 + 8 * len(stored)
    entries = [(tag, 3, 1, struct.pack(f"{order}HH", value, 0)) for tag, value in fields.items()]
    entries.append((258, 3, 3, struct.pack(f"{order}I", behind)))
    entries.append((273, 4, len(stored), struct.pack(f"{order}I", behind + 6)))
    entries.append((279, 4, len(stored), struct.pack(f"{order}I", behind + 6 + 4 * len(stored))))
    listed = b"".join(struct.pack(f"{order}HHI", *entry[:3]) + entry[3] for entry in sorted(entries))
    places = [pixels + sum(sizes[:number]) for number in range(len(sizes))]
    values = struct.pack(f"{order}3H{2 * len(sizes)}I", 16, 16, 16, *places, *sizes)
    head = struct.pack(f"{order}2sHIH", b"MM" if big else b"II", 42, 8, 10)
    path.write_bytes(head + listed + bytes(4) + values + b"".join(stored))
    return path


@pytest.mark.parametrize("big", [False, True])
def test_tiffs_in_strips_and_in_planes_of_either_byte_order_are_read_as_they_are(tmp_path, big):
    levels = noise(3)
    strips = tiff(tmp_path / "strips.tif", [levels[:7], levels[7:]], big=big)
    planes = tiff(tmp_path / "planes.tif", numpy.moveaxis(levels, 2, 0), planar=True, big=big)
    for path in (strips, planes):
        assert (levels_of(open_whole(path)) == levels).all()
        assert (numpy.asarray(open_picture(path)) == levels >> 8).all()


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_deep_colours_are_turned_upright(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    write_whole(whole(noise(3)), tmp_path / "a.png")
    with_chunk(tmp_path / "a.png", b"eXIf", exif.tobytes()[6:])
    turns = {1: 0, 3: 2, 6: 3}[orientation]
    assert (levels_of(open_whole(tmp_path / "a.png")) == numpy.rot90(noise(3), turns)).all()


def test_a_deep_colour_that_is_called_transparent_is(tmp_path):
    write_whole(whole(numpy.array([[[1, 2, 3], [1, 2, 4]]], numpy.uint16)), tmp_path / "a.png")
    with_chunk(tmp_path / "a.png", b"tRNS", struct.pack(">3H", 1, 2, 3))
    assert levels_of(open_whole(tmp_path / "a.png")).tolist() == [[[1, 2, 3, 0], [1, 2, 4, 65535]]]


def test_a_deep_grey_that_is_called_transparent_is(tmp_path):
    Image.fromarray(numpy.array([[7, 9]], numpy.uint16)).save(tmp_path / "a.png", transparency=9)
    assert levels_of(open_whole(tmp_path / "a.png")).tolist() == [[[7, 65535], [9, 0]]]


def test_a_profile_of_another_kind_of_colours_is_left_out(tmp_path):
    write_whole(whole(noise(3)), tmp_path / "a.png")
    with_chunk(tmp_path / "a.png", b"iCCP", b"a\0\0" + zlib.compress(profile_for(b"GRAY")))
    assert open_whole(tmp_path / "a.png").levels == Levels(16, left_out="it is meant for grey")


def test_floats_and_integers_count_as_sixteen_bits(tmp_path):
    Image.fromarray(numpy.array([[0, 0.25, 1]], "float32")).save(tmp_path / "a.tif")
    assert levels_of(open_whole(tmp_path / "a.tif")).ravel().tolist() == [0, 16384, 65535]
    assert levels_of(open_whole(Image.new("I", (1, 1), 1 << 20))).ravel().tolist() == [65535]


def test_portable_maps_keep_sixteen_bits(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 9 13 65535\n" + noise(1).astype(">u2").tobytes())
    (tmp_path / "a.ppm").write_bytes(b"P6 9 13 65535\n" + noise(3).astype(">u2").tobytes())
    for name in ("a.pgm", "a.ppm"):
        assert write_whole(open_whole(tmp_path / name), tmp_path / "new" / name) == []
        written = (tmp_path / "new" / name).read_bytes()
        assert written.split(maxsplit=4)[4] == (tmp_path / name).read_bytes().split(maxsplit=4)[4]
    assert (levels_of(open_whole(tmp_path / "a.ppm")) == noise(3)).all()


def test_the_white_of_a_portable_pixmap_may_be_any_level(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P6 1 1 1000\n" + struct.pack(">3H", 0, 500, 1000))
    assert levels_of(open_whole(tmp_path / "a.ppm")).tolist() == [[[0, 32768, 65535]]]
    (tmp_path / "a.ppm").write_bytes(b"P6 1 1 100\nabc")
    assert open_whole(tmp_path / "a.ppm").levels == Levels()


def test_the_header_of_a_portable_pixmap_tells_its_bits(tmp_path):
    seen = []
    for header in (
        b"P6 1 1 65535\n",
        b"P6 1 1 1000\n",
        b"P6 1 1 255\n",
        b"P6 1 1 100\n",
        b"P5 1 1 65535\n",
        b"P1 1 1\n",
    ):
        (tmp_path / "a.ppm").write_bytes(header + (b"1" if header[1:2] == b"1" else bytes(6)))
        open_whole(tmp_path / "a.ppm", examine=seen.append)
    assert [header.bits for header in seen] == [16, 16, 8, 8, 32, 8]


def test_a_deep_portable_pixmap_that_is_cut_off_is_broken(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P6 9 13 65535\n" + noise(3).astype(">u2").tobytes()[:-1])
    with pytest.raises(BrokenPicture, match=r"a\.ppm: truncated"):
        open_whole(tmp_path / "a.ppm")


def test_a_portable_pixmap_in_letters_is_told_as_reduced(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P3 1 1 65535 0 32768 65535")
    read = open_whole(tmp_path / "a.ppm")
    assert (read.levels, read.values.dtype) == (Levels(reduced=True), torch.uint8)
    assert write_whole(read, tmp_path / "b.ppm") == [
        "8 bits of each level kept, as no more are read from this kind of file"
    ]


def test_premultiplied_levels_are_told_as_reduced(tmp_path):
    write_whole(whole(noise(4)), tmp_path / "a.tif")
    encoded = (tmp_path / "a.tif").read_bytes()
    premultiplied = encoded.replace(struct.pack("<HHIHH", 338, 3, 1, 2, 0), struct.pack("<HHIHH", 338, 3, 1, 1, 0))
    (tmp_path / "a.tif").write_bytes(premultiplied)
    assert open_whole(tmp_path / "a.tif").levels == Levels(reduced=True)
    assert open_whole(tmp_path / "a.tif").values.shape == (4, 13, 9)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".bmp", ".gif"])
def test_a_format_of_eight_bits_says_that_it_lost_some(tmp_path, suffix):
    write_whole(whole(noise(1)), tmp_path / "deep.png")
    kind = {".jpg": "JPEG"}.get(suffix, suffix[1:].upper())
    assert write_whole(open_whole(tmp_path / "deep.png"), tmp_path / f"a{suffix}") == [
        f"8 of 16 bits kept, as {kind} is written with 8"
    ]
    assert len(open_whole(tmp_path / f"a{suffix}").values) == (3 if suffix == ".webp" else 1)


def test_a_damaged_deep_picture_is_broken(tmp_path):
    write_whole(whole(noise(3)), tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:300])
    with pytest.raises(BrokenPicture, match=r"a\.png: truncated"):
        open_whole(tmp_path / "a.png")


# kinds of colour


def palette(colours):
    image = Image.new("P", (len(colours), 1))
    image.putpalette([level for colour in colours for level in colour])
    image.putdata(list(range(len(colours))))
    return image


@pytest.mark.parametrize(
    ("image", "channels"),
    [
        (Image.new("1", (2, 1), 1), 1),
        (Image.new("L", (2, 1), 7), 1),
        (Image.new("LA", (2, 1), (7, 9)), 2),
        (Image.new("La", (2, 1), (7, 9)), 2),
        (palette([(1, 1, 1), (9, 9, 9)]), 1),
        (palette([(1, 1, 1), (9, 9, 8)]), 3),
        (Image.new("RGB", (2, 1), (7, 7, 7)), 3),
        (Image.new("RGBA", (2, 1), (7, 8, 9, 10)), 4),
        (Image.new("RGBX", (2, 1)), 3),
        (Image.new("CMYK", (2, 1)), 3),
        (Image.new("YCbCr", (2, 1)), 3),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else str(value),
)
def test_every_mode_keeps_its_kind(image, channels):
    picture = open_whole(image)
    assert (picture.values.shape, picture.values.dtype, picture.levels) == ((channels, 1, 2), torch.uint8, Levels())
    if channels not in (2, 4):
        assert open_picture(picture.image()).tobytes() == open_picture(image).tobytes()


def test_a_palette_keeps_its_transparency(tmp_path):
    for name, colours in (("colours", [(0, 255, 0), (9, 8, 7)]), ("greys", [(5, 5, 5), (9, 9, 9)])):
        for suffix in (".png", ".gif"):
            palette(colours).save(tmp_path / f"{name}{suffix}", transparency=0)
            picture = open_whole(tmp_path / f"{name}{suffix}")
            assert picture.values[-1].tolist() == [[0, 255]]
            assert picture.values[:-1, 0, 1].tolist() == ([9, 8, 7] if name == "colours" else [9])


def test_eight_bits_are_brought_to_srgb_and_sixteen_keep_their_profile_in_pillow_too():
    profile = profile_for(b"RGB ")
    deep_picture = Whole(torch.zeros(3, 2, 2), Levels(16, profile))
    assert deep_picture.image().info["icc_profile"] == profile
    assert "icc_profile" not in Whole(torch.zeros(3, 2, 2), Levels(8, profile, from_srgb=True)).image().info
    assert deep_picture.image().mode == "RGB"
    assert Whole(torch.full((1, 2, 3), 1 / 65535), Levels(16)).image().tobytes() == b"\1\0" * 6
    assert Whole(torch.zeros(1, 2, 3), Levels(16)).image().size == (3, 2)


def test_eight_bit_levels_are_rounded_to_the_nearest():
    values = torch.tensor([0.49, 0.51, 1.5, 254.51]).div(255).view(1, 1, 4)
    assert list(Whole(values).image().tobytes()) == [0, 1, 2, 255]


# colours


def displays(space=b"RGB ", colorants=((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))):
    """A profile of a display with the gamma 1.8 whose white is D50."""
    curve = b"curv" + bytes(4) + struct.pack(">IHH", 1, 461, 0)
    tags = {b"wtpt": (0.9642, 1, 0.8249)} | dict(zip((b"rXYZ", b"gXYZ", b"bXYZ"), colorants, strict=True))
    stored = {
        tag: b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * n) for n in xyz)) for tag, xyz in tags.items()
    }
    stored |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC", b"kTRC"), curve)
    place, listed = 132 + 12 * len(stored), b""
    for tag, values in stored.items():
        listed += struct.pack(">4sII", tag, place, len(values))
        place += len(values)
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x3i", place, 0x04300000, b"mntr", space, b"XYZ ", b"acsp", 63190, 65536, 54061
    )
    return head.ljust(128, b"\0") + struct.pack(">I", len(stored)) + listed + b"".join(stored.values())


def tagged(path, profile, *pixels, mode="RGB"):
    """A file of a row of pixels with a profile."""
    image = Image.new(mode, (len(pixels), 1))
    image.putdata(pixels)
    image.save(path, icc_profile=profile)
    return path


DARK, LIGHT = (60, 90, 120), (200, 180, 90)


def test_colours_of_a_profile_are_srgb_for_the_model_and_their_own_in_the_file(tmp_path):
    path = tagged(tmp_path / "a.png", displays(), DARK, LIGHT)
    picture = open_whole(path)
    assert picture.levels == Levels(8, displays(), from_srgb=True)
    assert (picture.values == open_whole(path, "srgb").values).all()
    assert open_whole(path, "srgb").levels == Levels()
    assert (picture.values[:, 0, 0] - torch.tensor(DARK)).abs().min() > 9
    for suffix in (".png", ".tif"):
        assert write_whole(picture, tmp_path / f"b{suffix}") == []
        written = open_whole(tmp_path / f"b{suffix}", "as-stored")
        assert written.levels == Levels(8, displays())
        assert (written.values - torch.tensor([DARK, LIGHT]).T[:, None]).abs().max() <= 1
    for suffix in (".gif", ".ppm", ".bmp", ".jp2"):  # they hold no profile
        assert write_whole(picture, tmp_path / f"b{suffix}") == []
        assert (open_whole(tmp_path / f"b{suffix}").values == picture.values).all()


def test_alpha_goes_through_no_profile(tmp_path):
    path = tagged(tmp_path / "a.png", displays(), (*DARK, 77), (*LIGHT, 200), mode="RGBA")
    write_whole(open_whole(path), tmp_path / "b.png")
    assert open_whole(tmp_path / "b.png", "as-stored").values[:, 0].T.tolist() == [[*DARK, 77], [*LIGHT, 200]]


def test_colours_as_stored_keep_their_profile_or_are_brought_to_srgb(tmp_path):
    path = tagged(tmp_path / "a.png", displays(), DARK, LIGHT)
    picture = open_whole(path, "as-stored")
    assert picture.values[:, 0].T.tolist() == [[*DARK], [*LIGHT]]
    assert write_whole(picture, tmp_path / "b.tif") == []
    assert open_whole(tmp_path / "b.tif", "as-stored").levels == Levels(8, displays())
    assert write_whole(picture, tmp_path / "b.bmp") == ["colours brought to sRGB, as BMP holds no profile of this kind"]
    assert (open_whole(tmp_path / "b.bmp").values == open_whole(path).values).all()
    assert len(write_whole(picture, tmp_path / "b.pgm")) == 1
    lighter = open_picture(path).convert("L").getpixel((0, 0))
    assert open_whole(tmp_path / "b.pgm").values[0, 0, 0] == pytest.approx(lighter, abs=6)


def test_grey_of_a_profile_is_srgb_s_for_good_but_as_stored(tmp_path):
    profile = displays(b"GRAY")
    path = tagged(tmp_path / "a.png", profile, 60, 200, mode="L")
    picture = open_whole(path)
    assert (picture.levels, picture.values.shape) == (Levels(), (1, 1, 2))
    assert (picture.values - torch.tensor([60, 200])).abs().min() > 3
    stored = open_whole(path, "as-stored")
    assert (stored.levels, stored.values.tolist()) == (Levels(8, profile), [[[60, 200]]])
    assert write_whole(stored, tmp_path / "b.png") == []
    assert open_whole(tmp_path / "b.png", "as-stored").levels == Levels(8, profile)
    assert write_whole(stored, tmp_path / "b.webp") == [
        "colours brought to sRGB, as WEBP holds no profile of this kind"
    ]
    assert (open_whole(tmp_path / "b.webp").values[0].int() - picture.values[0]).abs().max() <= 3
    assert write_whole(stored, tmp_path / "b.gif") == ["colours brought to sRGB, as GIF holds no profile of this kind"]
    assert (open_whole(tmp_path / "b.gif").values == picture.values).all()


def test_deep_levels_of_a_profile_are_srgb_s_of_eight_bits_where_that_is_asked_for(tmp_path):
    for channels, space in ((3, b"RGB "), (1, b"GRAY")):
        write_whole(whole(noise(channels), displays(space)), tmp_path / "a.png")
        assert open_whole(tmp_path / "a.png").levels == Levels(16, displays(space))
        shallow = open_whole(tmp_path / "a.png", "srgb")
        assert shallow.levels == Levels()
        expected = numpy.asarray(open_picture(tmp_path / "a.png").convert("L" if channels == 1 else "RGB"))
        assert (shallow.values.permute(1, 2, 0).squeeze().numpy() == expected).all()
    write_whole(whole(noise(3)), tmp_path / "a.png")
    assert open_whole(tmp_path / "a.png", "srgb").levels == Levels(16)


def test_a_profile_of_deep_levels_that_a_format_does_not_hold_is_told(tmp_path):
    assert write_whole(whole(noise(3), displays()), tmp_path / "a.ppm") == [
        "colour profile left out, as PPM holds none"
    ]
    assert (levels_of(open_whole(tmp_path / "a.ppm")) == noise(3)).all()


DAMAGED = "it is damaged or of an unknown kind"


@pytest.mark.parametrize("profile", [b"nonsense", displays()[:200], profile_for(b"RGB "), profile_for(b"LINK")])
def test_a_profile_that_cannot_be_used_is_left_out_and_that_is_told(tmp_path, profile):
    for colours in ("source", "srgb"):
        picture = open_whole(tagged(tmp_path / "a.png", profile, DARK, LIGHT), colours)
        assert (picture.levels, picture.values[:, 0].T.tolist()) == (Levels(left_out=DAMAGED), [[*DARK], [*LIGHT]])
        for suffix in (".png", ".bmp"):
            assert write_whole(picture, tmp_path / f"b{suffix}") == [
                f"colour profile left out, as {DAMAGED}; the picture counts as sRGB"
            ]
        assert open_whole(tmp_path / "b.png").levels == Levels()


@pytest.mark.parametrize(
    ("mode", "suffix", "profile", "why"),
    [
        ("L", ".png", displays(b"GRAY")[:160], DAMAGED),
        ("L", ".png", displays(b"CMYK"), "it is meant for CMYK"),
        ("LA", ".png", displays(b"GRAY")[:160], DAMAGED),
        ("L", ".png", displays(), ""),  # one of RGB says what greys are too
        ("RGB", ".png", displays(b"GRAY"), "it is meant for grey"),
        ("RGBA", ".webp", displays(b"GRAY"), "it is meant for grey"),
        ("RGB", ".jpg", displays()[:200], DAMAGED),
        ("P", ".png", displays()[:200], DAMAGED),
        ("CMYK", ".tif", displays(b"CMYK")[:160], DAMAGED),
        ("CMYK", ".jpg", displays(b"GRAY"), "it is meant for grey"),
        ("I;16", ".png", displays(), "it is meant for RGB"),  # levels of 16 bits are not converted
        ("I;16", ".png", displays(b"GRAY")[:160], ""),  # nor is their profile looked at
    ],
)
def test_why_a_profile_is_left_out_is_told_of_every_kind_of_picture(tmp_path, mode, suffix, profile, why):
    image = Image.new("RGB", (2, 2), (60, 90, 120)).convert("L" if mode == "I;16" else mode)
    image.convert(mode).save(tmp_path / f"a{suffix}", icc_profile=profile)
    picture = open_whole(tmp_path / f"a{suffix}")
    assert picture.levels.left_out == why
    assert len(write_whole(picture, tmp_path / "b.tif")) == bool(why)


def test_a_profile_that_cannot_even_be_unpacked_is_told_too(tmp_path):
    Image.new("RGB", (2, 1)).save(tmp_path / "a.png")
    with_chunk(tmp_path / "a.png", b"iCCP", b"a\0\0not packed")
    assert open_whole(tmp_path / "a.png").levels == Levels(left_out=DAMAGED)


def test_greys_of_sixteen_bits_lose_nothing_with_a_profile_of_srgb(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("I;16", (2, 2), 999).save(tmp_path / "a.png", icc_profile=profile)
    for colours in ("source", "srgb", "as-stored"):
        assert open_whole(tmp_path / "a.png", colours).levels == Levels(16)


def test_sixteen_bits_are_kept_where_a_profile_cannot_bring_them_to_srgb(tmp_path):
    for channels, profile, why in (
        (3, displays()[:200], DAMAGED),
        (3, displays(b"GRAY"), "it is meant for grey"),
        (1, displays(b"GRAY")[:160], DAMAGED),
    ):
        write_whole(whole(noise(channels)), tmp_path / "a.png")
        with_chunk(tmp_path / "a.png", b"iCCP", b"a\0\0" + zlib.compress(profile))
        picture = open_whole(tmp_path / "a.png", "srgb")
        assert picture.levels == Levels(16, left_out=why)
        assert (levels_of(picture) == noise(channels)).all()


def test_deep_grey_with_alpha_is_brought_to_srgb_as_deep_grey_is(tmp_path):
    levels = numpy.dstack([noise(1), numpy.full_like(noise(1), 65535)])
    write_whole(whole(noise(1), displays(b"GRAY")), tmp_path / "a.png")
    write_whole(whole(levels, displays(b"GRAY")), tmp_path / "b.png")
    plain, picture = (open_whole(tmp_path / name, "srgb") for name in ("a.png", "b.png"))
    assert (picture.levels, len(picture.values)) == (Levels(), 2)
    assert (picture.values[0].int() - plain.values[0]).abs().max() <= 2  # 16 bits are cut here, and rounded there


@pytest.mark.parametrize("suffix", [".bmp", ".gif", ".jp2", ".ppm"])
def test_a_damaged_profile_of_levels_as_stored_is_told_where_it_ends(tmp_path, suffix):
    picture = open_whole(tagged(tmp_path / "a.png", displays()[:200], DARK, LIGHT), "as-stored")
    assert picture.levels == Levels(8, displays()[:200])
    assert write_whole(picture, tmp_path / "b.tif") == []
    told = write_whole(picture, tmp_path / f"b{suffix}")
    assert told == [f"colour profile left out, as {DAMAGED}; the picture counts as sRGB"]


def test_a_grey_answer_to_a_coloured_picture_is_srgb(tmp_path):
    levels = open_whole(tagged(tmp_path / "a.png", displays(), DARK, LIGHT)).levels
    assert write_whole(Whole(torch.full((1, 2, 2), 0.5), levels), tmp_path / "b.png") == []
    assert open_whole(tmp_path / "b.png", "as-stored").levels == Levels()


# limits


def test_limits_and_whoever_looks_at_the_header_are_heard(tmp_path):
    path = tagged(tmp_path / "a.png", displays(), DARK, LIGHT)
    seen = []
    open_whole(path, examine=seen.append)
    assert [(header.width, header.height) for header in seen] == [(2, 1)]
    with pytest.raises(BrokenPicture, match=r"a\.png: too large"):
        open_whole(path, limits=Limits(pixels=1))


# transparency


def half(colour, alpha):
    return Whole(torch.tensor([*colour, alpha], dtype=torch.uint8).view(-1, 1, 1).repeat(1, 2, 2))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".gif", ".avif", ".heic", ".jp2"])
@pytest.mark.parametrize("colour", [(8,), (200, 8, 8)])
def test_transparency_is_kept_where_the_format_has_it(tmp_path, suffix, colour):
    if suffix == ".heic":
        pytest.importorskip("pillow_heif")
    assert write_whole(half(colour, 0), tmp_path / f"a{suffix}") == []
    read = open_whole(tmp_path / f"a{suffix}")
    assert read.values[-1].tolist() == [[0, 0], [0, 0]]
    if suffix in (".png", ".tif", ".jp2"):
        assert len(read.values) == len(colour) + 1


def test_a_gif_knows_all_or_nothing(tmp_path):
    for alpha, expected in ((127, 0), (128, 255)):
        write_whole(half((200, 8, 8), alpha), tmp_path / "a.gif")
        read = open_whole(tmp_path / "a.gif").values
        assert (read[-1].tolist() if len(read) == 4 else [[255] * 2] * 2) == [[expected] * 2] * 2


@pytest.mark.parametrize(
    ("colour", "background", "expected"),
    [((0,), "white", [127]), ((0,), "#ff0000", [127, 0, 0]), ((200, 0, 0), "white", [227, 127, 127])],
)
def test_transparency_is_laid_over_the_background_elsewhere_and_that_is_told(tmp_path, colour, background, expected):
    lost = write_whole(half(colour, 128), tmp_path / "a.bmp", Encoding(background=background))
    assert lost == [f"transparency laid over {background}, as BMP holds none"]
    with Image.open(tmp_path / "a.bmp") as image:
        assert image.mode == ("L" if len(expected) == 1 else "RGB")
        assert numpy.asarray(image)[0, 0].ravel().tolist() == expected


def test_nothing_is_lost_where_everything_is_opaque(tmp_path):
    assert write_whole(half((200, 8, 8), 255), tmp_path / "a.bmp") == []
    assert numpy.asarray(Image.open(tmp_path / "a.bmp"))[0, 0].tolist() == [200, 8, 8]


def test_an_unknown_suffix_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"a\.jpx: no format for the suffix '\.jpx'"):
        write_whole(half((1,), 2), tmp_path / "a.jpx")


def test_a_mask_that_asks_for_more_than_the_limits_is_refused(tmp_path):
    write_whole(half((9,), 255), tmp_path / "mask.png")
    assert masked(half((9,), 255), tmp_path / "mask.png", limits=Limits(pixels=4)).has_alpha
    with pytest.raises(BrokenPicture, match=r"mask\.png: too large: 2 × 2 pixels are more than the 3 "):
        masked(half((9,), 255), tmp_path / "mask.png", limits=Limits(pixels=3))


def test_a_mask_may_come_from_any_kind_of_place(tmp_path):
    place = pytest.importorskip("upath").UPath("memory://masks/a.png")
    write_whole(Whole(torch.tensor([[[0, 255], [0, 0]]], dtype=torch.uint8)), tmp_path / "a.png")
    place.write_bytes((tmp_path / "a.png").read_bytes())
    assert masked(half((9,), 255), place).values[-1].tolist() == [[255, 0], [255, 255]]
    with pytest.raises(BrokenPicture, match=r"its mask memory:/.*a\.png has 2×2 pixels, the picture 1×2"):
        masked(Whole(torch.zeros(1, 2, 1)), place)

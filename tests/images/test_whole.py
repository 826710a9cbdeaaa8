"""Pictures with all that their pixels hold, read and written."""

import struct
import zlib

import kornia_rs.io
import numpy
import pytest
import torch
from PIL import Image

from i2i import BrokenPicture, UsageError, open_picture
from i2i.images import deep
from i2i.images.encode import write_whole
from i2i.images.whole import Levels, Whole, open_whole

PNG_MODES = {1: "I;16", 2: "RGBA", 3: "RGB", 4: "RGBA"}


def noise(channels, height=13, width=9):
    return numpy.random.default_rng(channels).integers(0, 65536, (height, width, channels), numpy.uint16)


def levels_of(picture):
    """(H, W, C), 16-bit levels as integers."""
    return picture.deep().astype(int)


def profile_for(space):
    return b"\0" * 16 + space + b"\0" * 108


# levels of 16 bits


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_written_and_read_as_they_are(tmp_path, channels, suffix):
    levels, profile = noise(channels, 600), profile_for(b"GRAY" if channels == 1 else b"RGB ")
    picture = Whole(torch.from_numpy(levels / 65535).float().permute(2, 0, 1), Levels(16, profile))
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
    picture = Whole(torch.from_numpy(noise(2) / 65535).float().permute(2, 0, 1), Levels(16))
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
    body = exif.tobytes()[6:]
    chunk = struct.pack(">I", len(body)) + b"eXIf" + body + struct.pack(">I", zlib.crc32(b"eXIf" + body))
    encoded = deep.png(noise(3))
    (tmp_path / "a.png").write_bytes(encoded[:33] + chunk + encoded[33:])
    turns = {1: 0, 3: 2, 6: 3}[orientation]
    assert (levels_of(open_whole(tmp_path / "a.png")) == numpy.rot90(noise(3), turns)).all()


def test_a_deep_colour_that_is_called_transparent_is(tmp_path):
    encoded = deep.png(numpy.array([[[1, 2, 3], [1, 2, 4]]], numpy.uint16))
    body = b"tRNS" + struct.pack(">3H", 1, 2, 3)
    chunk = struct.pack(">I", 6) + body + struct.pack(">I", zlib.crc32(body))
    (tmp_path / "a.png").write_bytes(encoded[:33] + chunk + encoded[33:])
    assert levels_of(open_whole(tmp_path / "a.png")).tolist() == [[[1, 2, 3, 0], [1, 2, 4, 65535]]]


def test_a_deep_grey_that_is_called_transparent_is(tmp_path):
    Image.fromarray(numpy.array([[7, 9]], numpy.uint16)).save(tmp_path / "a.png", transparency=9)
    assert levels_of(open_whole(tmp_path / "a.png")).tolist() == [[[7, 65535], [9, 0]]]


def test_a_profile_of_another_kind_of_colours_is_left_out(tmp_path):
    (tmp_path / "a.png").write_bytes(deep.png(noise(3), profile_for(b"GRAY")))
    assert open_whole(tmp_path / "a.png").levels == Levels(16)


def test_floats_and_integers_count_as_sixteen_bits(tmp_path):
    Image.fromarray(numpy.array([[0, 0.25, 1]], "float32")).save(tmp_path / "a.tif")
    assert levels_of(open_whole(tmp_path / "a.tif")).ravel().tolist() == [0, 16384, 65535]
    assert levels_of(open_whole(Image.new("I", (1, 1), 1 << 20))).ravel().tolist() == [65535]


def test_a_portable_greymap_keeps_sixteen_bits_and_the_colours_of_a_pixmap_are_told_as_lost(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 9 13 65535\n" + noise(1).astype(">u2").tobytes())
    assert write_whole(open_whole(tmp_path / "a.pgm"), tmp_path / "b.pgm") == []
    assert (tmp_path / "b.pgm").read_bytes() == (tmp_path / "a.pgm").read_bytes()
    (tmp_path / "a.ppm").write_bytes(b"P6 9 13 65535\n" + noise(3).astype(">u2").tobytes())
    read = open_whole(tmp_path / "a.ppm")
    assert (read.levels, read.values.dtype) == (Levels(reduced=True), torch.uint8)
    assert write_whole(read, tmp_path / "b.ppm") == [
        "8 bits of each level kept, as Pillow reads no more from this kind of PPM"
    ]
    (tmp_path / "a.ppm").write_bytes(b"P6 1 1 100\nabc")
    assert open_whole(tmp_path / "a.ppm").levels == Levels()


def test_premultiplied_levels_are_told_as_reduced(tmp_path):
    encoded = deep.tiff(noise(4))
    premultiplied = encoded.replace(struct.pack("<HHIHH", 338, 3, 1, 2, 0), struct.pack("<HHIHH", 338, 3, 1, 1, 0))
    (tmp_path / "a.tif").write_bytes(premultiplied)
    assert open_whole(tmp_path / "a.tif").levels == Levels(reduced=True)
    assert open_whole(tmp_path / "a.tif").values.shape == (4, 13, 9)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".bmp", ".gif"])
def test_a_format_of_eight_bits_says_that_it_lost_some(tmp_path, suffix):
    (tmp_path / "deep.png").write_bytes(deep.png(noise(1)))
    kind = {".jpg": "JPEG"}.get(suffix, suffix[1:].upper())
    assert write_whole(open_whole(tmp_path / "deep.png"), tmp_path / f"a{suffix}") == [
        f"8 of 16 bits kept, as {kind} holds no more"
    ]
    assert len(open_whole(tmp_path / f"a{suffix}").values) == (3 if suffix == ".webp" else 1)


def test_a_damaged_deep_picture_is_broken(tmp_path):
    (tmp_path / "a.png").write_bytes(deep.png(noise(3))[:300])
    with pytest.raises(BrokenPicture, match=r"a\.png: truncated"):
        open_whole(tmp_path / "a.png")


def test_a_picture_larger_than_a_tiff_holds_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("i2i.images.deep.LARGEST_TIFF", 300)
    picture = Whole(torch.zeros(3, 13, 9), Levels(16))
    with pytest.raises(BrokenPicture, match=r"a\.tif: cannot be written \(9×13 as TIFF: larger than the 4 GiB that"):
        write_whole(picture, tmp_path / "a.tif")


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
    deep_picture = Whole(torch.zeros(3, 2, 2), Levels(16, b"profile"))
    assert deep_picture.image().info["icc_profile"] == b"profile"
    assert deep_picture.image().mode == "RGB"
    assert Whole(torch.full((1, 2, 3), 1 / 65535), Levels(16)).image().tobytes() == b"\1\0" * 6
    assert Whole(torch.zeros(1, 2, 3), Levels(16)).image().size == (3, 2)


def test_eight_bit_levels_are_rounded_to_the_nearest():
    values = torch.tensor([0.49, 0.51, 1.5, 254.51]).div(255).view(1, 1, 4)
    assert list(Whole(values).image().tobytes()) == [0, 1, 2, 255]


# transparency


def half(colour, alpha):
    return Whole(torch.tensor([*colour, alpha], dtype=torch.uint8).view(-1, 1, 1).repeat(1, 2, 2))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".gif"])
@pytest.mark.parametrize("colour", [(8,), (200, 8, 8)])
def test_transparency_is_kept_where_the_format_has_it(tmp_path, suffix, colour):
    assert write_whole(half(colour, 0), tmp_path / f"a{suffix}") == []
    read = open_whole(tmp_path / f"a{suffix}")
    assert read.values[-1].tolist() == [[0, 0], [0, 0]]
    if suffix in (".png", ".tif"):
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
    lost = write_whole(half(colour, 128), tmp_path / "a.bmp", background)
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

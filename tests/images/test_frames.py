"""Animations and documents of pages, read and written frame by frame."""

import itertools
import struct
import time
import weakref
import zlib
from importlib.util import find_spec

import numpy
import pytest
import torch
from PIL import Image

from i2i import BrokenPicture, I2IError, UsageError
from i2i.images.encode import PLAIN
from i2i.images.frames import Frames, open_frames, write_frames
from i2i.images.frames.sequence import naming_frame
from i2i.images.frames.tiff import write_tiff
from i2i.images.holding import held
from i2i.images.limits import LIMITS, Limits
from i2i.images.metadata import Metadata
from i2i.images.whole import Levels, Whole, open_whole

EXACT, NEAR = (".gif", ".png", ".apng"), (".webp", ".avif")
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"


def whole(levels, /, **beside):
    """Of (H, W, C), uint8 or uint16."""
    values, bits = torch.from_numpy(levels.astype(numpy.float32)).permute(2, 0, 1), 8 * levels.itemsize
    profile = beside.pop("profile", None)
    return Whole(values / (2**bits - 1), Levels(bits, profile, **beside.pop("levels", {})), **beside)


def levels_of(picture):
    """(H, W, C), of as many bits as the file has."""
    white = 2**picture.levels.bits - 1
    return (picture.unit * white).round().permute(1, 2, 0).numpy().astype(int)


def read(path, **arguments):
    with open_frames(path, **arguments) as (frames, wholes):
        return frames, list(wholes)


def count_of(path, limits=LIMITS):
    """How many pictures there are, told without decoding one."""
    with open_frames(path, limits=limits) as (frames, _):
        return frames.count


def scene(channels, count=4, deep=False):
    """Frames (24, 30, C): blocks of few colours, of which a part changes; the third is as the second."""
    chance, white = numpy.random.default_rng(channels), 65535 if deep else 255
    kind = numpy.uint16 if deep else numpy.uint8

    def noise(height, width):
        levels = chance.integers(0, white + 1, (height, width, channels)).astype(kind)
        if channels in (2, 4):
            levels[..., -1] = white * (levels[..., -1] > white // 3)
        return levels

    frames = [noise(6, 6).repeat(4, 0).repeat(5, 1)]
    for number in range(1, count):
        frames.append(frames[-1].copy())
        if number != 2:
            frames[-1][2 + number : 9 + number, 5:12] = noise(7, 7)
    return frames


def assert_same(read, written, most=0):
    """Levels differ by no more than `most`; colours count where they are seen."""
    if read.shape[2] > written.shape[2]:
        alpha = written[..., 1:]
        written = numpy.concatenate([written[..., :1].repeat(3, 2), alpha], axis=2)
    assert read.shape == written.shape
    differ = numpy.abs(read - written.astype(int))
    if read.shape[2] in (2, 4):
        assert differ[..., -1].max() <= most
        differ = differ * (written[..., -1:] > 0)
    assert differ.max() <= most


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


# animations


@pytest.mark.parametrize("loop", [0, 1, 3])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [*EXACT, *NEAR])
def test_an_animation_is_read_as_it_was_written(tmp_path, suffix, channels, loop):
    pictures, told = scene(channels), Frames(4, (100, 50, 30, 1000), loop)
    if suffix in NEAR:  # which keep colours at half the resolution, or are told apart by small errors
        pictures = [numpy.full_like(picture, 40 * number + 60) for number, picture in enumerate(pictures)]
    path = tmp_path / f"a{suffix}"
    assert write_frames(map(whole, pictures), told, path) == []
    frames, wholes = read(path)
    assert frames == told
    assert count_of(path) == 4
    for found, picture in zip(wholes, pictures, strict=True):
        assert_same(levels_of(found), picture, most=0 if suffix in EXACT else 3)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", [*EXACT, *NEAR])
def test_pillow_sees_the_same_frames(tmp_path, suffix, channels):
    path = tmp_path / f"a{suffix}"
    write_frames(map(whole, scene(channels)), Frames(4, (100, 50, 30, 1000), 0), path)
    with Image.open(path) as image:
        assert image.n_frames == 4
        for number, found in enumerate(read(path)[1]):
            image.seek(number)
            image.load()
            assert image.info["duration"] == (100, 50, 30, 1000)[number]
            theirs = numpy.asarray(image.convert("RGBA" if channels in (2, 4) else "RGB"))
            assert_same(theirs.astype(int), levels_of(found).astype(numpy.uint8))


@pytest.mark.parametrize("suffix", [*EXACT, *NEAR])
def test_animations_that_pillow_wrote_are_read(tmp_path, suffix):
    pictures = [numpy.full((12, 16, 3), 60 * number + 20, numpy.uint8) for number in range(3)]
    pictures[0][2:5, 3:7] = (200, 100, 20)
    first, *others = map(Image.fromarray, pictures)
    path = tmp_path / f"a{suffix}"
    first.save(path, save_all=True, append_images=others, duration=[40, 70, 200], loop=0, quality=95)
    frames, wholes = read(path)
    assert frames == Frames(3, (40, 70, 200), 0)
    for found, picture in zip(wholes, pictures, strict=True):
        assert_same(levels_of(found), picture, most=0 if suffix in EXACT else 90)


@pytest.mark.parametrize("suffix", [*EXACT, *NEAR])
def test_the_first_frame_is_that_of_a_still(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    write_frames(map(whole, scene(4)), Frames(4, (100,) * 4, 0), path)
    assert torch.equal(read(path)[1][0].unit, open_whole(path).unit)


def test_a_gif_clears_what_must_not_show_through(tmp_path):
    full = numpy.full((8, 8, 4), 255, numpy.uint8)
    holed, dot = full.copy(), numpy.zeros_like(full)
    holed[2:6, 2:6], dot[3, 3] = 0, (255, 0, 0, 255)
    pictures = [full, holed, dot, full, dot]
    write_frames(map(whole, pictures), Frames(5, (20,) * 5, 0), tmp_path / "a.gif")
    for found, picture in zip(read(tmp_path / "a.gif")[1], pictures, strict=True):
        assert_same(levels_of(found), picture)


def gif(size, *frames, end=b";"):
    """Frames: (left, top, width, height, index, disposal, transparent index or None), of a palette of four."""
    palette = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    parts = [struct.pack("<6sHHBBB", b"GIF89a", *size, 0x81, 0, 0), palette]
    for left, top, width, height, index, disposal, transparent in frames:
        flags = disposal << 2 | (transparent is not None)
        parts.append(struct.pack("<BBBBHBB", 0x21, 0xF9, 4, flags, 5, transparent or 0, 0))
        parts.append(struct.pack("<BHHHHB", 0x2C, left, top, width, height, 0))
        codes = [item for _ in range(width * height) for item in (4, index)]  # cleared again and again: 3 bits each
        bits = "".join(f"{code:03b}"[::-1] for code in [*codes, 5])
        data = bytes(int(bits[place : place + 8][::-1], 2) for place in range(0, len(bits), 8))
        blocks = [data[place : place + 255] for place in range(0, len(data), 255)]
        parts.append(b"\2" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0")
    return b"".join(parts) + end


RED, GREEN, BLUE, CLEAR = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255), (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("disposal", "left"), [(0, GREEN), (1, GREEN), (2, CLEAR), (3, RED)], ids=["none", "keep", "clear", "previous"]
)
def test_what_a_frame_of_a_gif_leaves_behind(tmp_path, disposal, left):
    (tmp_path / "a.gif").write_bytes(
        gif((4, 3), (0, 0, 4, 3, 0, 1, 3), (1, 1, 2, 2, 1, disposal, 3), (3, 2, 1, 1, 2, 0, 3))
    )
    frames, (first, second, third) = read(tmp_path / "a.gif")
    assert frames == Frames(3, (50, 50, 50), 1)
    assert (levels_of(first) == RED).all()
    assert tuple(levels_of(second)[1, 1]) == GREEN
    expected = numpy.full((3, 4, 4), RED)
    expected[1:3, 1:3], expected[2, 3] = left, BLUE
    assert_same(levels_of(third), expected)


def test_all_frames_of_a_gif_have_the_size_and_the_kind_that_any_needs(tmp_path):
    (tmp_path / "a.gif").write_bytes(gif((4, 3), (0, 0, 4, 3, 0, 1, None), (0, 0, 6, 5, 1, 1, 2), end=b""))
    frames, wholes = read(tmp_path / "a.gif")
    assert frames.count == 2
    assert [tuple(picture.values.shape) for picture in wholes] == [(4, 5, 6)] * 2


def test_greys_of_a_gif_stay_grey(tmp_path):
    write_frames(map(whole, scene(1)), Frames(4, (100,) * 4, 0), tmp_path / "a.gif")
    assert [len(picture.values) for picture in read(tmp_path / "a.gif")[1]] == [1] * 4


@pytest.mark.parametrize(("told", "written"), [((33, 33, 34), (30, 40, 30)), ((5, 5, 990), (0, 10, 990))])
def test_a_gif_counts_in_hundredths_and_says_so(tmp_path, told, written):
    lost = write_frames(map(whole, scene(3, 3)), Frames(3, told, 0), tmp_path / "a.gif")
    assert lost == ["durations rounded, as GIF counts in hundredths of a second"]
    assert read(tmp_path / "a.gif")[0].durations == written


@pytest.mark.parametrize("suffix", [".png", ".webp", ".avif"])
def test_durations_of_any_length_are_kept(tmp_path, suffix):
    told = Frames(4, (1, 7, 70_010, 3_600_000), 0)
    write_frames(map(whole, scene(3)), told, tmp_path / f"a{suffix}")
    assert read(tmp_path / f"a{suffix}")[0].durations == told.durations


@pytest.mark.parametrize("suffix", [".png", ".webp", ".avif"])
def test_an_animation_keeps_its_profile_and_its_metadata(tmp_path, suffix, swapped_profile):
    said = Metadata(exif=_exif(), xmp=XMP)
    levels = Levels(profile=swapped_profile, from_srgb=True)
    values = [
        torch.full((3, 8, 10), 0.2 + 0.2 * number) * torch.tensor([1.0, 0.5, 0.8])[:, None, None] for number in range(3)
    ]
    write_frames([Whole(part, levels, said) for part in values], Frames(3, (100,) * 3, 0), tmp_path / f"a{suffix}")
    for found, part in zip(read(tmp_path / f"a{suffix}")[1], values, strict=True):
        assert found.levels == levels
        assert (found.metadata.exif or b"")[-6:-1] == b"hello"
        assert found.metadata.xmp == XMP
        assert (found.unit - part).abs().max() < 4 / 255
    with Image.open(tmp_path / f"a{suffix}") as image:
        assert image.info["icc_profile"] == swapped_profile
        red, green, blue = image.convert("RGB").getpixel((5, 4))
        assert blue > green > 0  # red and blue have changed places
        assert blue > red


def test_what_every_frame_loses_is_told_once(tmp_path):
    said, levels = Metadata(dpi=(300.0, 300.0)), {"left_out": "it is meant for grey"}
    pictures = [whole(picture, metadata=said, levels=levels) for picture in scene(3)]
    assert write_frames(pictures, Frames(4, (100,) * 4, 0), tmp_path / "a.gif") == [
        "colour profile left out, as it is meant for grey; the picture counts as sRGB",
        "resolution left out, as GIF holds none",
    ]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".avif"])
def test_an_animation_keeps_its_resolution_beside_exif(tmp_path, suffix):
    said = Metadata(exif=_exif(), dpi=(300.0, 240.0))
    pictures = [whole(picture, metadata=said) for picture in scene(3)]
    assert write_frames(pictures, Frames(4, (100,) * 4, 0), tmp_path / f"a{suffix}") == []
    for found in read(tmp_path / f"a{suffix}")[1]:
        assert found.metadata.dpi == pytest.approx((300, 240), abs=0.02)


def _exif():
    exif = Image.Exif()
    exif[0x010E] = "hello"
    return exif.tobytes()[6:]


# animated PNG


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def apng(size, *frames, colour=6, poster=None, loop=0, before=b""):
    """Frames: (left, top, levels (h, w, C), dispose, blend); the poster is levels too."""
    depth = 8 * (poster if poster is not None else frames[0][2]).itemsize
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", struct.pack(">IIBB3x", *size, depth, colour)), before]
    parts.append(chunk(b"acTL", struct.pack(">II", len(frames), loop)))
    numbers = itertools.count()

    def pixels(levels):
        rows = levels.astype(levels.dtype.newbyteorder(">")).reshape(len(levels), -1)
        return zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))

    if poster is not None:
        parts.append(chunk(b"IDAT", pixels(poster)))
    for place, (left, top, levels, dispose, blend) in enumerate(frames):
        side = (levels.shape[1], levels.shape[0], left, top)
        parts.append(chunk(b"fcTL", struct.pack(">IIIIIHHBB", next(numbers), *side, 1, 30, dispose, blend)))
        first = place == 0 and poster is None
        body = pixels(levels)
        parts.append(chunk(b"IDAT", body) if first else chunk(b"fdAT", struct.pack(">I", next(numbers)) + body))
    return b"".join([*parts, chunk(b"IEND", b"")])


def flat(height, width, *colour, kind=numpy.uint8):
    return numpy.full((height, width, len(colour)), colour, kind)


@pytest.mark.parametrize(("dispose", "left"), [(0, GREEN), (1, CLEAR), (2, RED)], ids=["keep", "clear", "previous"])
def test_what_a_frame_of_a_png_leaves_behind(tmp_path, dispose, left):
    (tmp_path / "a.png").write_bytes(
        apng(
            (4, 3),
            (0, 0, flat(3, 4, *RED), 0, 0),
            (1, 1, flat(2, 2, *GREEN), dispose, 0),
            (3, 2, flat(1, 1, *BLUE), 0, 0),
        )
    )
    frames, (first, second, third) = read(tmp_path / "a.png")
    assert frames == Frames(3, (33, 34, 33), 0)
    assert (levels_of(first) == RED).all()
    assert tuple(levels_of(second)[1, 1]) == GREEN
    expected = numpy.full((3, 4, 4), RED)
    expected[1:3, 1:3], expected[2, 3] = left, BLUE
    assert (levels_of(third) == expected).all()


def test_a_frame_of_a_png_is_laid_over_what_is_there(tmp_path):
    over = flat(1, 4, 0, 255, 0, 128)
    over[0, 1], over[0, 2] = (0, 255, 0, 255), (0, 255, 0, 0)
    start = flat(1, 4, *RED)
    start[0, 3] = (0, 0, 255, 128)
    (tmp_path / "a.png").write_bytes(apng((4, 1), (0, 0, start, 0, 0), (0, 0, over, 0, 1)))
    found = levels_of(read(tmp_path / "a.png")[1][1])
    assert found[0, :3].tolist() == [[127, 128, 0, 255], [0, 255, 0, 255], [255, 0, 0, 255]]
    assert found[0, 3].tolist() == [0, 170, 85, 192]  # 128 + 128 · 127 / 255 of alpha, two thirds of it green


def test_a_png_without_alpha_is_seen_through_where_it_was_cleared(tmp_path):
    (tmp_path / "a.png").write_bytes(
        apng(
            (4, 3),
            (0, 0, flat(3, 4, 9, 9, 9), 0, 0),
            (0, 0, flat(2, 2, 1, 2, 3), 1, 0),
            (3, 2, flat(1, 1, 4, 5, 6), 0, 0),
            colour=2,
        )
    )
    first, second, third = (levels_of(picture) for picture in read(tmp_path / "a.png")[1])
    assert first.shape == (3, 4, 4)
    assert first[0, 0].tolist() == [9, 9, 9, 255]
    assert second[0, 0].tolist() == [1, 2, 3, 255]
    assert third[0, 0].tolist() == [0, 0, 0, 0]
    assert third[2, 3].tolist() == [4, 5, 6, 255]


@pytest.mark.parametrize(("colour", "channels"), [(0, 1), (4, 2), (2, 3), (6, 4)])
def test_frames_of_sixteen_bits_are_read_and_written_as_they_are(tmp_path, colour, channels):
    pictures = scene(channels, deep=True)
    (tmp_path / "a.png").write_bytes(apng((30, 24), *((0, 0, picture, 0, 0) for picture in pictures), colour=colour))
    frames, wholes = read(tmp_path / "a.png")
    for found, picture in zip(wholes, pictures, strict=True):
        assert found.levels.bits == 16
        assert (levels_of(found) == picture).all()
    write_frames(wholes, frames, tmp_path / "b.png")
    for found, picture in zip(read(tmp_path / "b.png")[1], pictures, strict=True):
        assert (levels_of(found) == picture).all()


def test_a_poster_that_is_no_frame_comes_first_and_stays_none(tmp_path):
    poster, pictures = flat(24, 30, 1, 2, 3), scene(3)
    contents = apng((30, 24), *((0, 0, picture, 0, 0) for picture in pictures), colour=2, poster=poster, loop=2)
    (tmp_path / "a.png").write_bytes(contents)
    frames, wholes = read(tmp_path / "a.png")
    assert frames == Frames(5, (0, 33, 34, 33, 33), 2, poster=True)
    assert_same(levels_of(wholes[0]), poster)
    assert torch.equal(open_whole(tmp_path / "a.png").values, wholes[0].values)
    assert write_frames(wholes, frames, tmp_path / "b.png") == []
    again, same = read(tmp_path / "b.png")
    assert again == frames
    for found, picture in zip(same, [poster, *pictures], strict=True):
        assert_same(levels_of(found), picture)
    lost = write_frames(wholes, frames, tmp_path / "b.gif")
    assert lost[0] == "the picture shown in place of the animation left out, as GIF holds none"
    assert read(tmp_path / "b.gif")[0].count == 4


def test_an_animated_png_is_turned_as_it_asks_for(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    patch = (0, 0, flat(1, 2, *GREEN), 0, 0)
    before = chunk(b"eXIf", exif.tobytes()[6:])
    (tmp_path / "a.png").write_bytes(apng((4, 3), (0, 0, flat(3, 4, *RED), 0, 0), patch, before=before))
    seen = []
    _, (_, second) = read(tmp_path / "a.png", examine=seen.append)
    expected = numpy.full((4, 3, 4), RED)
    expected[:2, 2] = GREEN  # the upper left corner goes to the right
    assert (levels_of(second) == expected).all()
    assert (seen[0].width, seen[0].height) == (3, 4)


# pages


def pages(profile):
    chance = numpy.random.default_rng(0)

    def noise(*shape, kind=numpy.uint8):
        return chance.integers(0, numpy.iinfo(kind).max + 1, shape).astype(kind)

    return [
        whole(noise(20, 30, 3, kind=numpy.uint16), profile=profile, metadata=Metadata(dpi=(300.0, 300.0))),
        whole(noise(33, 11, 1), metadata=Metadata(dpi=(72.0, 75.0))),
        whole(noise(600, 700, 4)),  # of more than one strip
        whole(noise(9, 7, 2), metadata=Metadata(xmp=XMP)),
        whole(noise(20, 31, 1, kind=numpy.uint16)),
        whole(noise(15, 16, 3), metadata=Metadata(exif=_exif())),
    ]


def assert_same_pages(path, written):
    frames, wholes = read(path)
    assert frames == Frames(len(written), pages=True)
    for found, page in zip(wholes, written, strict=True):
        assert (levels_of(found) == levels_of(page)).all()
        assert found.levels == page.levels
        assert page.metadata.dpi in (None, found.metadata.dpi)
        assert found.metadata.xmp == page.metadata.xmp
        assert (b"hello" in (found.metadata.exif or b"")) == (page.metadata.exif is not None)


def test_pages_keep_size_kind_depth_profile_and_metadata(tmp_path, swapped_profile):
    written = pages(swapped_profile)
    assert write_frames(written, Frames(6, pages=True), tmp_path / "a.tif") == []
    assert_same_pages(tmp_path / "a.tif", written)
    with Image.open(tmp_path / "a.tif") as image:
        assert image.n_frames == 6
        shown = [(image.seek(number), image.load(), image.size, image.mode)[2:] for number in range(6)]
    assert shown[1:4] == [((11, 33), "L"), ((700, 600), "RGBA"), ((7, 9), "LA")]


def test_pages_beyond_four_gigabytes_would_be_a_bigtiff(tmp_path, swapped_profile):
    written, path = pages(swapped_profile), tmp_path / "a.tif"
    with path.open("x+b") as stream:
        kinds = [(page, held(page.kind, tuple(page.values.shape[-2:]), path, PLAIN)) for page in written]
        rows = ((holding, numpy.concatenate(list(holding.rows(page.values)))) for page, holding in kinds)
        write_tiff(rows, stream, True, path)
    assert path.read_bytes()[:4] == b"II+\0"
    assert_same_pages(path, written)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_pages_that_pillow_wrote_are_read(tmp_path, compression, big):
    pictures = [scene(3, 1)[0][: 10 + number] for number in range(3)]
    first, *others = map(Image.fromarray, pictures)
    first.save(tmp_path / "a.tif", save_all=True, append_images=others, compression=compression, big_tiff=big)
    frames, wholes = read(tmp_path / "a.tif")
    assert frames.pages
    for found, picture in zip(wholes, pictures, strict=True):
        assert_same(levels_of(found), picture)


def test_what_lies_beside_a_page_is_no_page(tmp_path):
    first, second = (Image.fromarray(scene(3, 1)[0][: 10 + number]) for number in range(2))
    small = first.resize((5, 4))
    first.save(tmp_path / "a.tif", save_all=True, append_images=[small, second], tiffinfo={254: 0})
    assert count_of(tmp_path / "a.tif") == 3
    contents = bytearray((tmp_path / "a.tif").read_bytes())
    place = [at for at in range(len(contents) - 12) if contents[at : at + 8] == struct.pack("<HHI", 254, 4, 1)][1]
    struct.pack_into("<I", contents, place + 8, 1)  # a page at less resolution
    (tmp_path / "a.tif").write_bytes(contents)
    frames, wholes = read(tmp_path / "a.tif")
    assert frames.count == count_of(tmp_path / "a.tif") == 2
    assert [tuple(page.values.shape[1:]) for page in wholes] == [(10, 30), (11, 30)]


def test_a_page_is_turned_as_it_asks_for(tmp_path):
    first, second = (Image.fromarray(scene(3, 1)[0][: 10 + number]) for number in range(2))
    second.encoderinfo = {"tiffinfo": {274: 6}}
    first.save(tmp_path / "a.tif", save_all=True, append_images=[second], tiffinfo={274: 1})
    seen = []
    shapes = [tuple(page.values.shape[1:]) for page in read(tmp_path / "a.tif", examine=seen.append)[1]]
    assert shapes[0] == (10, 30)
    assert [(header.width, header.height, header.frames) for header in seen] == [(*shapes[1][::-1], 2)]


@pytest.mark.skipif(find_spec("pillow_heif") is None, reason="needs pillow_heif")
def test_pictures_of_a_heic_are_pages_of_any_size(tmp_path):
    written = [whole(flat(20, 30, 200, 100, 50)), whole(flat(34, 12, 90))]
    assert write_frames(written, Frames(2, pages=True), tmp_path / "a.heic") == []
    frames, wholes = read(tmp_path / "a.heic")
    assert frames == Frames(2, pages=True)
    for found, page in zip(wholes, written, strict=True):
        assert_same(levels_of(found), levels_of(page), most=4)


def test_a_heic_begins_with_the_picture_that_it_shows_alone(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    document = pillow_heif.HeifFile()
    for grey in (50, 200):
        document.add_from_pillow(Image.new("RGB", (16, 16), (grey,) * 3))
    document.save(tmp_path / "a.heic", primary_index=1)
    first, second = (float(page.unit.mean()) for page in read(tmp_path / "a.heic")[1])
    assert first > 0.7 > second
    assert float(open_whole(tmp_path / "a.heic").unit.mean()) == pytest.approx(first)


def test_pages_become_an_animation_and_frames_pages_and_both_say_so(tmp_path):
    pictures = [whole(picture) for picture in scene(3)]
    lost = write_frames(pictures, Frames(4, pages=True), tmp_path / "a.gif")
    assert lost == ["each page shown for 1 second, as GIF holds an animation"]
    assert read(tmp_path / "a.gif")[0] == Frames(4, (1000,) * 4, 0)
    lost = write_frames(pictures, Frames(4, (50,) * 4, 0), tmp_path / "a.tif")
    assert lost == ["durations and repetition left out, as TIFF holds pages"]
    assert read(tmp_path / "a.tif")[0] == Frames(4, pages=True)


# one picture


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".webp", ".tif", ".bmp", ".avif"])
def test_a_still_is_one_picture_and_written_as_one(tmp_path, suffix):
    assert write_frames([whole(flat(9, 7, 200))], Frames(), tmp_path / f"a{suffix}") == []
    frames, (only,) = read(tmp_path / f"a{suffix}")
    assert frames == Frames()
    assert count_of(tmp_path / f"a{suffix}") == 1
    assert torch.equal(only.values, open_whole(tmp_path / f"a{suffix}").values)


def test_of_several_pictures_in_a_jpeg_the_first_is_taken(tmp_path):
    red, blue = Image.new("RGB", (16, 16), "red"), Image.new("RGB", (16, 16), "blue")
    red.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[blue])
    frames, (only,) = read(tmp_path / "a.jpg")
    assert frames.count == count_of(tmp_path / "a.jpg") == 1
    assert levels_of(only)[8, 8, 0] > 250


@pytest.mark.parametrize(("suffix", "name"), [(".jpg", "JPEG"), (".bmp", "BMP"), (".ppm", "PPM"), (".jp2", "JPEG2000")])
def test_a_format_that_holds_one_picture_names_those_that_hold_several(tmp_path, suffix, name):
    path = tmp_path / f"a{suffix}"
    with pytest.raises(BrokenPicture) as refusal:
        write_frames(map(whole, scene(3)), Frames(4, (10,) * 4, 0), path)
    several = "GIF, WebP, PNG, AVIF, TIFF and HEIC hold several; or take --frames first"
    assert str(refusal.value) == f"{path}: cannot be written (4 frames as {name}: it holds one; {several})"
    with pytest.raises(BrokenPicture, match="4 pages as"):
        write_frames(map(whole, scene(3)), Frames(4, pages=True), path)
    assert left_in(tmp_path) == []


def test_an_unknown_suffix_is_refused_before_a_picture_is_asked_for(tmp_path):
    with pytest.raises(UsageError, match=r"no format for the suffix '\.xyz'"):
        write_frames(iter([]), Frames(2, pages=True), tmp_path / "a.xyz")


# what goes wrong


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".avif"])
def test_frames_that_are_not_alike_are_refused(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    other = whole(flat(10, 20, 1, 2, 3))
    with pytest.raises(BrokenPicture) as refusal:
        write_frames([*map(whole, scene(3)), other], Frames(5, (10,) * 5, 0), path)
    assert "frame 5 is 20×10 with 3 channels of 8 bits, the first 30×24 with 3 channels of 8 bits" in str(refusal.value)
    assert "pages of TIFF need not be" in str(refusal.value)
    with pytest.raises(BrokenPicture, match="frame 2 is 30×24 with 4 channels"):
        write_frames([whole(scene(3)[0]), whole(scene(4)[0])], Frames(2, (10,) * 2, 0), path)
    assert left_in(tmp_path) == []


def test_frames_of_different_colours_are_refused(tmp_path, swapped_profile):
    pictures = [whole(scene(3)[0]), whole(scene(3)[0], profile=swapped_profile)]
    with pytest.raises(BrokenPicture, match="their colour profiles differ; frames of PNG are all alike"):
        write_frames(pictures, Frames(2, (10,) * 2, 0), tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".avif", ".tif", ".heic"])
@pytest.mark.parametrize(("came", "found"), [(3, "3"), (5, "5 or more"), (0, "0")])
def test_other_pictures_than_were_announced_are_an_error(tmp_path, suffix, came, found):
    if suffix == ".heic":
        pytest.importorskip("pillow_heif")
    with pytest.raises(I2IError, match=f"4 pictures were announced, {found} came"):
        write_frames(map(whole, scene(3, 6)[:came]), Frames(4, (10,) * 4, 0), tmp_path / f"a{suffix}")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".avif", ".tif"])
def test_what_goes_wrong_in_between_passes_through_and_the_old_file_stays(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"old")

    def failing():
        yield whole(scene(3)[0])
        raise RuntimeError("out of device memory")

    with pytest.raises(RuntimeError, match=r"^out of device memory$"):
        write_frames(failing(), Frames(4, (10,) * 4, 0), path)
    assert path.read_bytes() == b"old"
    assert left_in(tmp_path) == [path.name]


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".avif", ".tif"])
def test_the_complete_draft_is_shown_before_it_gets_its_name(tmp_path, suffix):
    path, seen = tmp_path / f"a{suffix}", []

    def look(draft):
        assert not path.exists()
        seen.append(draft.read_bytes())

    write_frames(map(whole, scene(3)), Frames(4, (10,) * 4, 0), path, before_rename=look)
    assert seen == [path.read_bytes()]


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".tif"])
def test_no_more_than_two_pictures_are_held(tmp_path, suffix):
    alive = weakref.WeakSet()

    def made():
        for number in range(8):
            assert len(alive) <= 2
            picture = whole(flat(9, 7, 20 * number, 1, 2))
            alive.add(picture.values)
            yield picture

    write_frames(made(), Frames(8, (10,) * 8, 0), tmp_path / f"a{suffix}")
    alive.clear()
    with open_frames(tmp_path / f"a{suffix}") as (_, wholes):
        for picture in wholes:
            assert len(alive) <= 1
            alive.add(picture.values)


def cut(path, share):
    contents = path.read_bytes()
    path.write_bytes(contents[: int(len(contents) * share)])


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".avif"])
def test_of_a_cut_animation_the_frame_is_named(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    pictures = numpy.random.default_rng(0).integers(0, 256, (4, 24, 30, 3), numpy.uint8)
    write_frames(map(whole, pictures), Frames(4, (10,) * 4, 0), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BrokenPicture) as broken:
        read(path)
    assert str(broken.value) == f"{path}: frame 4: truncated"
    with pytest.raises(BrokenPicture, match="frame 4: truncated"):
        count_of(path)


def test_of_a_cut_document_the_page_is_named(tmp_path):
    write_frames(map(whole, scene(3)), Frames(4, pages=True), tmp_path / "a.tif")
    cut(tmp_path / "a.tif", 0.6)
    with pytest.raises(BrokenPicture, match=r"a\.tif: page 3: truncated"):
        read(tmp_path / "a.tif")


def test_frames_before_a_damaged_one_are_given(tmp_path):
    path = tmp_path / "a.png"
    write_frames(map(whole, scene(3)), Frames(4, (10,) * 4, 0), path)
    contents = bytearray(path.read_bytes())
    contents[-30] ^= 255
    path.write_bytes(contents)
    with open_frames(path) as (frames, wholes):
        assert frames.count == 4
        for _ in range(3):
            next(wholes)
        with pytest.raises(BrokenPicture) as broken:
            next(wholes)
    assert str(broken.value) == f"{path}: frame 4 of 4: damaged (a wrong checksum)"


def test_a_page_that_cannot_be_decoded_is_named(tmp_path):
    path = tmp_path / "a.tif"
    write_frames([whole(flat(9, 7, 20 * number)) for number in range(3)], Frames(3, pages=True), path)
    contents = bytearray(path.read_bytes())
    place = contents.rfind(struct.pack("<HHI", 259, 3, 1))  # how the last page is packed
    struct.pack_into("<H", contents, place + 8, 5)
    path.write_bytes(contents)
    with open_frames(path) as (_, wholes):
        next(wholes), next(wholes)
        with pytest.raises(BrokenPicture, match=r"a\.tif: page 3 of 3: "):
            next(wholes)


def test_a_frame_beyond_the_picture_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(apng((4, 3), (0, 0, flat(3, 4, *RED), 0, 0), (3, 0, flat(1, 2, *RED), 0, 0)))
    with pytest.raises(BrokenPicture, match=r"frame 2: damaged \(it lies beyond the picture\)"):
        read(tmp_path / "a.png")


def test_what_goes_wrong_outside_is_not_the_files_fault(tmp_path):
    write_frames(map(whole, scene(3)), Frames(4, (10,) * 4, 0), tmp_path / "a.gif")

    def consume():
        with open_frames(tmp_path / "a.gif") as (_, wholes):
            next(wholes)
            raise RuntimeError("out of device memory")

    with pytest.raises(RuntimeError, match=r"^out of device memory$"):
        consume()


# limits


def test_an_animation_bomb_is_refused_at_once(tmp_path):
    dots = [(0, 0, 1, 1, 0, 1, None)] * 2000
    (tmp_path / "a.gif").write_bytes(gif((13_000, 13_000), *dots))
    with pytest.raises(BrokenPicture, match="too large: 2,000 frames of 13,000 × 13,000 pixels are 338 gigapixels"):
        count_of(tmp_path / "a.gif")
    with (
        pytest.raises(BrokenPicture, match="up to 100 are read"),
        open_frames(tmp_path / "a.gif", limits=Limits(frames=100)),
    ):
        raise AssertionError


def test_a_document_bomb_is_refused_at_once(tmp_path):
    write_frames(
        [whole(flat(10, 10, 1)), whole(flat(40, 40, 1)), whole(flat(40, 40, 1))],
        Frames(3, pages=True),
        tmp_path / "a.tif",
    )
    assert count_of(tmp_path / "a.tif", Limits(all_pixels=3300)) == 3
    with pytest.raises(BrokenPicture, match="too large: its pages are"):
        count_of(tmp_path / "a.tif", Limits(all_pixels=3299))
    with pytest.raises(BrokenPicture, match="too large: 40 × 40 pixels"):
        count_of(tmp_path / "a.tif", Limits(pixels=1599))


def test_each_frame_has_its_own_time_and_what_is_done_between_them_has_any(tmp_path):
    write_frames(map(whole, scene(3)), Frames(4, (10,) * 4, 0), tmp_path / "a.gif")
    with open_frames(tmp_path / "a.gif", limits=Limits(seconds=0.5)) as (_, wholes):
        for _ in wholes:
            time.sleep(0.2)
    with (
        pytest.raises(BrokenPicture, match=r"a\.gif: frame 2 of 4: took longer than 0\.01 seconds to decode"),
        naming_frame(tmp_path / "a.gif", 2, Frames(4), Limits(seconds=0.01)),
    ):
        time.sleep(0.02)


def test_the_header_is_shown_once_with_the_largest_page(tmp_path, swapped_profile):
    write_frames(pages(swapped_profile), Frames(6, pages=True), tmp_path / "a.tif")
    seen = []
    read(tmp_path / "a.tif", examine=seen.append)
    assert [(header.width, header.height, header.frames) for header in seen] == [(700, 600, 6)]

    def refuse(header):
        raise BrokenPicture(header.path, "no room")

    with pytest.raises(BrokenPicture, match="no room"), open_frames(tmp_path / "a.tif", examine=refuse):
        raise AssertionError


def test_files_of_an_object_store_hold_frames_too(tmp_path):
    upath = pytest.importorskip("upath")
    for name, frames in (
        ("a.gif", Frames(4, (10,) * 4, 0)),
        ("a.png", Frames(4, (10,) * 4, 0)),
        ("a.tif", Frames(4, pages=True)),
    ):
        place = upath.UPath(f"memory://frames/{name}")
        write_frames(map(whole, scene(3)), frames, tmp_path / name)
        place.write_bytes((tmp_path / name).read_bytes())
        found, wholes = read(place)
        assert found == frames
        for picture, written in zip(wholes, scene(3), strict=True):
            assert_same(levels_of(picture), written)
        place.write_bytes(place.read_bytes()[:-300])
        with pytest.raises(BrokenPicture, match=name):
            read(place)

from __future__ import annotations

import io
import os
import struct
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from PIL import Image, PngImagePlugin

from i2i.errors import BrokenPicture
from i2i.images import limits as limits_module
from i2i.images.decode import check_header, decoding, open_picture
from i2i.images.limits import LIMITS, Header, Limits, allow_metadata, allow_pixels, amount
from i2i.images.reading import seek_frame

MIB = 2**20
TIGHT = Limits(pixels=10_000, all_pixels=30_000, frames=50, file_bytes=MIB, metadata_bytes=4096)


def refusal(path: Path, limits: Limits = LIMITS) -> str:
    with pytest.raises(BrokenPicture) as caught:
        open_picture(path, limits=limits)
    assert str(caught.value) == f"{path}: {caught.value.reason}"
    assert "\n" not in caught.value.reason
    return caught.value.reason


def kept(folder: Path, content: bytes, name: str = "a.picture") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def encoded(file_format: str, mode: str = "RGB", size: tuple[int, int] = (8, 8), **options: object) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, size).save(stream, file_format, **options)
    return stream.getvalue()


def header_of(path: Path) -> Header:
    found: list[Header] = []
    with decoding(path, examine=found.append):
        return found[0]


# PNG, WebP, JPEG, TIFF and box files put together by hand


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(*chunks: bytes, late: bytes = b"", size: tuple[int, int] = (8, 8)) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 0, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(72)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + pixels + late + chunk(b"IEND", b"")


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(part)) + part + b"\0" * (len(part) % 2) for name, part in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def canvas(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    return b"VP8X", bytes([flags, 0, 0, 0]) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]


def lossless() -> bytes:
    return encoded("WEBP", lossless=True)[20:]


def segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def with_segments(*segments: bytes) -> bytes:
    plain = encoded("JPEG")
    return plain[:2] + b"".join(segments) + plain[2:]


def tiff(*entries: tuple[int, int, int, int], behind: bytes = b"", size: tuple[int, int] = (8, 8)) -> bytes:
    plain = [(256, 4, 1, size[0]), (257, 4, 1, size[1]), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    plain += [(273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, size[1]), (279, 4, 1, 64)]
    fields = sorted({entry[0]: entry for entry in [*plain, *entries]}.values())
    directory = struct.pack("<H", len(fields)) + b"".join(struct.pack("<HHII", *field) for field in fields)
    return b"II*\0\x08\0\0\0" + directory + bytes(4) + behind


def exif_of_numbers(tag: int, count: int) -> bytes:
    """An EXIF block with one tag of so many numbers of 16 bits."""
    head = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, tag, 3, count, 26, 0)
    return head + b"\1\0" * count


def pages(count: int) -> bytes:
    content = bytearray(b"II*\0\x08\0\0\0")
    for number in range(count):
        page = tiff()[8:-4]
        content += page + struct.pack("<I", 0 if number == count - 1 else len(content) + len(page) + 4)
    return bytes(content)


def avif_with(exif: bytes) -> bytes:
    """Pillow would take the block apart when writing it, so a text of its length makes room."""
    blank = b"Exif\0\0II*\0\x08\0\0\0" + bytes(len(exif) - 8)
    content = encoded("AVIF", exif=blank)
    return content.replace(blank[6:], exif)


# pixels


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000"])
def test_a_picture_of_too_many_pixels_is_refused_by_its_header(tmp_path: Path, file_format: str) -> None:
    path = kept(tmp_path, encoded(file_format, size=(200, 100)))
    seen: list[Header] = []
    with pytest.raises(BrokenPicture), decoding(path, TIGHT, seen.append):
        raise AssertionError("opened")
    assert seen == []
    assert refusal(path, TIGHT) == "too large: 200 × 100 pixels are more than the 10,000 pixels that are read"
    assert open_picture(path, limits=Limits(pixels=20_000)).size == (200, 100)


@pytest.mark.parametrize(
    "content",
    [
        png(size=(60_000, 60_000)),
        b"P6 60000 60000 255\n",
        riff(canvas(60_000, 60_000, 0x10), (b"VP8L", lossless())),
        riff(canvas(60_000, 60_000, 2), (b"ANIM", bytes(6))),
        tiff(size=(60_000, 60_000)),
        encoded("BMP").replace(struct.pack("<ii", 8, 8), struct.pack("<ii", 60_000, 60_000)),
        encoded("AVIF").replace(
            b"ispe" + bytes(4) + struct.pack(">II", 8, 8), b"ispe" + bytes(4) + b"\0\0\xea\x60" * 2
        ),
        encoded("GIF", "P").replace(b"GIF87a\x08\0\x08\0", b"GIF87a\x60\xea\x60\xea"),
        encoded("JPEG").replace(b"\xff\xc0\0\x11\x08\0\x08\0\x08", b"\xff\xc0\0\x11\x08\xea\x60\xea\x60"),
    ],
    ids=["png", "ppm", "webp", "animated-webp", "tiff", "bmp", "avif", "gif", "jpeg"],
)
def test_a_bomb_of_a_few_bytes_is_refused_by_the_usual_limits(tmp_path: Path, content: bytes) -> None:
    reason = refusal(kept(tmp_path, content))
    assert reason.removeprefix("too large: ").startswith(("60,000 × 60,000 pixels are", "3,600 megapixels are"))
    assert reason.endswith("more than the 512 megapixels that are read")


def test_pillow_s_own_limit_is_raised_and_never_lowered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    path = kept(tmp_path, encoded("PNG", size=(200, 100)))
    assert refusal(path) == "too large: more than 2,000 pixels (PIL.Image.MAX_IMAGE_PIXELS sets the limit)"
    allow_pixels(20_000)
    assert open_picture(path).size == (200, 100)
    allow_pixels(5)
    assert Image.MAX_IMAGE_PIXELS == 20_000
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    allow_pixels(5)
    assert Image.MAX_IMAGE_PIXELS is None


# bytes


def test_a_file_of_too_many_bytes_is_refused(tmp_path: Path) -> None:
    path = kept(tmp_path, encoded("PNG"))
    os.truncate(path, 5 * 2**30)  # a hole takes no room
    assert refusal(path) == "too large: a file of 5 GiB; files of up to 4 GiB are read"


LARGE_METADATA = {
    "text": (png(chunk(b"tEXt", b"a\0" + bytes(5000))), "text takes 4.9 KiB"),
    "late-text": (png(late=chunk(b"tEXt", b"a\0" + bytes(5000))), "text takes 4.9 KiB"),
    "texts": (png(*[chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(9)))] * 200), "text takes"),
    "exif": (png(chunk(b"eXIf", bytes(5000))), "EXIF takes 4.9 KiB"),
    "icc": (png(chunk(b"iCCP", bytes(5000))), "colour profile takes 4.9 KiB"),
    "private": (png(chunk(b"prVt", bytes(5000))), "prVt chunk takes 4.9 KiB"),
    "webp-icc": (
        riff(canvas(8, 8, 0x20), (b"ICCP", bytes(5000)), (b"VP8L", lossless())),
        "colour profile takes 4.9 KiB",
    ),
    "webp-exif": (riff(canvas(8, 8, 8), (b"VP8L", lossless()), (b"EXIF", bytes(5000))), "EXIF takes 4.9 KiB"),
    "webp-xmp": (riff(canvas(8, 8, 4), (b"VP8L", lossless()), (b"XMP ", bytes(5000))), "XMP takes 4.9 KiB"),
    "jpeg-exif": (with_segments(*[segment(0xE1, b"Exif\0\0" + bytes(900))] * 5), "EXIF and XMP takes"),
    "jpeg-icc": (with_segments(*[segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(900))] * 5), "colour profile takes"),
    "jpeg-comment": (with_segments(segment(0xFE, bytes(5000))), "comment takes 4.9 KiB"),
    "jpeg-other": (
        with_segments(segment(0xE0, bytes(9)), b"junk\xff\xff", segment(0xE5, bytes(5000))),
        "APP5 segment takes 4.9 KiB",
    ),
    "gif-comment": (encoded("GIF", "P", comment=bytes(5000)), "comment takes 4.9 KiB"),
    "tiff-icc": (tiff((34675, 7, 5000, 200), behind=bytes(6000)), "colour profile takes 4.9 KiB"),
    "tiff-xmp": (tiff((700, 1, 5000, 200), behind=bytes(6000)), "XMP takes 4.9 KiB"),
    "tiff-other": (tiff((40000, 7, 5000, 200), behind=bytes(6000)), "tag 40000 takes 4.9 KiB"),
    "avif-icc": (encoded("AVIF", icc_profile=bytes(5000)), "description takes"),
    "avif-exif": (encoded("AVIF", exif=b"Exif\0\0II*\0\x08\0\0\0" + bytes(5000)), "EXIF takes 4.9 KiB"),
    "avif-xmp": (encoded("AVIF", xmp=bytes(5000)), "XMP takes 4.9 KiB"),
}


@pytest.mark.parametrize(("content", "expected"), LARGE_METADATA.values(), ids=LARGE_METADATA)
def test_metadata_of_too_many_bytes_is_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    path = kept(tmp_path, content)
    reason = refusal(path, TIGHT)
    assert reason.startswith(f"too large: its {expected}")
    assert reason.endswith("; up to 4 KiB are read")
    assert open_picture(path).size == (8, 8)


def test_a_kind_of_metadata_without_a_name_is_not_quoted(tmp_path: Path) -> None:
    path = kept(tmp_path, png(chunk(b"\n\xff\0a", bytes(5000))))
    assert refusal(path, TIGHT) == "too large: its nameless chunk takes 4.9 KiB; up to 4 KiB are read"


def test_kinds_of_metadata_have_a_limit_together(tmp_path: Path) -> None:
    content = png(*[chunk(bytes([97 + number]) + b"aAa", bytes(3000)) for number in range(8)])
    assert refusal(kept(tmp_path, content), TIGHT) == "too large: its metadata takes more than 16 KiB"


def test_pages_may_each_have_metadata_up_to_the_limit(tmp_path: Path) -> None:
    page = tiff((700, 1, 3000, 200))[8:-4]
    first = 8 + len(page) + 4 + 4000
    content = b"II*\0\x08\0\0\0" + page + struct.pack("<I", first) + bytes(4000) + page + bytes(4)
    path = kept(tmp_path, content)
    with decoding(path, TIGHT):
        assert header_of(path).frames == 2


@pytest.mark.parametrize("place", ["front", "behind"])
@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_what_inflates_to_a_hundred_megabytes_is_refused(tmp_path: Path, kind: bytes, place: str) -> None:
    packed = zlib.compress(bytes(100 * MIB), 1)
    bomb = chunk(kind, {b"iTXt": b"a\0\1\0\0\0"}.get(kind, b"a\0\0") + packed)
    path = kept(tmp_path, png(bomb) if place == "front" else png(late=bomb))
    assert refusal(path) == "too large: texts or a colour profile in it inflate to more than is read of them"


def test_more_may_be_inflated_where_it_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PngImagePlugin, "MAX_TEXT_CHUNK", MIB)
    path = kept(tmp_path, png(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2 * MIB)))))
    assert "inflate" in refusal(path)
    allow_metadata(3 * MIB)
    assert open_picture(path).size == (8, 8)
    allow_metadata(5)
    assert PngImagePlugin.MAX_TEXT_CHUNK == 3 * MIB


def test_many_texts_that_each_inflate_a_little_are_refused_too(tmp_path: Path) -> None:
    small_bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(MIB)))
    assert "inflate" in refusal(kept(tmp_path, png(*[small_bomb] * 70)))


# numbers in tags: each becomes an object


@pytest.mark.parametrize("count", [300_000, 2000])
@pytest.mark.parametrize("carrier", ["PNG", "WEBP", "JPEG", "TIFF", "AVIF"])
def test_a_tag_of_very_many_numbers_is_refused(tmp_path: Path, carrier: str, count: int) -> None:
    exif = exif_of_numbers(0x0112, count)
    contents: dict[str, Callable[[], bytes]] = {
        "PNG": lambda: png(chunk(b"eXIf", exif)),
        "WEBP": lambda: riff(canvas(8, 8, 8), (b"VP8L", lossless()), (b"EXIF", exif)),
        "JPEG": lambda: with_segments(
            *(segment(0xE1, b"Exif\0\0" + exif[place : place + 65_000]) for place in range(0, len(exif), 65_000))
        ),
        "TIFF": lambda: tiff((40000, 3, count, 200), behind=b"\1\0" * (count + 200)),
        "AVIF": lambda: encoded("AVIF").replace(b"\0", b"\0") if count < 3000 else avif_with(exif),
    }
    path = kept(tmp_path, contents[carrier]())
    if count > 2**18:
        tag = 40000 if carrier == "TIFF" else 0x0112
        assert refusal(path) == f"too large: its tag {tag} has 300,000 numbers; up to 262,144 are read"
    else:
        assert open_picture(path).size == (8, 8)


@pytest.mark.parametrize("layout", ["below", "sum"])
def test_numbers_in_a_directory_below_and_in_all_tags_together_count(tmp_path: Path, layout: str) -> None:
    if layout == "below":
        deeper = struct.pack("<HHHIII", 1, 0x9999, 3, 300_000, 26 + 18, 0) + b"\1\0" * 300_000
        exif = b"II*\0\x08\0\0\0" + struct.pack("<HHHIII", 1, 0x8769, 4, 1, 26, 0) + deeper
        expected = "its tag 39321 has 300,000 numbers; up to 262,144 are read"
    else:
        tags = b"".join(struct.pack("<HHII", 0x9000 + number, 3, 200_000, 0) for number in range(3))
        exif = b"II*\0\x08\0\0\0" + struct.pack("<H", 3) + tags + bytes(4) + bytes(400_000)
        expected = "its tags have more than 524,288 numbers"
    assert refusal(kept(tmp_path, png(chunk(b"eXIf", exif)))) == f"too large: {expected}"


# frames


def animated_gif(count: int) -> bytes:
    plain = encoded("GIF", "P")
    first = plain.index(b",")
    return plain[:first] + plain[first:-1] * count + b";"


def animated_webp(count: int) -> bytes:
    part = bytes(6) + struct.pack("<I", 7)[:3] * 2 + b"\x0a\0\0\0" + b"VP8L" + struct.pack("<I", len(lossless()))
    return riff(canvas(8, 8, 2), (b"ANIM", bytes(6)), *[(b"ANMF", part + lossless())] * count)


@pytest.mark.parametrize(
    "made",
    [animated_gif, animated_webp, pages, lambda count: png(chunk(b"acTL", struct.pack(">II", count, 0)))],
    ids=["gif", "webp", "tiff", "png"],
)
def test_frames_are_counted_and_too_many_of_them_refused(tmp_path: Path, made: Callable[[int], bytes]) -> None:
    path = kept(tmp_path, made(5))
    if b"acTL" not in path.read_bytes():  # such a PNG holds none of the frames that it tells of
        assert header_of(path).frames == 5
    reason = refusal(kept(tmp_path, made(51)), TIGHT)
    assert reason == "too large: 51 frames or more; up to 50 are read"


def test_all_frames_together_may_have_only_so_many_pixels(tmp_path: Path) -> None:
    frames = [Image.new("L", (100, 90), level) for level in range(4)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    expected = "too large: 4 frames of 100 × 90 pixels are 36,000 pixels; animations of up to 30,000 pixels are read"
    assert refusal(tmp_path / "a.gif", TIGHT) == expected
    assert open_picture(tmp_path / "a.gif").size == (100, 90)


def test_other_pictures_in_a_jpeg_are_no_frames_of_it(tmp_path: Path) -> None:
    left, right = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    left.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[right])
    header = header_of(tmp_path / "a.jpg")
    assert (header.format, header.frames) == ("JPEG", 1)


def test_a_frame_that_grows_beyond_the_limit_is_met_on_the_way(tmp_path: Path) -> None:
    content = animated_gif(2)
    second = content.rindex(b",")
    grown = content[: second + 5] + struct.pack("<HH", 300, 300) + content[second + 9 :]
    with decoding(kept(tmp_path, grown), TIGHT) as image:
        assert image.size == (8, 8)
        with pytest.raises(limits_module.BeyondLimits):
            seek_frame(image, 1, TIGHT)


# time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets so many seconds pass."""
    passed = [0.0]
    monkeypatch.setattr("i2i.images.watched.time.monotonic", lambda: passed[0])
    return lambda seconds: passed.__setitem__(0, passed[0] + seconds)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM", "JPEG2000"])
def test_decoding_ends_when_the_time_is_up(tmp_path: Path, clock: Callable[[float], None], file_format: str) -> None:
    def load_late(path: Path) -> None:
        with decoding(path) as image:
            clock(121)
            image.load()

    with pytest.raises(BrokenPicture) as caught:
        load_late(kept(tmp_path, encoded(file_format)))
    assert caught.value.reason == "took longer than 120 seconds to read"


def test_waiting_for_room_takes_no_time(tmp_path: Path, clock: Callable[[float], None]) -> None:
    path = kept(tmp_path, encoded("PNG"))
    assert open_picture(path, examine=lambda header: clock(1000)).size == (8, 8)


def test_each_frame_has_its_own_time(tmp_path: Path, clock: Callable[[float], None]) -> None:
    with decoding(kept(tmp_path, animated_gif(3))) as image:
        for place in range(3):
            clock(100)
            seek_frame(image, place)
            image.load()


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    start = time.monotonic()
    assert refusal(tmp_path / "a.png") == "not a regular file"
    assert time.monotonic() - start < 5


# headers


def test_a_header_is_seen_before_the_pixels_and_may_refuse_them(tmp_path: Path) -> None:
    path = kept(tmp_path, png()[:60])  # the pixels are cut off

    def refuse(header: Header) -> None:
        raise BrokenPicture(header.path, f"{header.width} pixels are too wide for us")

    with pytest.raises(BrokenPicture) as caught:
        open_picture(path, examine=refuse)
    assert str(caught.value) == f"{path}: 8 pixels are too wide for us"


def test_a_header_tells_what_is_displayed(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (48, 32)).save(tmp_path / "a.jpg", exif=exif)
    expected = Header(tmp_path / "a.jpg", 32, 48, "JPEG", "RGB", 1, 8, 0)
    assert header_of(tmp_path / "a.jpg") == expected
    Image.fromarray(numpy.zeros((32, 48), "uint16")).save(tmp_path / "b.png")
    assert header_of(tmp_path / "b.png") == Header(tmp_path / "b.png", 48, 32, "PNG", "I;16", 1, 16, 0)
    Image.new("RGBA", (48, 32)).save(tmp_path / "c.webp", lossless=True)
    length = (tmp_path / "c.webp").stat().st_size
    assert header_of(tmp_path / "c.webp") == Header(tmp_path / "c.webp", 48, 32, "WEBP", "RGBA", 1, 8, length)


def test_looking_at_the_header_leaves_a_late_orientation_to_the_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = kept(tmp_path, png(late=chunk(b"eXIf", exif.tobytes()[6:]), size=(8, 5)))
    assert check_header(path) == (5, 8)
    assert open_picture(path).size == (5, 8)
    damaged = kept(tmp_path, png(late=chunk(b"eXIf", exif.tobytes()[6:])[:-4] + b"oops", size=(8, 5)))
    assert check_header(damaged) == (8, 5)


def test_more_pixels_channels_depth_and_frames_take_more_memory() -> None:
    def needed(mode: str, file_format: str = "PNG", frames: int = 1, bits: int = 8, encoded: int = 0) -> int:
        return Header(Path("a"), 1000, 1000, file_format, mode, frames, bits, encoded).decoded_bytes

    assert needed("L") < needed("RGB") < needed("RGBA") < needed("RGB", bits=16) < needed("RGBA", bits=16)
    assert needed("RGB") < needed("RGB", "WEBP") < needed("RGB", "WEBP", frames=2)
    assert needed("RGB", "WEBP", encoded=100) == needed("RGB", "WEBP") + 200
    assert needed("RGB") == 16_000_000


def test_amounts_read_as_people_write_them() -> None:
    assert [amount(count) for count in (5, 1536, 16 * MIB, 4 * 2**30)] == ["5 bytes", "1.5 KiB", "16 MiB", "4 GiB"]


# HEIC


def test_heic_is_read_upright_where_its_package_is_installed(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (64, 48), "red").save(tmp_path / "a.heic", exif=exif.tobytes(), quality=90)
    header = header_of(tmp_path / "a.heic")
    assert (header.width, header.height, header.format, header.frames) == (48, 64, "HEIF", 1)
    shown = open_picture(tmp_path / "a.heic")
    assert shown.size == (48, 64)
    assert numpy.abs(numpy.asarray(shown).astype(int) - [255, 0, 0]).max() < 9
    assert refusal(tmp_path / "a.heic", Limits(pixels=100)).startswith("too large: ")
    assert refusal(kept(tmp_path, (tmp_path / "a.heic").read_bytes()[:-20])) == "truncated"


def test_without_its_package_heic_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    expected = "not a picture that Pillow can read (found HEIC; `pip install 'i2i[heic]'` lets it be read)"
    for brand in (b"heic", b"mif1"):
        assert refusal(kept(tmp_path, b"\0\0\0\x0cftyp" + brand)) == expected


def test_damaged_heic_is_told_as_such(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif")
    reason = refusal(kept(tmp_path, b"\0\0\0\x0cftypheic"))
    assert reason == "not a picture that Pillow can read (found a damaged HEIC header)"


# places that are no files


def test_a_picture_in_an_object_store_is_read_as_a_file_is(tmp_path: Path) -> None:
    place = pytest.importorskip("upath").UPath("memory://pictures/a.png")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(png())
    assert check_header(place) == open_picture(place).size == (8, 8)
    for file_format in ("TIFF", "WEBP", "JPEG", "JPEG2000"):
        options = {"compression": "tiff_lzw"} if file_format == "TIFF" else {}
        place.write_bytes(encoded(file_format, **options))
        assert open_picture(place).size == (8, 8)
    place.write_bytes(png()[:45])
    with pytest.raises(BrokenPicture) as caught:
        open_picture(place)
    assert str(caught.value) == "memory://pictures/a.png: truncated"

"""EXIF, XMP and resolution, carried from file to file."""

import io
import struct

import numpy
import pytest
import torch
from PIL import Image, ImageCms

from i2i.images.encode import write_picture, write_whole
from i2i.images.exif import described, exif_telling
from i2i.images.fields import Block, Field, laid_out
from i2i.images.holding import Held
from i2i.images.metadata import NOTHING, Metadata, metadata_of
from i2i.images.whole import Levels, Whole, open_whole

ORIENTATION, ARTIST, MAKE = 0x0112, 0x013B, 0x010F
EXIF, GPS, RELATED, IFD1 = 0x8769, 0x8825, 0xA005, 0xFFFF
PIXELS_ACROSS, PIXELS_DOWN, MAKER_NOTE, EXPOSURE = 0xA002, 0xA003, 0x927C, 0x829A
THUMBNAIL = b"\xff\xd8" + b"thumbnail" * 20 + b"\xff\xd9"
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    b' tiff:Orientation="6" tiff:ImageWidth="30" xmpNote:HasExtendedXMP="ABC">'
    b"<exif:PixelYDimension>20</exif:PixelYDimension><dc:title>A hill</dc:title>"
    b"<xmp:Thumbnails><rdf:Alt>lots</rdf:Alt></xmp:Thumbnails></rdf:Description></rdf:RDF></x:xmpmeta>"
)
SUFFIXES = [".jpg", ".png", ".webp", ".tif", ".avif", ".heic"]


def camera_exif(order="<", thumbnail=THUMBNAIL):
    """What a camera might write about a picture of 30 × 20 pixels that was held upright; with a second list."""
    text = Field(2, b"Ada\0")
    related = {1: Field(2, b"R98\0"), 0x1001: Field.of(4, 30), 0x1002: Field.of(3, 20)}
    below = {
        EXPOSURE: Field(5, struct.pack("<2I", 1, 125)),
        MAKER_NOTE: Field(7, b"maker's own" * 3),
        PIXELS_ACROSS: Field.of(4, 30),
        PIXELS_DOWN: Field.of(3, 20),
        RELATED: related,
    }
    gps = {0: Field(1, b"\2\3\0\0"), 2: Field(5, struct.pack("<6I", 48, 1, 12, 1, 30, 1))}
    first = {MAKE: Field(2, b"Camera of course\0"), ORIENTATION: Field.of(3, 6), ARTIST: text, EXIF: below, GPS: gps}
    block = b"II*\0\x08\0\0\0" + laid_out(first, 8)
    if thumbnail is not None:
        place = len(block)
        second = {0x0103: Field.of(3, 6), 0x0201: Field.of(4, place + 54), 0x0202: Field.of(4, len(thumbnail))}
        listed = laid_out(second, place)
        block = bytearray(block + listed + bytes(place + 54 - place - len(listed)) + thumbnail)
        struct.pack_into("<I", block, 8 + 2 + 12 * len(first), place)
    return bytes(block) if order == "<" else swapped(bytes(block))


def swapped(block):
    """The same in the other order of bytes, laid out by Pillow."""
    exif = Image.Exif()
    exif.load(block)
    exif.endian = ">"
    return exif.tobytes()[6:]


def exif_of(path):
    with Image.open(path) as image:
        image.load()
        exif = image.getexif()
        return exif, dict(exif.get_ifd(EXIF)), dict(exif.get_ifd(GPS)), dict(exif.get_ifd(IFD1))


def camera_jpeg(path, **more):
    Image.new("RGB", (30, 20), (90, 120, 30)).save(path, exif=b"Exif\0\0" + camera_exif(), dpi=(300, 240), **more)
    return path


@pytest.fixture(scope="module", autouse=True)
def heif():
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_exif_goes_into_every_format_upright_and_of_the_right_size_and_without_a_thumbnail(tmp_path, suffix):
    picture = open_whole(camera_jpeg(tmp_path / "camera.jpg"))
    assert picture.values.shape == (3, 30, 20)
    wider = Whole(torch.cat([picture.values] * 2, dim=2), picture.levels, picture.metadata)
    assert write_whole(wider, tmp_path / f"a{suffix}") == []
    exif, below, gps, second = exif_of(tmp_path / f"a{suffix}")
    assert exif.get(ORIENTATION, 1) == 1
    assert (exif[MAKE].strip("\0"), exif[ARTIST].strip("\0")) == ("Camera of course", "Ada")
    assert (below[PIXELS_ACROSS], below[PIXELS_DOWN]) == (40, 30)
    assert below[MAKER_NOTE] == b"maker's own" * 3
    assert float(below[EXPOSURE]) == 1 / 125
    assert [float(part) for part in gps[2]] == [48, 12, 30]
    assert second == {}
    assert b"thumbnail" not in (tmp_path / f"a{suffix}").read_bytes()
    read = open_whole(tmp_path / f"a{suffix}")
    assert read.values.shape == (3, 30, 40)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_exif_survives_a_journey_through_a_format_and_back(tmp_path, suffix):
    write_whole(open_whole(camera_jpeg(tmp_path / "camera.jpg")), tmp_path / f"a{suffix}")
    write_whole(open_whole(tmp_path / f"a{suffix}"), tmp_path / "back.jpg")
    exif, below, gps, _ = exif_of(tmp_path / "back.jpg")
    assert exif[ARTIST].strip("\0") == "Ada"
    assert (below[PIXELS_ACROSS], below[PIXELS_DOWN], below[MAKER_NOTE]) == (20, 30, b"maker's own" * 3)
    assert [float(part) for part in gps[2]] == [48, 12, 30]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_either_order_of_bytes_is_kept_or_turned(tmp_path, suffix):
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + camera_exif(">", thumbnail=None))
    write_whole(open_whole(tmp_path / "a.jpg"), tmp_path / f"b{suffix}")
    exif, below, gps, _ = exif_of(tmp_path / f"b{suffix}")
    assert (exif.get(ORIENTATION, 1), exif[ARTIST].strip("\0")) == (1, "Ada")
    assert (below[PIXELS_ACROSS], below[PIXELS_DOWN]) == (20, 30)
    assert [float(part) for part in gps[2]] == [48, 12, 30]


def test_the_rest_of_a_block_stays_where_it_is_for_a_maker_s_own_notes_may_point_at_it():
    image = Image.new("RGB", (3, 2))
    image.info["exif"] = b"Exif\0\0" + camera_exif()
    metadata = metadata_of(image).sized(7, 8)
    assert camera_exif().index(b"maker's own") == metadata.exif.index(b"maker's own")
    assert len(metadata.exif) == len(camera_exif(thumbnail=None)) + 54


def test_a_thumbnail_in_the_middle_is_blanked():
    image = Image.new("RGB", (3, 2))
    image.info["exif"] = camera_exif() + b"behind"
    metadata = metadata_of(image)
    assert metadata.exif.endswith(bytes(len(THUMBNAIL)) + b"behind")


def test_a_second_list_that_is_the_first_is_let_be():
    block = bytearray(camera_exif(thumbnail=None))
    struct.pack_into("<I", block, 8 + 2 + 12 * 5, 8)
    image = Image.new("RGB", (3, 2))
    image.info["exif"] = bytes(block)
    assert {entry.tag for entry in Block(metadata_of(image).exif).listed(8)} == {MAKE, ORIENTATION, ARTIST, EXIF, GPS}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_xmp_goes_into_every_format_upright_and_of_the_right_size_and_without_a_thumbnail(tmp_path, suffix):
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg", xmp=XMP)
    picture = open_whole(tmp_path / "a.jpg")
    assert write_whole(picture, tmp_path / f"b{suffix}") == []
    with Image.open(tmp_path / f"b{suffix}") as image:
        image.load()
        written = image.info["xmp"]
    expected = XMP.replace(b'Orientation="6"', b'Orientation="1"').replace(b' xmpNote:HasExtendedXMP="ABC"', b"")
    expected = expected.replace(b"<xmp:Thumbnails><rdf:Alt>lots</rdf:Alt></xmp:Thumbnails>", b"")
    expected = expected.replace(b'Width="30"', b'Width="20"').replace(b">20</exif", b">30</exif")
    assert written == expected
    wider = Whole(torch.zeros(3, 20, 60), metadata=picture.metadata)
    write_whole(wider, tmp_path / f"c{suffix}")
    assert b'tiff:ImageWidth="60"' in open_whole(tmp_path / f"c{suffix}").metadata.xmp


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".bmp", ".webp", ".avif", ".heic"])
@pytest.mark.parametrize("source", [".jpg", ".png", ".tif", ".bmp"])
def test_the_resolution_goes_into_every_format(tmp_path, source, suffix):
    Image.new("RGB", (6, 4)).save(tmp_path / f"a{source}", dpi=(300, 240))
    write_whole(open_whole(tmp_path / f"a{source}"), tmp_path / f"b{suffix}")
    assert open_whole(tmp_path / f"b{suffix}").metadata.dpi == pytest.approx((300, 240), abs=0.05)


def test_a_resolution_in_centimetres_is_brought_to_inches(tmp_path):
    fields = {0x011A: Field(5, struct.pack("<2I", 100, 1)), 0x011B: Field(5, struct.pack("<2I", 50, 1))}
    for unit, dpi in ((3, (254, 127)), (2, (100, 50)), (1, None)):
        block = b"II*\0\x08\0\0\0" + laid_out(fields | {0x0128: Field.of(3, unit)}, 8)
        Image.new("RGB", (6, 4)).save(tmp_path / "a.webp", exif=block)
        assert open_whole(tmp_path / "a.webp").metadata.dpi == (dpi and pytest.approx(dpi))


@pytest.mark.parametrize("dpi", [(0, 0), (1e9, 1e9), (float("nan"), 72), "72", (72,), 72])
def test_a_resolution_that_cannot_be_is_left_out(dpi):
    image = Image.new("RGB", (3, 2))
    image.info["dpi"] = dpi
    assert metadata_of(image) == NOTHING


def test_exif_of_a_png_may_stand_behind_its_pixels_or_in_a_text(tmp_path):
    digits = (b"Exif\0\0" + camera_exif()).hex()
    text = (
        f"\nexif\n{len(digits) // 2:8}\n" + "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72)) + "\n"
    )
    image = Image.new("RGB", (3, 2))
    image.info["Raw profile type exif"] = text
    assert described(metadata_of(image).exif)[ARTIST] == Field(2, b"Ada\0")
    stream = io.BytesIO()
    Image.new("RGB", (3, 2)).save(stream, "PNG", exif=camera_exif())
    encoded = stream.getvalue()
    start = encoded.index(b"eXIf") - 4
    chunk = encoded[start : start + 12 + len(camera_exif())]
    late = encoded.replace(chunk, b"")
    (tmp_path / "a.png").write_bytes(late[:-12] + chunk + late[-12:])
    assert open_whole(tmp_path / "a.png").values.shape == (3, 3, 2)
    assert described(open_whole(tmp_path / "a.png").metadata.exif)[ARTIST] == Field(2, b"Ada\0")


@pytest.mark.filterwarnings("ignore:::PIL")
def test_damaged_exif_does_not_spoil_a_picture(tmp_path):
    """Whatever bytes of it are wrong: the picture is read, and written in every format."""
    chance = numpy.random.default_rng(0)
    whole = camera_exif()
    for number in range(300):
        damaged = bytearray(whole[: chance.integers(1, len(whole))] if number % 3 == 0 else whole)
        for place in chance.integers(0, len(damaged), 1 + number % 4):
            damaged[place] = chance.integers(256)
        stream = io.BytesIO()
        dpi = {"dpi": (300, 300)} if number % 4 else {}
        Image.new("RGB", (6, 4)).save(stream, "JPEG", exif=b"Exif\0\0" + bytes(damaged), **dpi)
        (tmp_path / "a.jpg").write_bytes(stream.getvalue())
        picture = open_whole(tmp_path / "a.jpg")
        for suffix in (".jpg", ".tif", ".png") if number % 10 else SUFFIXES:
            write_whole(picture, tmp_path / f"b{suffix}")
            assert sorted(open_whole(tmp_path / f"b{suffix}").values.shape[1:]) == [4, 6]


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"nonsense", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08" + bytes(6)]
)
def test_what_is_no_exif_is_left_out(exif):
    image = Image.new("RGB", (3, 2))
    image.info["exif"] = exif
    assert metadata_of(image) == NOTHING


def test_metadata_that_a_format_does_not_hold_are_told(tmp_path):
    exif = b"II*\0\x08\0\0\0" + laid_out({ARTIST: Field(2, b"Ada\0")}, 8)
    picture = Whole(torch.zeros(3, 2, 2), metadata=Metadata(exif, b"<x/>"))
    assert write_whole(picture, tmp_path / "a.bmp") == ["EXIF and XMP left out, as BMP holds none"]
    assert write_whole(Whole(torch.zeros(3, 2, 2), metadata=Metadata(xmp=b"<x/>")), tmp_path / "a.gif") == [
        "XMP left out, as GIF holds none"
    ]
    long = Metadata(b"II*\0\x08\0\0\0" + laid_out({ARTIST: Field(2, bytes(65536))}, 8), b"<x>" + b" " * 65536 + b"</x>")
    assert write_whole(Whole(torch.zeros(3, 2, 2), metadata=long), tmp_path / "a.jpg") == [
        "EXIF left out, as JPEG holds at most 64 KiB of it",
        "XMP left out, as JPEG holds at most 64 KiB of it",
    ]
    assert write_whole(Whole(torch.zeros(3, 2, 2), metadata=long), tmp_path / "a.png") == []
    assert open_whole(tmp_path / "a.png").metadata == long


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("suffix", [".webp", ".avif", ".heic"])
def test_a_resolution_goes_into_exif_where_a_format_tells_it_nowhere_else(tmp_path, suffix, order):
    exif = camera_exif(order)
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png", exif=exif, dpi=(300, 240))
    read = open_whole(tmp_path / "a.png")
    assert write_whole(read, tmp_path / f"b{suffix}") == []
    written = open_whole(tmp_path / f"b{suffix}").metadata
    assert written.dpi == pytest.approx((300, 240), abs=0.01)
    first, below, gps, second = exif_of(tmp_path / f"b{suffix}")
    assert (first[MAKE].strip("\0"), first[ARTIST].strip("\0")) == ("Camera of course", "Ada")
    assert (below[PIXELS_ACROSS], below[PIXELS_DOWN], below[MAKER_NOTE]) == (20, 30, b"maker's own" * 3)
    assert [float(part) for part in gps[2]] == [48, 12, 30]
    assert second == {}


def test_what_stood_in_exif_stays_in_its_place_when_the_resolution_joins_it():
    exif = camera_exif(thumbnail=None)
    told = exif_telling((300, 240), exif)
    assert told[8 : len(exif)] == exif[8:]
    assert exif_telling((300, 240), told) == told


def test_a_resolution_is_told_by_damaged_exif_too(tmp_path):
    """Wherever it was cut off: what is told behind must not become part of what is missing."""
    whole = camera_exif(thumbnail=None)
    for length in range(14, len(whole)):
        image = Image.new("RGB", (6, 4))
        image.info.update(exif=whole[:length], dpi=(300, 240))
        write_whole(Whole(torch.zeros(3, 4, 6), metadata=metadata_of(image)), tmp_path / "a.webp")
        read = open_whole(tmp_path / "a.webp").metadata
        assert read.dpi == (300, 240)
        if length > 110:  # the first list and its texts are there
            assert described(read.exif)[ARTIST] == Field(2, b"Ada\0")


def test_a_resolution_takes_the_place_of_another_one_and_not_of_itself():
    other = exif_telling((72, 72), None)
    assert resolution_in(exif_telling((300, 240), other)) == (300, 240)
    block = Block(exif_telling((300, 240), other))
    assert len(block.listed(block.first)) == 3
    assert exif_telling((72.009, 72.009), other) == other  # as a PNG has it, which counts in pixels a metre


def test_a_resolution_joins_as_many_fields_as_there_can_be():
    fields = {tag: Field.of(3, 1) for tag in range(65535)}
    assert resolution_in(exif_telling((300, 240), b"II*\0\x08\0\0\0" + laid_out(fields, 8))) == (300, 240)


def resolution_in(exif):
    image = Image.new("RGB", (3, 2))
    image.info["exif"] = exif
    return metadata_of(image).dpi


@pytest.mark.parametrize("suffix", [".gif", ".jp2", ".ppm", ".pgm", ".pbm"])
def test_a_resolution_that_a_format_does_not_hold_is_told(tmp_path, suffix):
    name = {".gif": "GIF", ".jp2": "JPEG2000"}.get(suffix, "PPM")
    picture = Whole(torch.zeros(1, 2, 2), metadata=Metadata(dpi=(300.0, 300.0)))
    assert write_whole(picture, tmp_path / f"a{suffix}") == [f"resolution left out, as {name} holds none"]
    both = Whole(torch.zeros(1, 2, 2), metadata=Metadata(exif_telling((300, 300), None), dpi=(300.0, 300.0)))
    assert write_whole(both, tmp_path / f"a{suffix}") == [
        f"EXIF left out, as {name} holds none",
        f"resolution left out, as {name} holds none",
    ]


def test_metadata_that_a_writer_refuses_are_left_out_and_that_is_told(tmp_path, monkeypatch):
    save = Image.Image.save

    def refusing(image, stream, **settings):
        if "exif" in settings:
            raise ValueError("odd")
        save(image, stream, **settings)

    monkeypatch.setattr(Image.Image, "save", refusing)
    exif = b"II*\0\x08\0\0\0" + laid_out({ARTIST: Field(2, b"Ada\0")}, 8)
    assert write_whole(Whole(torch.zeros(3, 2, 2), metadata=Metadata(exif)), tmp_path / "a.avif") == [
        "EXIF and XMP left out, as the writer of AVIF refused them (odd)"
    ]
    assert open_whole(tmp_path / "a.avif").metadata == NOTHING


def test_a_picture_written_by_itself_carries_nothing(tmp_path):
    with Image.open(camera_jpeg(tmp_path / "a.jpg", xmp=XMP)) as image:
        write_picture(image, tmp_path / "b.png")
    assert open_whole(tmp_path / "b.png").metadata == NOTHING


def test_metadata_come_with_levels_of_sixteen_bits(tmp_path):
    metadata = Metadata(camera_exif(thumbnail=None), b"<x:xmpmeta/>", (300.0, 300.0))
    for suffix in (".png", ".tif"):
        write_whole(Whole(torch.rand(3, 4, 6), Levels(16), metadata), tmp_path / f"a{suffix}")
        read = open_whole(tmp_path / f"a{suffix}")
        assert read.levels.bits == 16
        assert read.metadata.xmp == b"<x:xmpmeta/>"
        assert read.metadata.dpi == pytest.approx((300, 300), abs=0.05)
        assert described(read.metadata.exif)[ARTIST] == Field(2, b"Ada\0")


def test_srgb_s_own_profile_is_kept_and_moves_nothing(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = numpy.random.default_rng(0).integers(0, 256, (5, 7, 3), numpy.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png", icc_profile=profile)
    picture = open_whole(tmp_path / "a.png")
    assert picture.levels == Levels(8, profile)
    assert (picture.values.permute(1, 2, 0).numpy() == pixels).all()
    assert open_whole(tmp_path / "a.png", "srgb").levels == Levels()


def test_how_a_picture_is_held_says_what_it_is_without_its_transform():
    assert "transform" not in repr(Held("a", 1, 1, 3, 8, None, NOTHING, None, ()))

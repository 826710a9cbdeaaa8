from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image, ImageCms, ImageOps

from i2i.errors import BrokenPicture, I2IError, UsageError
from i2i.images.decode import check_header, open_picture, to_image, to_tensor

CORNERS = numpy.array([[[250, 0, 0], [0, 250, 0], [0, 0, 250]], [[250, 250, 0], [0, 250, 250], [250, 0, 250]]], "uint8")


def pixels(image: Image.Image) -> list[tuple[int, ...]]:
    assert image.mode == "RGB"
    assert image.info == {}
    return [tuple(pixel) for pixel in numpy.asarray(image).reshape(-1, 3).tolist()]


def corners() -> Image.Image:
    return Image.fromarray(CORNERS.repeat(16, 0).repeat(16, 1))  # 48 × 32


def grey(values: list[int], dtype: str) -> Image.Image:
    return Image.fromarray(numpy.array([values], dtype))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


# orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_every_orientation_is_turned_upright(tmp_path: Path, orientation: int, suffix: str) -> None:
    stored = corners()
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"picture{suffix}"
    exact = {"lossless": True} if suffix == ".webp" else {}
    stored.save(path, exif=exif, quality=100, subsampling=0, **exact)
    stored.getexif()[0x0112] = orientation
    upright = ImageOps.exif_transpose(stored)

    shown = open_picture(path)
    assert shown.size == upright.size == ((32, 48) if orientation > 4 else (48, 32))
    difference = numpy.abs(numpy.asarray(shown).astype(int) - numpy.asarray(upright))
    assert difference.mean() < 3
    assert shown.getexif().get(0x0112) is None
    assert check_header(path) == upright.size


def test_an_orientation_after_a_png_s_pixels_counts(tmp_path: Path) -> None:
    encoded = io.BytesIO()
    corners().save(encoded, "PNG")
    exif = Image.Exif()
    exif[0x0112] = 6
    end = encoded.getvalue().rindex(b"IEND") - 4
    path = tmp_path / "late.png"
    path.write_bytes(encoded.getvalue()[:end] + chunk(b"eXIf", exif.tobytes()[6:]) + encoded.getvalue()[end:])
    assert open_picture(path).size == (32, 48)
    assert check_header(path) == (32, 48)


def test_a_png_s_header_is_read_without_its_pixels(tmp_path: Path) -> None:
    encoded = io.BytesIO()
    corners().save(encoded, "PNG")
    (tmp_path / "cut.png").write_bytes(encoded.getvalue()[:60])
    assert check_header(tmp_path / "cut.png") == (48, 32)


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"Exif\0\0"])
def test_damaged_exif_does_not_spoil_a_picture(tmp_path: Path, exif: bytes) -> None:
    corners().save(tmp_path / "a.jpg", exif=exif)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert open_picture(tmp_path / "a.jpg").size == check_header(tmp_path / "a.jpg") == (48, 32)


# modes and depth


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("1", (1, 1), 1), (255, 255, 255)),
        (Image.new("L", (1, 1), 77), (77, 77, 77)),
        (Image.new("LA", (1, 1), (0, 51)), (204, 204, 204)),
        (Image.new("La", (1, 1), (0, 51)), (204, 204, 204)),
        (Image.new("P", (1, 1), 0), (0, 0, 0)),
        (Image.new("RGBA", (1, 1), (255, 0, 0, 51)), (255, 204, 204)),
        (Image.new("RGBa", (1, 1), (51, 0, 0, 51)), (255, 204, 204)),
        (Image.new("RGBX", (1, 1), (1, 2, 3, 0)), (1, 2, 3)),
        (Image.new("CMYK", (1, 1), (0, 255, 255, 0)), (255, 0, 0)),
        (Image.new("YCbCr", (1, 1), (128, 128, 128)), (128, 128, 128)),
        (Image.new("HSV", (1, 1), (0, 255, 255)), (255, 0, 0)),
        (Image.new("LAB", (1, 1), (255, 128, 128)), (255, 255, 255)),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else "",
)
def test_every_mode_becomes_rgb(image: Image.Image, expected: tuple[int, ...]) -> None:
    before = image.copy()
    assert pixels(open_picture(image)) == [pytest.approx(expected, abs=1)]
    assert image == before


def test_an_rgb_picture_in_memory_is_copied_not_shared() -> None:
    image = Image.new("RGB", (1, 1), "red")
    image.info["exif"] = b"kept"
    opened = open_picture(image)
    opened.putpixel((0, 0), (0, 0, 0))
    assert image.getpixel((0, 0)) == (255, 0, 0)
    assert image.info == {"exif": b"kept"}


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    grey([0, 257, 32896, 65535], "uint16").save(tmp_path / f"deep{suffix}")
    assert pixels(open_picture(tmp_path / f"deep{suffix}")) == [(v, v, v) for v in (0, 1, 128, 255)]


def test_big_endian_sixteen_bits_are_scaled() -> None:
    image = Image.frombytes("I;16B", (3, 1), numpy.array([0, 32896, 65535], ">u2").tobytes())
    assert pixels(open_picture(image)) == [(v, v, v) for v in (0, 128, 255)]


def test_a_sixteen_bit_pgm_is_scaled(tmp_path: Path) -> None:
    (tmp_path / "a.pgm").write_bytes(b"P5 2 1 65535\n" + numpy.array([514, 65535], ">u2").tobytes())
    assert pixels(open_picture(tmp_path / "a.pgm")) == [(2, 2, 2), (255, 255, 255)]


def test_integers_count_as_sixteen_bits_and_beyond_are_clipped(tmp_path: Path) -> None:
    grey([-5, 257, 65535, 1 << 20], "int32").save(tmp_path / "a.tif")
    assert pixels(open_picture(tmp_path / "a.tif")) == [(v, v, v) for v in (0, 1, 255, 255)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0, 0.5, 1], (0, 128, 255)), ([-0.1, 1.2, float("nan")], (0, 255, 0)), ([0, 128, 255], (0, 128, 255))],
)
def test_floats_count_from_0_to_1_or_to_255(tmp_path: Path, values: list[float], expected: tuple[int, ...]) -> None:
    Image.fromarray(numpy.array([values], "float32")).save(tmp_path / "a.tif")
    assert pixels(open_picture(tmp_path / "a.tif")) == [(v, v, v) for v in expected]


def test_floats_may_count_to_65535() -> None:
    assert pixels(open_picture(Image.fromarray(numpy.array([[257, 65535]], "float32")))) == [(1,) * 3, (255,) * 3]


# transparency


@pytest.mark.parametrize(
    ("background", "expected"), [("white", (255, 127, 127)), ("black", (128, 0, 0)), ("#0000ff", (128, 0, 127))]
)
def test_alpha_is_composited_over_the_background(tmp_path: Path, background: str, expected: tuple[int, ...]) -> None:
    Image.new("RGBA", (1, 1), (255, 0, 0, 128)).save(tmp_path / "a.png")
    assert pixels(open_picture(tmp_path / "a.png", background)) == [expected]


def test_a_transparent_palette_entry_shows_the_background(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 255, 0, 9, 9, 9])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "index.png", transparency=0)
    image.save(tmp_path / "bytes.png", transparency=b"\x80\xff")
    image.save(tmp_path / "index.gif", transparency=0)
    assert pixels(open_picture(tmp_path / "index.png")) == [(255, 255, 255), (9, 9, 9)]
    assert pixels(open_picture(tmp_path / "bytes.png")) == [(127, 255, 127), (9, 9, 9)]
    assert pixels(open_picture(tmp_path / "index.gif", "black")) == [(0, 0, 0), (9, 9, 9)]


@pytest.mark.parametrize(("mode", "colour"), [("L", 9), ("RGB", (9, 9, 9)), ("I;16", 9 * 257)])
def test_a_transparent_colour_shows_the_background(tmp_path: Path, mode: str, colour: int | tuple[int, ...]) -> None:
    image = Image.new(mode, (2, 1))
    image.putpixel((0, 0), colour)
    image.save(tmp_path / "a.png", transparency=colour)
    assert pixels(open_picture(tmp_path / "a.png", "#aabbcc")) == [(0xAA, 0xBB, 0xCC), (0, 0, 0)]


def test_grey_with_alpha_is_composited(tmp_path: Path) -> None:
    Image.new("LA", (1, 1), (0, 0)).save(tmp_path / "a.png")
    assert pixels(open_picture(tmp_path / "a.png", "red")) == [(255, 0, 0)]


def test_an_unknown_background_is_a_usage_error() -> None:
    with pytest.raises(UsageError) as caught:
        open_picture(Image.new("L", (1, 1)), "wihte")
    assert str(caught.value) == "background: no such colour: 'wihte' (a name such as white, or #rrggbb)"


# colour


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_an_embedded_profile_is_converted_to_srgb(tmp_path: Path, suffix: str, swapped_profile: bytes) -> None:
    exact = {"lossless": True} if suffix == ".webp" else {}
    path = tmp_path / f"a{suffix}"
    Image.new("RGB", (8, 8), (250, 0, 0)).save(path, icc_profile=swapped_profile, quality=100, **exact)
    assert pixels(open_picture(path))[0] == pytest.approx((0, 0, 250), abs=6)


def test_a_profile_and_alpha_go_together(tmp_path: Path, swapped_profile: bytes) -> None:
    Image.new("RGBA", (1, 1), (255, 0, 0, 51)).save(tmp_path / "a.png", icc_profile=swapped_profile)
    assert pixels(open_picture(tmp_path / "a.png")) == [pytest.approx((204, 204, 255), abs=2)]


def test_a_palette_is_converted_through_its_profile(tmp_path: Path, swapped_profile: bytes) -> None:
    Image.new("RGB", (1, 1), (255, 0, 0)).quantize().save(tmp_path / "a.png", icc_profile=swapped_profile)
    assert pixels(open_picture(tmp_path / "a.png")) == [pytest.approx((0, 0, 255), abs=2)]


def test_a_grey_picture_may_carry_an_rgb_profile(tmp_path: Path, swapped_profile: bytes) -> None:
    Image.new("L", (1, 1), 100).save(tmp_path / "a.png", icc_profile=swapped_profile)
    assert pixels(open_picture(tmp_path / "a.png")) == [pytest.approx((100, 100, 100), abs=1)]


def test_an_srgb_profile_changes_no_value(tmp_path: Path) -> None:
    noise = Image.fromarray(numpy.random.default_rng(0).integers(0, 256, (16, 16, 3), "uint8"))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    noise.save(tmp_path / "a.png", icc_profile=profile)
    assert open_picture(tmp_path / "a.png") == noise


@pytest.mark.parametrize("cut", [False, True])
def test_a_broken_profile_is_ignored(tmp_path: Path, cut: bool, swapped_profile: bytes) -> None:
    profile = swapped_profile[:200] if cut else b"not a profile"
    Image.new("RGB", (1, 1), (9, 8, 7)).save(tmp_path / "a.png", icc_profile=profile)
    assert pixels(open_picture(tmp_path / "a.png")) == [(9, 8, 7)]


def test_a_profile_for_another_kind_of_colour_is_ignored(tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.new("RGB", (1, 1), (9, 8, 7)).save(tmp_path / "a.png", icc_profile=lab)
    assert pixels(open_picture(tmp_path / "a.png")) == [(9, 8, 7)]


def test_cmyk_jpegs_are_not_inverted(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    assert pixels(open_picture(tmp_path / "a.jpg"))[0] == pytest.approx((255, 0, 0), abs=4)


def cmyk_profile() -> bytes:
    """The smallest CMYK profile: a 2⁴-point table that turns any full ink to black and no ink to white (Lab, v2)."""
    ramp = struct.pack(">HH", 0, 65535)
    lab = b"".join(struct.pack(">HHH", 0 if ink else 0xFF00, 0x8000, 0x8000) for ink in range(16))
    matrix = struct.pack(">9i", *[65536 * (place % 4 == 0) for place in range(9)])
    table = b"mft2\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + struct.pack(">HH", 2, 2) + ramp * 4 + lab + ramp * 3
    header = struct.pack(">I4sI4s4s4s", 168 + len(table) - 24, b"lcms", 0x02400000, b"prtr", b"CMYK", b"Lab ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3I", 63190, 65536, 54061)
    header = header.ljust(128, b"\0")
    start = 128 + 4 + 12
    body = header + struct.pack(">I4sII", 1, b"A2B0", start, len(table)) + table
    return struct.pack(">I", len(body)) + body[4:]


def test_cmyk_is_converted_through_its_profile(tmp_path: Path) -> None:
    cyan = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    cyan.save(tmp_path / "a.jpg", quality=100, icc_profile=cmyk_profile())
    assert pixels(open_picture(tmp_path / "a.jpg"))[0] == pytest.approx((0, 0, 0), abs=6)
    assert pixels(open_picture(cyan))[0] == (0, 255, 255)


# several frames, wrong suffixes


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
def test_the_first_frame_is_taken(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    exact = {"lossless": True} if suffix == ".webp" else {}
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:], **exact)
    assert pixels(open_picture(tmp_path / f"a{suffix}"))[0] == (255, 0, 0)


def test_content_decides_not_the_suffix(tmp_path: Path) -> None:
    Image.new("RGB", (1, 1), "red").save(tmp_path / "a.jpg", "PNG")
    assert pixels(open_picture(str(tmp_path / "a.jpg"))) == [(255, 0, 0)]


# broken files


def reason(read: Callable[[Path], object], path: Path) -> str:
    with pytest.raises(BrokenPicture) as caught:
        read(path)
    assert str(caught.value) == f"{path}: {caught.value.reason}"
    return caught.value.reason


@pytest.mark.parametrize("read", [open_picture, check_header])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty file"),
        (b"hello", "not a picture that Pillow can read (found text)"),
        ("naïve – text".encode(), "not a picture that Pillow can read (found text)"),
        (b"\xff\xfe\x00\x01", "not a picture that Pillow can read (found unknown data)"),
        (bytes(600), "not a picture that Pillow can read (found nothing but zeros)"),
        (b"\xff\xd8\xff\xe0", "not a picture that Pillow can read (found a damaged JPEG header)"),
        (b"\x89PNG\r\n", "not a picture that Pillow can read (found a damaged PNG header)"),
        (b"<!DOCTYPE html><p>404", "not a picture that Pillow can read (found HTML)"),
        (b'<?xml version="1.0"?>\n<svg>', "not a picture that Pillow can read (found SVG)"),
        (b"%PDF-1.7", "not a picture that Pillow can read (found PDF)"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture that Pillow can read (found text)"),
        (b"\0\0\0\x0cftypavif", "not a picture that Pillow can read (found a damaged AVIF header)"),
        (b"\0\0\0\x0cftypmp42", "not a picture that Pillow can read (found a video)"),
        (b"\xff\x4f\xff\x51", "not a picture that Pillow can read (found a damaged JPEG 2000 header)"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
            "not a picture that Pillow can read (found a Git LFS pointer; `git lfs pull` fetches the picture)",
        ),
        (b"P6 x 1 255\n", "damaged (invalid literal for int() with base 10: b'x')"),
        (
            b"P5 20000 20000 255\n",
            "too large: more than 178,956,970 pixels (PIL.Image.MAX_IMAGE_PIXELS sets the limit)",
        ),
    ],
)
def test_what_is_no_picture_says_what_it_is(
    tmp_path: Path, read: Callable[[Path], object], content: bytes, expected: str
) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    assert reason(read, tmp_path / "a.jpg") == expected


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF", "JPEG2000"])
def test_half_a_file_is_truncated(tmp_path: Path, file_format: str) -> None:
    encoded = io.BytesIO()
    noise = numpy.random.default_rng(0).integers(0, 256, (64, 64, 3), "uint8")
    Image.fromarray(noise).save(encoded, file_format)
    (tmp_path / "a.jpg").write_bytes(encoded.getvalue()[: len(encoded.getvalue()) // 2])
    assert reason(open_picture, tmp_path / "a.jpg") == "truncated"


def test_flipped_bytes_are_damage(tmp_path: Path) -> None:
    encoded = io.BytesIO()
    corners().save(encoded, "PNG")
    content = bytearray(encoded.getvalue())
    content[60:70] = b"\xff" * 10
    (tmp_path / "a.png").write_bytes(content)
    assert reason(open_picture, tmp_path / "a.png").startswith("damaged (")


@pytest.mark.parametrize("read", [open_picture, check_header])
def test_what_cannot_be_opened_says_why(tmp_path: Path, read: Callable[[Path], object]) -> None:
    assert reason(read, tmp_path / "gone.png") == "no such file or directory"
    assert reason(read, tmp_path) == "is a directory"


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (PermissionError(13, "Permission denied"), "permission denied"),
        (MemoryError(), "does not fit into memory"),
        (EOFError(), "truncated"),
        (struct.error("unpack requires a buffer"), "damaged (unpack requires a buffer)"),
        (KeyError(), "damaged (KeyError)"),
    ],
)
def test_whatever_pillow_raises_becomes_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: Exception, expected: str
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise problem

    corners().save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "open", fail)
    assert reason(open_picture, tmp_path / "a.png") == expected


def test_a_damaged_picture_in_memory_is_broken_too(tmp_path: Path) -> None:
    encoded = io.BytesIO()
    corners().save(encoded, "PNG")
    with pytest.raises(BrokenPicture) as caught:
        open_picture(Image.open(io.BytesIO(encoded.getvalue()[:80])))
    assert str(caught.value) == "a picture in memory: truncated"


def large_pgm(path: Path) -> Path:
    path.write_bytes(b"P5 10000 9000 255\n")  # 90 megapixels: Pillow warns above 89
    return path


def test_pillow_s_warning_about_large_pictures_stays_quiet(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.resetwarnings()
        assert check_header(large_pgm(tmp_path / "a.pgm")) == (10000, 9000)
    assert caught == []


def test_a_filter_of_the_user_s_for_large_pictures_wins(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        assert reason(check_header, large_pgm(tmp_path / "a.pgm")).startswith("damaged (Image size (90000000 pixels)")


# tensors


def test_a_picture_becomes_bytes_channels_first() -> None:
    tensor = to_tensor(Image.fromarray(CORNERS))
    assert tensor.dtype == torch.uint8
    assert tensor.is_contiguous()
    assert torch.equal(tensor, torch.from_numpy(CORNERS.copy()).permute(2, 0, 1))
    assert to_tensor(Image.new("L", (3, 2), 7)).tolist() == [[[7] * 3] * 2]
    assert to_tensor(Image.new("RGBA", (1, 1), (0, 0, 0, 0))).flatten().tolist() == [255, 255, 255]


def test_a_tensor_becomes_a_picture_and_back() -> None:
    assert to_image(to_tensor(corners())) == corners()
    assert to_image(to_tensor(corners()).float().div(255)) == corners()
    assert to_image(torch.zeros(1, 2, 3)).mode == "L"
    assert to_image(torch.zeros(1, 2, 3)).size == (3, 2)
    assert [to_image(torch.zeros(channels, 2, 3)).mode for channels in (2, 3, 4)] == ["LA", "RGB", "RGBA"]


def test_floats_are_clipped_and_rounded_to_nearest() -> None:
    values = torch.tensor([-1.0, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.5, float("nan")])
    assert list(to_image(values.reshape(1, 1, 6)).tobytes()) == [0, 0, 1, 255, 255, 0]
    assert list(to_image(values[:5].bfloat16().reshape(1, 1, 5).requires_grad_()).tobytes())[4] == 255


@pytest.mark.parametrize("shape", [(5, 4, 4), (0, 4, 4), (4, 4), (1, 3, 4, 4)])
def test_a_tensor_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(I2IError) as caught:
        to_image(torch.zeros(shape))
    assert str(caught.value) == f"a picture's tensor is (C, H, W) of 1 to 4 channels, found {shape}"

from __future__ import annotations

import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest
from PIL import Image, ImageSequence

from i2i.errors import BrokenPicture, I2IError, UsageError
from i2i.images.decode import open_picture
from i2i.images.encode import write_animation, write_picture
from i2i.images.folders import PICTURE_SUFFIXES, find_pictures


def gradient() -> Image.Image:
    ramp = numpy.linspace(0, 255, 32).astype("uint8")
    return Image.fromarray(numpy.stack([*numpy.meshgrid(ramp, ramp), numpy.full((32, 32), 90, "uint8")], axis=-1))


@pytest.mark.parametrize("suffix", sorted(PICTURE_SUFFIXES))
def test_every_suffix_of_a_picture_can_be_written_and_read_again(tmp_path: Path, suffix: str) -> None:
    if suffix in (".heic", ".heif", ".hif"):
        pytest.importorskip("pillow_heif")
    path = tmp_path / "new" / "deep" / f"a{suffix.upper()}"
    write_picture(gradient(), path)
    assert find_pictures(tmp_path / "new") == [path]
    read = numpy.asarray(open_picture(path)).astype(int)
    expected = numpy.asarray(gradient().convert("L").convert("RGB") if suffix in (".pgm", ".pbm") else gradient())
    tolerances = {".pbm": 128, ".gif": 20, ".webp": 6, ".avif": 2}
    tolerances |= dict.fromkeys((".jfif", ".jpe", ".jpeg", ".jpg"), 4) | dict.fromkeys((".heic", ".heif", ".hif"), 6)
    tolerance = tolerances.get(suffix, 0)
    assert numpy.abs(read - expected).mean() <= tolerance


@pytest.mark.parametrize(
    ("suffix", "file_format", "mode"),
    [
        (".jpg", "JPEG", "RGB"),
        (".png", "PNG", "RGB"),
        (".pgm", "PPM", "L"),
        (".ppm", "PPM", "RGB"),
        (".pbm", "PPM", "1"),
    ],
)
def test_the_suffix_names_the_format(tmp_path: Path, suffix: str, file_format: str, mode: str) -> None:
    write_picture(gradient(), tmp_path / f"a{suffix}")
    with Image.open(tmp_path / f"a{suffix}") as image:
        assert (image.format, image.mode) == (file_format, mode)


def test_jpegs_keep_their_full_colour_resolution(tmp_path: Path) -> None:
    write_picture(gradient(), tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        assert [sampling[1:3] for sampling in image.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]


def test_quality_is_heard(tmp_path: Path) -> None:
    noise = Image.fromarray(numpy.random.default_rng(0).integers(0, 256, (32, 32, 3), "uint8"))
    for suffix in (".jpg", ".webp"):
        write_picture(noise, tmp_path / f"high{suffix}")
        write_picture(noise, tmp_path / f"low{suffix}", quality=10)
        assert (tmp_path / f"low{suffix}").stat().st_size < (tmp_path / f"high{suffix}").stat().st_size


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_transparency_is_kept_where_the_format_has_it(tmp_path: Path, suffix: str) -> None:
    write_picture(Image.new("LA", (2, 2), (9, 0)), tmp_path / f"a{suffix}")
    assert numpy.asarray(open_picture(tmp_path / f"a{suffix}", "red"))[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("suffix", [".jpg", ".bmp", ".ppm"])
def test_transparency_is_composited_over_white_elsewhere(tmp_path: Path, suffix: str) -> None:
    write_picture(Image.new("RGBA", (2, 2), (9, 9, 9, 0)), tmp_path / f"a{suffix}")
    assert numpy.asarray(open_picture(tmp_path / f"a{suffix}"))[0, 0].tolist() == [255, 255, 255]


def test_grey_stays_one_channel(tmp_path: Path) -> None:
    write_picture(Image.new("L", (2, 2), 7), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "L"


def test_other_modes_are_brought_to_rgb(tmp_path: Path) -> None:
    write_picture(Image.new("CMYK", (2, 2), (0, 255, 255, 0)), tmp_path / "a.png")
    assert open_picture(tmp_path / "a.png").getpixel((0, 0)) == (255, 0, 0)


def test_an_orientation_is_applied_before_it_is_lost(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    gradient().resize((32, 16)).save(tmp_path / "turned.jpg", exif=exif)
    with Image.open(tmp_path / "turned.jpg") as turned:
        write_picture(turned, tmp_path / "a.jpg")
    assert open_picture(tmp_path / "a.jpg").size == (16, 32)


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        write_picture(gradient(), tmp_path / "a.jpx")
    suffixes = ", ".join(sorted(PICTURE_SUFFIXES))
    assert str(caught.value) == f"{tmp_path}/a.jpx: no format for the suffix '.jpx' (one of {suffixes})"


def test_a_file_where_a_folder_is_needed_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("file/a.png", "file/deep/a.png"):
        with pytest.raises(I2IError) as caught:
            write_picture(gradient(), tmp_path / name)
        path = tmp_path / name
        assert str(caught.value) == f"{path}: cannot be written ({path.parent} is not a folder)"


def test_a_folder_in_the_picture_s_place_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(I2IError) as caught:
        write_picture(gradient(), tmp_path / "a.png")
    assert str(caught.value) == f"{tmp_path}/a.png: cannot be written (is a directory)"
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("problem", "cause"),
    [
        (OSError(28, "No space left on device"), "no space left on device"),
        (PermissionError(13, "Permission denied"), "permission denied"),
        (OSError(30, "Read-only file system"), "read-only file system"),
    ],
)
def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: Exception, cause: str
) -> None:
    write_picture(gradient(), tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()

    def fail(*arguments: object) -> None:
        raise problem

    monkeypatch.setattr("os.fsync", fail)
    for name in ("a.png", "b.png"):
        with pytest.raises(I2IError) as caught:
            write_picture(Image.new("RGB", (4, 4)), tmp_path / name)
        assert str(caught.value) == f"{tmp_path}/{name}: cannot be written ({cause})"
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == before


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_picture(gradient(), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_too_large_for_its_format_says_so(tmp_path: Path) -> None:
    for name, size, file_format in (("a.webp", (16384, 1), "WEBP"), ("a.jpg", (1, 65536), "JPEG")):
        with pytest.raises(BrokenPicture) as caught:
            write_picture(Image.new("L", size), tmp_path / name)
        beginning = f"{tmp_path}/{name}: cannot be written ({size[0]}×{size[1]} as {file_format}: "
        assert str(caught.value).startswith(beginning)
    assert list(tmp_path.iterdir()) == []


def frames(count: int) -> list[Image.Image]:
    """A square that crosses grey noise, each picture in another tint."""
    pictures = []
    for number in range(count):
        pixels = numpy.random.default_rng(number).integers(100, 104, (16, 24, 3), "uint8")
        pixels[4:8, number : number + 4] = (255, 20 * number, 0)
        pictures.append(Image.fromarray(pixels))
    return pictures


def test_an_animation_shows_every_picture_for_its_time_and_loops(tmp_path: Path) -> None:
    write_animation(frames(5), tmp_path / "new" / "walk.gif", per_second=20)
    with Image.open(tmp_path / "new" / "walk.gif") as gif:
        assert (gif.size, gif.info["loop"], getattr(gif, "n_frames", 1)) == ((24, 16), 0, 5)
        for shown, picture in zip(ImageSequence.Iterator(gif), frames(5), strict=True):
            assert shown.info["duration"] == 50
            assert (numpy.asarray(shown.convert("RGB")) == numpy.asarray(picture)).all()  # below 256 colours: exact


def test_every_grey_of_an_animation_is_kept(tmp_path: Path) -> None:
    ramp = Image.fromarray(numpy.arange(256, dtype="uint8").reshape(16, 16))
    write_animation([ramp, ramp], tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as gif:
        gif.seek(1)
        assert (numpy.asarray(gif.convert("L")) == numpy.asarray(ramp)).all()


def test_pictures_of_an_animation_are_taken_one_by_one(tmp_path: Path) -> None:
    given: list[weakref.ref[Image.Image]] = []

    def coming() -> Iterator[Image.Image]:
        for number in range(20):
            picture = Image.new("RGB", (8, 8), (number, 0, 0))
            given.append(weakref.ref(picture))
            assert sum(reference() is not None for reference in given) <= 3
            yield picture

    write_animation(coming(), tmp_path / "a.gif")


def test_an_animation_is_complete_or_not_there_at_all(tmp_path: Path) -> None:
    def coming() -> Iterator[Image.Image]:
        yield Image.new("RGB", (8, 8))
        assert len(list(tmp_path.glob(".i2i-*.part"))) == 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_animation(coming(), tmp_path / "a.gif")
    with pytest.raises(I2IError, match=r"a\.gif: no pictures to show"):
        write_animation([], tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(I2IError, match=r"file/a\.gif: cannot be written \(.*file is not a folder\)"):
        write_animation(frames(2), tmp_path / "file" / "a.gif")

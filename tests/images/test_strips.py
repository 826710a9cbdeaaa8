"""Pictures that are written band by band, and drafts that become files."""

import os
import signal
import subprocess
import sys
import weakref
from pathlib import Path

import numpy
import pytest
import torch
from PIL import Image

from i2i.disk.drafts import complete_or_not_at_all, sweep
from i2i.errors import BrokenPicture, I2IError, UsageError
from i2i.images import rows
from i2i.images.encode import write_copy, write_picture, write_whole
from i2i.images.formats import FORMATS, Encoding, require_fitting, suffix_for
from i2i.images.metadata import Metadata
from i2i.images.strips import write_rows
from i2i.images.whole import Kind, Levels, Whole, open_whole

BY_ROWS = [".png", ".tif", ".pgm", ".ppm"]


def values(channels, height=37, width=11, white=255):
    """Values (C, H, W) that are levels."""
    levels = numpy.random.default_rng(channels).integers(0, white + 1, (channels, height, width))
    return torch.from_numpy(levels / white).float()


def bands(picture, *heights):
    return iter(picture.split(list(heights), dim=1))


def drafts(folder):
    return list(folder.glob(".i2i-*.part"))


# bands


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_bands_make_the_same_picture_as_the_whole(tmp_path, suffix, channels, bits):
    if suffix in (".heic", ".heif"):
        pytest.importorskip("pillow_heif")
    picture = values(channels, white=2**bits - 1)
    like = Kind(channels, Levels(bits), Metadata(dpi=(300.0, 300.0)))
    whole = Whole(picture, like.levels, like.metadata)
    told = write_rows(bands(picture, 1, 20, 16), (37, 11), like, tmp_path / f"a{suffix}", Encoding(90, "red"))
    assert told == write_whole(whole, tmp_path / f"b{suffix}", Encoding(90, "red"))
    first, second = (open_whole(tmp_path / f"{name}{suffix}") for name in "ab")
    assert first.kind == second.kind
    assert (first.values == second.values).all()
    if FORMATS[suffix].exact and channels in FORMATS[suffix].kinds and bits == 8:
        assert (first.values == picture.mul(255).round().to(torch.uint8)).all()


@pytest.mark.parametrize("suffix", BY_ROWS)
def test_bands_are_taken_one_by_one(tmp_path, suffix):
    given = []

    def coming():
        for number in range(30):
            band = torch.full((3, 2, 5), number / 29)
            given.append(weakref.ref(band))
            assert sum(reference() is not None for reference in given) <= 3
            yield band

    write_rows(coming(), (60, 5), Kind(3), tmp_path / f"a{suffix}")
    assert open_whole(tmp_path / f"a{suffix}").values.shape[1:] == (60, 5)


def test_a_tiff_of_many_strips_and_one_with_places_of_eight_bytes_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "_STRIP", 100)
    for channels in (1, 2, 3, 4):
        for bits in (8, 16):
            picture = values(channels, white=2**bits - 1)
            metadata = Metadata(xmp=b"<x:xmpmeta/>", dpi=(300.0, 150.0))
            like = Kind(channels, Levels(bits), metadata)
            for largest in (10**9, 0):
                monkeypatch.setattr(rows, "LARGEST_TIFF", largest)
                write_rows(bands(picture, 5, 12, 20), (37, 11), like, tmp_path / "a.tif")
                assert (tmp_path / "a.tif").read_bytes()[2] == (42 if largest else 43)
                read = open_whole(tmp_path / "a.tif")
                assert (read.values.shape, read.metadata) == (
                    (4 if bits == 16 and channels == 2 else channels, 37, 11),
                    metadata,
                )
                assert (read.unit[-1] == picture[-1]).all()


def test_rows_as_long_as_a_strip_are_strips_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "_STRIP", 1)
    picture = values(3)
    write_rows(bands(picture, 37), (37, 11), Kind(3), tmp_path / "a.tif")
    assert (open_whole(tmp_path / "a.tif").unit == picture).all()


@pytest.mark.parametrize(
    ("heights", "found"),
    [((3, 3), r"found 6 rows of 7"), ((3, 5), r"found one of \(3, 5, 4\) down to row 8"), ((), "found 0 rows of 7")],
)
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_bands_that_do_not_make_up_the_picture_are_refused(tmp_path, heights, found, suffix):
    parts = [torch.zeros(3, height, 4) for height in heights]
    with pytest.raises(I2IError, match=rf"a\{suffix}: bands.* of \(3, 7, 4\), {found}"):
        write_rows(parts, (7, 4), Kind(3), tmp_path / f"a{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_what_goes_wrong_while_bands_are_made_leaves_nothing_and_keeps_its_name(tmp_path):
    def coming():
        yield torch.zeros(3, 3, 4)
        raise ZeroDivisionError("model")

    with pytest.raises(ZeroDivisionError, match="model"):
        write_rows(coming(), (7, 4), Kind(3), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_told_however_late(tmp_path, monkeypatch):
    class Full:
        def __init__(self, stream, held):
            self.left = 2

        def write(self, levels):
            self.left -= 1
            if not self.left:
                raise OSError(28, "No space left on device")

    monkeypatch.setattr("i2i.images.strips.writer_for", Full)
    with pytest.raises(I2IError, match=r"a\.png: cannot be written \(no space left on device\)"):
        write_rows(bands(values(3), 10, 10, 17), (37, 11), Kind(3), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_transparency_in_any_band_is_told(tmp_path):
    picture = torch.ones(4, 6, 2)
    assert write_rows(bands(picture, 2, 2, 2), (6, 2), Kind(4), tmp_path / "a.ppm") == []
    picture[3, 3, 0] = 0.5
    for suffix in (".ppm", ".jpg"):
        told = write_rows(bands(picture, 2, 2, 2), (6, 2), Kind(4), tmp_path / f"a{suffix}")
        assert told == [f"transparency laid over white, as {FORMATS[suffix].name} holds none"]


# sizes


@pytest.mark.parametrize(
    ("place", "size", "most"),
    [
        ("a.webp", (16384, 1), "16,383 pixels a side"),
        ("a.jpg", (1, 65501), "65,500 pixels a side"),
        (".gif", (65536, 1), "65,535 pixels a side"),
        (".avif", (32769, 1), "32,768 pixels a side"),
        (".avif", (20000, 20000), "268,435,456 pixels"),
        (".heic", (32769, 1), "32,768 pixels a side"),
        (".bmp", (40000, 40000), "1,431,654,741 pixels"),
        (Path("a.PNG"), (2**31, 1), "2,147,483,647 pixels a side"),
    ],
)
def test_a_size_that_a_format_cannot_hold_is_refused_before_any_work(place, size, most):
    if place == ".heic":
        pytest.importorskip("pillow_heif")
    name = FORMATS[Path(f"a{place}").suffix.lower()].name
    with pytest.raises(BrokenPicture) as caught:
        require_fitting(place, *size)
    assert str(caught.value) == (
        f"{place}: cannot be written ({size[0]}×{size[1]} as {name}: it holds at most {most}; PNG and TIFF hold more)"
    )
    require_fitting(place, 100, 100)
    require_fitting("a.tif", *[min(side, 2**31 - 1) for side in size])


@pytest.mark.parametrize(("suffix", "side"), [(".webp", 16383), (".jpg", 65500), (".gif", 65535), (".avif", 32768)])
def test_the_largest_size_that_a_format_holds_is_written_and_read(tmp_path, suffix, side):
    assert FORMATS[suffix].side == side
    for size in ((side, 1), (1, side)):
        write_picture(Image.new("L", size), tmp_path / f"a{suffix}")
        assert open_whole(tmp_path / f"a{suffix}").values.shape[1:] == size[::-1]


def test_no_band_is_asked_for_where_the_size_does_not_fit(tmp_path):
    with pytest.raises(BrokenPicture, match="16,383 pixels a side"):
        write_rows((pytest.fail("asked") for _ in range(1)), (1, 16384), Kind(3), tmp_path / "a.webp")


def test_formats_are_known_by_name():
    names = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "tiff": ".tif", "avif": ".avif", "heic": ".heic"}
    assert {name: suffix_for(name) for name in names} == names
    with pytest.raises(UsageError, match=r"no such format: 'gif' \(one of png, jpeg, webp, tiff, avif, heic\)"):
        suffix_for("gif")


def test_a_place_that_is_no_local_path_is_named(tmp_path):
    UPath = pytest.importorskip("upath").UPath  # noqa: N806
    with pytest.raises(BrokenPicture, match=r"memory:/.*a\.webp: cannot be written \(16384×1 as WEBP: "):
        require_fitting(UPath("memory://folder/a.webp"), 16384, 1)


def test_heic_says_what_it_needs(tmp_path, monkeypatch):
    monkeypatch.setattr("i2i.images.formats.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"a\.heic: HEIC needs the package pillow-heif; pip install 'i2i\[heic\]'"):
        write_picture(Image.new("L", (2, 2)), tmp_path / "a.heic")


# drafts


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_the_complete_draft_is_shown_before_it_gets_its_name(tmp_path, suffix):
    seen = []

    def look(draft):
        assert drafts(tmp_path) == [draft]
        assert not (tmp_path / f"a{suffix}").exists()
        seen.append(draft.read_bytes())

    write_rows(bands(values(3), 37), (37, 11), Kind(3), tmp_path / f"a{suffix}", before_rename=look)
    assert seen == [(tmp_path / f"a{suffix}").read_bytes()]
    (tmp_path / f"a{suffix}").unlink()
    write_whole(Whole(values(3)), tmp_path / f"a{suffix}", before_rename=look)
    assert seen[1] == (tmp_path / f"a{suffix}").read_bytes()
    (tmp_path / f"a{suffix}").rename(tmp_path / "source")
    write_copy(tmp_path / "source", tmp_path / f"a{suffix}", look)
    assert seen[2] == (tmp_path / "source").read_bytes()


def test_who_is_shown_a_draft_can_keep_it_from_getting_its_name(tmp_path):
    (tmp_path / "a.png").write_bytes(b"before")

    def refuse(draft):
        raise OSError(28, "No space left on device")

    with pytest.raises(I2IError, match=r"a\.png: cannot be written \(no space left on device\)"):
        write_whole(Whole(values(3)), tmp_path / "a.png", before_rename=refuse)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def test_the_folder_is_on_the_disk_after_the_name_has_changed(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def look(descriptor):
        name = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((name.suffix, (tmp_path / "a.txt").exists()))
        fsync(descriptor)

    if not Path("/proc/self/fd").exists():
        pytest.skip("descriptors have no names here")
    monkeypatch.setattr("os.fsync", look)
    with complete_or_not_at_all(tmp_path / "a.txt") as stream:
        stream.write(b"x")
    assert synced == [(".part", False), ("", True)]


WRITING = """
import sys, time
from pathlib import Path
from i2i.disk.drafts import complete_or_not_at_all
with complete_or_not_at_all(Path(sys.argv[1])) as stream:
    stream.write(b"half")
    stream.flush()
    print("writing", flush=True)
    time.sleep(600)
"""


def test_what_a_killed_process_left_is_swept_and_what_is_being_written_is_not(tmp_path):
    (tmp_path / ".i2i-manifest.jsonl").write_text("")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / ".i2i-0.part").write_text("")
    command = [sys.executable, "-c", WRITING, str(tmp_path / "a.png")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writing:
        assert writing.stdout.readline() == b"writing\n"
        assert len(drafts(tmp_path)) == 1
        assert sweep(tmp_path) == 0
        assert len(drafts(tmp_path)) == 1
        writing.send_signal(signal.SIGKILL)
    assert len(drafts(tmp_path)) == 1
    assert sweep(tmp_path) == 1
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".i2i-0.part", ".i2i-manifest.jsonl", "deep"]
    assert sweep(tmp_path / "nowhere") == 0


def test_a_draft_is_kept_from_the_sweep_until_it_has_its_name(tmp_path):
    with complete_or_not_at_all(tmp_path / "a.txt", lambda draft: kept.append(sweep(tmp_path))) as stream:
        kept = [sweep(tmp_path)]
        stream.write(b"x")
    assert kept == [0, 0]
    assert (tmp_path / "a.txt").read_bytes() == b"x"


def test_a_draft_that_is_swept_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    flock, asked = fcntl.flock, []

    def late(stream, how):
        if not asked:
            asked.append(drafts(tmp_path)[0])
            asked[0].unlink()
        flock(stream, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with complete_or_not_at_all(tmp_path / "a.txt") as stream:
        stream.write(b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_without_locks_a_draft_is_written_and_left_alone(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def none(stream, how):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    (tmp_path / ".i2i-0.part").write_text("")
    write_whole(Whole(values(3)), tmp_path / "a.png")
    assert sweep(tmp_path) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [".i2i-0.part", "a.png"]


def test_what_exact_norms_put_aside_is_swept_once_it_has_rested(tmp_path):
    for name in (".i2i-norms-0.0", ".i2i-norms-1.0"):
        (tmp_path / name).write_bytes(b"x")
    for name in (".i2i-norms-2", ".i2i-norms-3", ".i2i-norms-4"):
        (tmp_path / name).mkdir()
    (tmp_path / ".i2i-norms-4" / "somebody's").touch()
    for name in (".i2i-norms-1.0", ".i2i-norms-3", ".i2i-norms-4"):
        os.utime(tmp_path / name, (0, 0))
    assert sweep(tmp_path) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [".i2i-norms-0.0", ".i2i-norms-2", ".i2i-norms-4"]

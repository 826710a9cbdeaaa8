"""Archives as folders of pictures: read in place, in any order, and never outside of themselves."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import numpy
import pytest
from PIL import Image

from i2i import BrokenPicture, I2IError, UsageError, open_picture
from i2i.images.limits import Limits
from i2i.images.sources.archives import is_archive, pack, read_archive
from i2i.images.sources.entries import Entry
from i2i.images.sources.walking import Folder

KINDS = pytest.mark.parametrize("kind", ["tar", "zip"])


def encoded(level: int, suffix: str = ".png") -> bytes:
    stream = io.BytesIO()
    settings = {"compression": "tiff_deflate"} if suffix == ".tif" else {}
    picture = Image.new("RGB", (5, 3), (level, 0, 255 - level))
    picture.save(stream, format=Image.registered_extensions()[suffix], **settings)
    return stream.getvalue()


def members(folder: Path) -> list[tuple[Path, str]]:
    return [(path, path.relative_to(folder).as_posix()) for path in sorted(folder.rglob("*.*")) if path.is_file()]


def packed(path: Path, members: Sequence[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", method) as zipped:
            for name, contents in members:
                zipped.writestr(zipfile.ZipInfo(name, (2024, 5, 6, 7, 8, 10)), contents, method)
        return path
    with tarfile.open(path, "w") as tar:
        for name, contents in members:
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(contents), 1_700_000_000
            tar.addfile(member, io.BytesIO(contents))
    return path


def with_member(path: Path, **fields: object) -> Path:
    member = tarfile.TarInfo("deep/x.png")
    for name, value in fields.items():
        setattr(member, name, value)
    with tarfile.open(path, "w") as tar:
        tar.addfile(member)
    return path


def listed(archive: Path) -> dict[str, Entry]:
    """Path in the archive → picture, in the order in which they come."""
    found = {}
    for folder in read_archive(archive, ("/", archive.name)):
        for name in folder.names:
            picture = folder.picture(name)
            assert isinstance(picture, Entry)
            found[(folder.below / name).as_posix()] = picture
    return found


@KINDS
def test_members_are_pictures_in_folders_in_the_archives_order(tmp_path: Path, kind: str) -> None:
    members = ["b/2.png", "b/10.jpg", "a.PNG", "b/c/x.webp", "b/notes.txt", ".hidden.png", "b/._2.png", ".git/x.png"]
    archive = packed(tmp_path / f"photos.{kind}", [(name, encoded(9)) for name in members])
    folders = list(read_archive(archive, ("/", "photos")))
    assert [(folder.address, folder.below, folder.names, folder.folders) for folder in folders] == [
        (("/", "photos", "b"), PurePosixPath("b"), ["2.png", "10.jpg"], ["c"]),
        (("/", "photos"), PurePosixPath(), ["a.PNG"], ["b"]),
        (("/", "photos", "b", "c"), PurePosixPath("b/c"), ["x.webp"], []),
    ]
    assert all(folder.identity is None for folder in folders)


@KINDS
def test_a_member_is_read_as_a_path_is(tmp_path: Path, kind: str) -> None:
    contents = encoded(7)
    archive = packed(tmp_path / f"photos.{kind}", [("a.png", encoded(1)), ("./b//c.d.png", contents)])
    picture = listed(archive)["b/c.d.png"]
    assert str(picture) == os.fspath(picture) == f"{archive}/b/c.d.png"
    assert (picture.name, picture.stem, picture.suffix) == ("c.d.png", "c.d", ".png")
    assert picture.parent == PurePosixPath(f"{archive}/b")
    assert (picture.exists(), picture.is_file(), picture.is_dir()) == (True, True, False)
    assert picture.read_bytes() == contents
    with picture.open("rb") as stream:
        assert hashlib.file_digest(stream, "sha256").digest() == hashlib.sha256(contents).digest()
    assert picture.stat().st_size == len(contents)
    assert picture.stat().st_mtime_ns == (1_700_000_000 if kind == "tar" else 1_714_979_290) * 10**9
    with pytest.raises(ValueError, match=r"c\.d\.png: can be read only, not opened as 'wb'"):
        picture.open("wb")


@pytest.mark.parametrize(("kind", "method"), [("tar", 0), ("zip", zipfile.ZIP_STORED), ("zip", zipfile.ZIP_DEFLATED)])
def test_a_stream_goes_to_any_place_and_ends_where_its_member_does(tmp_path: Path, kind: str, method: int) -> None:
    contents = numpy.random.default_rng(0).integers(0, 9, 70_000, numpy.uint8).tobytes()
    around = [("before.png", b"1" * 999), ("x.png", contents), ("after.png", b"2" * 999)]
    with listed(packed(tmp_path / f"photos.{kind}", around, method))["x.png"].open("rb") as stream:
        assert stream.read(4) == contents[:4]
        assert stream.seek(-10, os.SEEK_END) == 69_990
        assert stream.read(100) == contents[-10:]
        assert stream.read() == b""
        assert stream.seek(60_000) == stream.tell() == 60_000
        assert stream.seek(-50_000, os.SEEK_CUR) == 10_000
        assert stream.read(3) == contents[10_000:10_003]
        stream.seek(0)
        assert stream.read() == contents


@KINDS
def test_pictures_of_all_formats_decode_side_by_side(tmp_path: Path, kind: str) -> None:
    members = [
        (f"{level}{suffix}", encoded(level, suffix)) for level in range(0, 250, 5) for suffix in (".png", ".tif")
    ]
    found = listed(packed(tmp_path / f"photos.{kind}", members, zipfile.ZIP_DEFLATED))
    with ThreadPoolExecutor(8) as threads:
        pictures = dict(zip(found, threads.map(open_picture, found.values()), strict=True))
    for name, picture in pictures.items():
        level = int(name.partition(".")[0])
        assert picture.getpixel((0, 0)) == (level, 0, 255 - level)


@KINDS
def test_a_member_that_is_no_picture_is_named_with_its_archive(tmp_path: Path, kind: str) -> None:
    picture = listed(packed(tmp_path / f"photos.{kind}", [("deep/x.png", b"text")]))["deep/x.png"]
    with pytest.raises(BrokenPicture, match=rf"photos\.{kind}/deep/x\.png: "):
        open_picture(picture)


@KINDS
@pytest.mark.parametrize(
    "name",
    [
        "../x.png",
        "a/../../x.png",
        "/etc/x.png",
        "C:/x.png",
        "C:x.png",
        "C:\\x.png",
        "..\\x.png",
        "a/..\\..\\x.png",
        "\\x.png",
    ],
)
def test_a_name_that_leads_outside_is_refused(tmp_path: Path, kind: str, name: str) -> None:
    archive = packed(tmp_path / f"photos.{kind}", [("a.png", encoded(1)), (name, encoded(2))])
    with pytest.raises(UsageError) as refusal:
        listed(archive)
    assert (
        str(refusal.value) == f"{archive}: its member {name!r} leads outside of the archive; pack it below one folder"
    )


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.SYMTYPE, "is a link"),
        (tarfile.LNKTYPE, "is a link"),
        (tarfile.CHRTYPE, "is no plain file"),
        (tarfile.BLKTYPE, "is no plain file"),
        (tarfile.FIFOTYPE, "is no plain file"),
    ],
)
def test_links_and_devices_that_pose_as_pictures_are_refused(tmp_path: Path, kind: bytes, what: str) -> None:
    archive = with_member(tmp_path / "photos.tar", type=kind, linkname="/etc/passwd")
    with pytest.raises(UsageError) as refusal:
        listed(archive)
    assert str(refusal.value) == f"{archive}: its member 'deep/x.png' {what}; pack the picture itself"


def test_links_and_encrypted_members_of_a_zip_are_refused(tmp_path: Path) -> None:
    link, secret = zipfile.ZipInfo("x.png"), zipfile.ZipInfo("x.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    for number, (member, what) in enumerate(((link, "is a link"), (secret, "is encrypted"))):
        archive = tmp_path / f"{number}.zip"
        with zipfile.ZipFile(archive, "w") as zipped:
            zipped.writestr(member, "/etc/passwd")
        if member is secret:
            contents = bytearray(archive.read_bytes())
            contents[contents.index(b"PK\x01\x02") + 8] |= 1
            archive.write_bytes(contents)
        with pytest.raises(UsageError, match=rf"{number}\.zip: its member 'x\.png' {what}; pack the picture itself$"):
            listed(archive)


def test_folders_that_are_links_are_no_matter_as_nothing_is_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "photos.tar"
    with tarfile.open(archive, "w") as tar:
        link = tarfile.TarInfo("deep")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
        member = tarfile.TarInfo("deep/x.png")
        member.size = len(encoded(3))
        tar.addfile(member, io.BytesIO(encoded(3)))
    assert listed(archive)["deep/x.png"].read_bytes() == encoded(3)


@KINDS
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_members_of_one_name_the_last_counts(tmp_path: Path, kind: str) -> None:
    archive = packed(tmp_path / f"photos.{kind}", [("x.png", encoded(1)), ("./x.png", encoded(2))])
    assert {name: picture.read_bytes() for name, picture in listed(archive).items()} == {"x.png": encoded(2)}


def test_names_of_any_length_and_language_are_read(tmp_path: Path) -> None:
    names = ["ü" * 90 + "/" + "深" * 60 + ".png", "e\u0301.png", "\u00e9.png", "n\udcff.png"]
    for format_number in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        archive = tmp_path / f"{format_number}.tar"
        with tarfile.open(archive, "w", format=format_number) as tar:
            for name in names:
                tar.addfile(tarfile.TarInfo(name))
        assert list(listed(archive)) == names


@KINDS
def test_an_archive_without_pictures_or_that_is_missing_or_no_archive_is_one_line(tmp_path: Path, kind: str) -> None:
    empty = packed(tmp_path / f"empty.{kind}", [("notes.txt", b"")])
    with pytest.raises(UsageError, match=rf"empty\.{kind}: holds no pictures \(looked for \.apng"):
        listed(empty)
    assert list(read_archive(empty, (), may_be_empty=True)) == []
    with pytest.raises(UsageError, match=rf"/gone\.{kind}: no such file or folder$"):
        listed(tmp_path / f"gone.{kind}")
    (tmp_path / f"text.{kind}").write_text("no archive " * 100)
    with pytest.raises(I2IError, match=rf"/text\.{kind}: cannot be read as an archive \(.+\)$"):
        listed(tmp_path / f"text.{kind}")


def test_a_damaged_archive_is_told_and_never_taken_for_a_shorter_one(tmp_path: Path) -> None:
    whole = packed(tmp_path / "photos.tar", [(f"{number}.png", b"1" * 600) for number in range(4)]).read_bytes()
    cut, garbled = tmp_path / "cut.tar", tmp_path / "garbled.tar"
    cut.write_bytes(whole[: 2 * 1536 + 700])
    garbled.write_bytes(whole[: 2 * 1536] + b"?" * 512 + whole[2 * 1536 + 512 :])
    with pytest.raises(I2IError, match=r"/cut\.tar: cannot be read as an archive \(unexpected end of data\)$"):
        listed(cut)
    with pytest.raises(
        I2IError, match=r"/garbled\.tar: cannot be read as an archive \(no member's header at byte 3072\)$"
    ):
        listed(garbled)


@pytest.mark.timeout(20)
def test_a_member_that_claims_less_than_no_bytes_does_not_lead_in_circles(tmp_path: Path) -> None:
    header = bytearray(tarfile.TarInfo("x.png").tobuf())
    header[124:136] = (-512).to_bytes(12, "big", signed=True)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    (tmp_path / "photos.tar").write_bytes(header + bytes(2048))
    with pytest.raises(I2IError, match=r"/photos\.tar: cannot be read as an archive \("):
        listed(tmp_path / "photos.tar")


def test_a_zipped_picture_that_grows_beyond_all_limits_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = packed(tmp_path / "photos.zip", [("x.png", bytes(2**20))], zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 2**11
    monkeypatch.setattr("i2i.images.sources.archives.LIMITS", Limits(file_bytes=2**11))
    with pytest.raises(BrokenPicture, match=r"photos\.zip/x\.png: too large: a file of 1 MiB; "):
        open_picture(listed(bomb)["x.png"])


def test_an_archive_that_became_shorter_since_spoils_its_pictures_alone(tmp_path: Path) -> None:
    archive = packed(tmp_path / "photos.tar", [("a.png", encoded(1)), ("b.png", encoded(2))])
    found = listed(archive)
    os.truncate(archive, 1024 + 512 + 20)
    assert open_picture(found["a.png"]).size == (5, 3)
    with pytest.raises(BrokenPicture, match=r"photos\.tar/b\.png: "):
        open_picture(found["b.png"])


def test_compressed_archives_are_refused_and_told_what_would_do() -> None:
    assert [is_archive(name) for name in ("a.tar", "A.TAR", "a.zip", "a.png", "tar", "a")] == [True] * 3 + [False] * 3
    for name in ("a.tar.gz", "a.TGZ", "a.tar.xz", "a.tar.zst", "a.tar.bz2", "a.7z", "a.rar"):
        with pytest.raises(UsageError) as refusal:
            is_archive(name)
        what = "cannot be read picture by picture; unpack it, or make a .tar or .zip of it"
        assert str(refusal.value) == f"{name}: {what}"


def test_a_list_takes_a_few_hundred_bytes_a_member_and_none_of_its_contents(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        archive = packed(tmp_path / "many.tar", [(f"{number:06d}.png", b"1" * 4000) for number in range(count)])
        tracemalloc.start()
        for folder in read_archive(archive, ()):
            assert len(folder.names) == count
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(10)
    assert (peak(2010) - peak(10)) / 2000 < 900


def test_pictures_are_packed_as_they_come_and_alike_every_time(tmp_path: Path) -> None:
    for name in ("b/2.png", "b/10.png", ".hidden.png"):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_bytes(name.encode())
    assert pack(members(tmp_path / "out"), tmp_path / "out.tar") == 3
    with tarfile.open(tmp_path / "out.tar") as tar:
        assert tar.getnames() == [".hidden.png", "b/10.png", "b/2.png"]
        stream = tar.extractfile("b/10.png")
        assert stream is not None
        assert stream.read() == b"b/10.png"
        assert all(member.isreg() for member in tar)
    before = (tmp_path / "out.tar").read_bytes()
    os.utime(tmp_path / "out" / "b" / "2.png", (time.time() + 99, time.time() + 99))
    pack(members(tmp_path / "out"), tmp_path / "out.tar")
    assert (tmp_path / "out.tar").read_bytes() == before


def test_an_archive_appears_when_it_is_complete(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").write_bytes(encoded(1))

    def one_and_no_more() -> Iterator[tuple[Path, str]]:
        yield tmp_path / "out" / "a.png", "a.png"
        raise I2IError("out: permission denied")

    with pytest.raises(I2IError, match="out: permission denied"):
        pack(one_and_no_more(), tmp_path / "out.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_is_packed_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "out" / "deep").mkdir(parents=True)
    (tmp_path / "out" / "deep" / "x.png").write_bytes(encoded(8))
    pack(members(tmp_path / "out"), tmp_path / "out.tar")
    found: list[Folder] = list(read_archive(tmp_path / "out.tar", ()))
    assert [folder.below for folder in found] == [PurePosixPath("deep")]
    assert open_picture(found[0].picture("x.png")).getpixel((0, 0)) == (8, 0, 247)

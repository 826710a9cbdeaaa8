"""Pictures behind URLs, with the file system that `fsspec` keeps in memory."""

from __future__ import annotations

import builtins
import io
import pickle
import sys
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from PIL import Image

from i2i import BrokenPicture, I2IError, UsageError, open_picture
from i2i.images.reading import decoding
from i2i.images.sources import Sources
from i2i.images.sources.entries import Entry
from i2i.images.sources.remote import url_of
from i2i.inference.places import Naming, plan

pytest.importorskip("upath")


def encoded() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (4, 2), "navy").save(stream, format="PNG")
    return stream.getvalue()


@pytest.fixture
def memory() -> Iterator[Any]:
    import fsspec

    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


@pytest.fixture
def bucket(memory: Any) -> Any:
    for name in ("x.png", "deep/er/y.PNG", "deep/z.png", "deep/notes.txt", ".hidden.png", "deep/.git/x.png"):
        memory.pipe(f"/bucket/photos/{name}", encoded())
    return memory


def test_a_folder_behind_a_url_keeps_its_tree(bucket: Any, tmp_path: Path) -> None:
    jobs = list(plan(["memory://bucket/photos/"], tmp_path))
    assert [job.name for job in jobs] == ["x.png", "deep/z.png", "deep/er/y.PNG"]
    assert jobs[1].target == tmp_path / "deep" / "z.png"
    picture = jobs[1].source
    assert isinstance(picture, Entry)
    assert str(picture) == "memory://bucket/photos/deep/z.png"
    assert (picture.name, picture.suffix) == ("z.png", ".png")
    assert open_picture(picture).size == (4, 2)
    about = bucket.info("/bucket/photos/deep/z.png")
    assert picture.stat().st_size == about["size"] == len(encoded())
    assert picture.stat().st_mtime_ns == pytest.approx(about["created"].timestamp() * 1e9)


def test_patterns_names_and_counts_are_those_of_a_folder(bucket: Any, tmp_path: Path) -> None:
    jobs = plan(["memory://bucket/photos"], tmp_path, ["deep/*"], Naming("_b", "webp"))
    assert [job.name for job in jobs] == [job.name for job in jobs] == ["deep/z_b.webp"]
    assert jobs.count() == 1


def test_several_urls_keep_what_they_have_in_common_and_each_picture_is_done_once(bucket: Any, tmp_path: Path) -> None:
    bucket.pipe("/other/x.png", encoded())
    sources = ["memory://bucket/photos/deep/er", "memory://bucket/photos/deep", "memory://bucket/photos/deep/z.png"]
    assert [job.name for job in plan(sources, tmp_path)] == ["er/y.PNG", "z.png"]
    assert [job.name for job in plan(["memory://other", "memory://bucket/photos/x.png"], tmp_path)] == [
        "other/x.png",
        "bucket/photos/x.png",
    ]


def test_single_pictures_are_taken_whatever_their_names_begin_with(bucket: Any, tmp_path: Path) -> None:
    assert [job.name for job in plan(["memory://bucket/photos/.hidden.png"], tmp_path)] == [".hidden.png"]
    both = ["memory://bucket/photos/x.png", "memory://bucket/photos/x.jpg"]
    bucket.pipe("/bucket/photos/x.jpg", encoded())
    named = [job.name for job in plan(both, tmp_path, naming=Naming(format="webp"))]
    assert named == ["x.jpg.webp", "x.png.webp"]


def test_a_path_that_lost_a_slash_is_the_url_that_was_meant(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plan([Path("memory://bucket/photos")], tmp_path).count() == 3
    assert url_of(Path("s3://bucket/x")) == "s3://bucket/x"
    assert [url_of(text) for text in ("C:/photos", "photos", "a/s3:/x", ":/x", "s3:")] == [None] * 5
    monkeypatch.chdir(tmp_path)
    (tmp_path / "memory:" / "bucket").mkdir(parents=True)
    assert url_of(Path("memory:/bucket")) is None


def test_a_file_url_is_a_path_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.png").write_bytes(encoded())
    for url in (f"file://{tmp_path}/in", Path(f"file:/{tmp_path}/in")):
        (job,) = plan([url], tmp_path / "out")
        assert job.source == tmp_path / "in" / "x.png"
    with pytest.raises(UsageError, match="--dst is the same folder as --src"):
        plan([f"file://{tmp_path}/in"], tmp_path / "in")


def test_an_archive_behind_a_url_is_read_member_by_member(memory: Any, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name in ("a/x.png", "a/y.png"):
            member = tarfile.TarInfo(name)
            member.size = len(encoded())
            tar.addfile(member, io.BytesIO(encoded()))
    memory.pipe("/bucket/shard-000.tar", stream.getvalue())
    memory.pipe("/bucket/shard-001.tar", stream.getvalue())
    jobs = list(plan(["memory://bucket/shard-{000..001}.tar"], tmp_path))
    assert [job.name for job in jobs][1:3] == ["shard-000.tar/a/y.png", "shard-001.tar/a/x.png"]
    assert str(jobs[1].source) == "memory://bucket/shard-000.tar/a/y.png"
    assert open_picture(jobs[1].source).size == (4, 2)
    with pytest.raises(UsageError, match=r"^memory://bucket/gone\.tar: no such file or folder$"):
        plan(["memory://bucket/gone.tar"], tmp_path)


def test_what_is_missing_empty_or_no_picture_is_one_line(bucket: Any, tmp_path: Path) -> None:
    bucket.pipe("/empty/notes.txt", b"")
    bucket.pipe("/bucket/text.png", b"text")
    for url, complaint in (
        ("memory://gone", "memory://gone: no such file or folder"),
        ("memory://bucket/gone.png", "memory://bucket/gone.png: no such file or folder"),
        ("memory://empty", "memory://empty: holds no pictures (looked for .apng"),
    ):
        with pytest.raises(UsageError) as refusal:
            plan([url], tmp_path)
        assert str(refusal.value).startswith(complaint)
    assert plan(["memory://empty"], tmp_path, may_be_empty=True).count() == 0
    (job,) = plan(["memory://bucket/text.png"], tmp_path)
    with pytest.raises(BrokenPicture, match=r"^memory://bucket/text\.png: "):
        open_picture(job.source)


def test_a_protocol_that_is_unknown_or_needs_more_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^nope://b/x: no such kind of URL \(.*nope.*\)$"):
        plan(["nope://b/x"], tmp_path)
    if "s3fs" not in sys.modules:
        with pytest.raises(UsageError, match=r"^sftp://h/x: needs another package to be read \(.*paramiko.*\)$"):
            plan(["sftp://user:secret@h/x"], tmp_path)


def test_without_the_package_for_urls_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "upath", None)
    with pytest.raises(UsageError, match=r"^s3://b/x: reading URLs needs more packages: pip install 'i2i\[remote\]'$"):
        plan(["s3://b/x"], tmp_path)


def test_a_file_system_that_fails_is_named_with_its_own_words(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **settings: object) -> None:
        raise builtins.RuntimeError("403 Forbidden")

    monkeypatch.setattr(type(bucket), "ls", refuse)
    with pytest.raises(I2IError, match=r"^memory://bucket/photos: cannot be read \(403 Forbidden\)$"):
        plan(["memory://bucket/photos"], tmp_path)


def test_a_folder_in_a_bucket_that_cannot_be_read_fails_alone(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = type(bucket).ls

    def refuse(system: Any, path: str, **settings: Any) -> Any:
        if path.endswith("deep"):
            raise builtins.RuntimeError("403 Forbidden")
        return listed(system, path, **settings)

    monkeypatch.setattr(type(bucket), "ls", refuse)
    jobs = list(plan(["memory://bucket/photos"], tmp_path))
    assert [job.name for job in jobs] == ["x.png", "deep"]
    with pytest.raises(BrokenPicture) as caught, decoding(jobs[1].source):
        raise AssertionError
    assert str(caught.value) == "memory://bucket/photos/deep: cannot be read (403 Forbidden)"


def test_a_url_is_spelled_in_full_wherever_its_failure_is_told() -> None:
    for place in ("s3://bucket/x.png", Entry("s3://bucket/x.png", 0, 0, io.BytesIO)):
        broken = BrokenPicture(place, "damaged")  # type: ignore[arg-type]
        again = pickle.loads(pickle.dumps(broken))
        for each in (broken, again, BrokenPicture(again.path, again.reason)):
            assert (str(each), str(each.path)) == ("s3://bucket/x.png: damaged", "s3://bucket/x.png")
    assert BrokenPicture("photos/x.png", "damaged").path == Path("photos/x.png")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mtime", 1_700_000_000.5),
        ("LastModified", datetime.fromtimestamp(1_700_000_000.5, UTC)),
        ("updated", "2023-11-14T22:13:20.500Z"),
        ("mtime", "what"),
        ("size", 3),
    ],
)
def test_times_are_read_as_file_systems_write_them(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, value: object
) -> None:
    listing = [{"name": "/bucket/photos/x.png", "type": "file", "size": None, key: value}]
    monkeypatch.setattr(type(bucket), "ls", lambda self, path, detail: listing)
    (folder,) = Sources.of(["memory://bucket/photos"]).folders()
    assert folder.below == PurePosixPath()
    known = 0 if value in ("what", 3) else 1_700_000_000_500_000_000
    assert folder.picture("x.png").stat().st_mtime_ns == known


def test_what_a_listing_names_elsewhere_is_passed_over(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [
        "/bucket/photos",
        "/bucket/photos/",
        "/bucket/x.png",
        "/other/x.png",
        "/bucket/photos/..",
        "/bucket/photos/y.png",
    ]
    listing = [{"name": name, "type": "file", "size": 1} for name in names]
    monkeypatch.setattr(type(bucket), "ls", lambda self, path, detail: listing)
    assert [job.name for job in plan(["memory://bucket/photos"], tmp_path)] == ["y.png"]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("{000..002}.tar", ["000.tar", "001.tar", "002.tar"]),
        ("{9..11}.tar", ["9.tar", "10.tar", "11.tar"]),
        ("{8..012}.tar", ["008.tar", "009.tar", "010.tar", "011.tar", "012.tar"]),
        ("{1..2}-{0..1}.zip", ["1-0.zip", "1-1.zip", "2-0.zip", "2-1.zip"]),
        ("{a,b}.tar", ["{a,b}.tar"]),
    ],
)
def test_ranges_stand_for_numbers(given: str, meant: list[str]) -> None:
    assert [str(path) for path, _ in Sources.of([given]).archives] == meant


def test_a_name_with_braces_that_is_there_is_no_range(tmp_path: Path) -> None:
    (tmp_path / "{1..3}").mkdir()
    assert Sources.of([tmp_path / "{1..3}"]).local == [tmp_path / "{1..3}"]


def test_a_range_that_counts_down_or_has_no_end_is_told() -> None:
    with pytest.raises(
        UsageError, match=r"^\{0\.\.9999999\}: \{.*\} stands for 10,000,000 names; 1,000,000 are the most$"
    ):
        Sources.of(["{0..9999999}"])
    with pytest.raises(UsageError, match=r"^\{3\.\.1\}\.tar: \{3\.\.1\} counts down; write \{1\.\.3\}$"):
        Sources.of(["{3..1}.tar"])

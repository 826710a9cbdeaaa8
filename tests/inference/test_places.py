"""Which file goes where: names, trees, and every refusal before any work."""

from __future__ import annotations

import os
import socket
import tarfile
import tracemalloc
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from i2i import BrokenPicture, I2IError, UsageError
from i2i.images.reading import decoding
from i2i.inference.places import Naming, make_destination, plan, tar_of, with_masks
from i2i.inference.places.conflicts import ignores_case

WITHOUT_JPEG_2000 = {".jpg": "JPEG", ".png": "PNG"}


CASE_COUNTS = pytest.mark.skipif(
    ignores_case(Path(__file__).parent), reason="upper and lower case are the same on this disk"
)


def put(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.fixture
def tree(tmp_path):
    return put(tmp_path, "a/x.jpg", "a/deep/y.PNG", "a/notes.txt", "b/x.jpg", "b/z.bmp")


def names(*sources, destination=None, **given):
    """Of jobs, in their order."""
    above = Path(os.path.commonpath(sources)).parent
    return [job.name for job in plan(sources, destination or above / "out", **given)]


def renamed(folder, *pictures, **naming):
    """What the pictures, alone in a folder, become."""
    put(folder / "in", *pictures)
    jobs = plan([folder / "in"], folder / "out", naming=Naming(**naming))
    return {job.source.relative_to(folder / "in").as_posix(): job.name for job in jobs}


# Trees


def test_folders_and_names_of_a_lone_folder_are_kept(tree):
    jobs = plan([tree / "a"], tree / "out")
    assert {job.source.relative_to(tree).as_posix(): (job.target, job.name) for job in jobs} == {
        "a/x.jpg": (tree / "out" / "x.jpg", "x.jpg"),
        "a/deep/y.PNG": (tree / "out" / "deep" / "y.PNG", "deep/y.PNG"),
    }


def test_several_folders_keep_their_own_names_and_never_meet(tree):
    assert names(tree / "a", tree / "b") == ["a/x.jpg", "a/deep/y.PNG", "b/x.jpg", "b/z.bmp"]
    assert names(tree / "b", tree / "a" / "deep") == ["b/x.jpg", "b/z.bmp", "a/deep/y.PNG"]


def test_a_folder_and_one_in_it_are_the_same_as_the_folder(tree):
    assert names(tree / "a" / "deep", tree / "a") == ["deep/y.PNG", "x.jpg"]
    assert names(tree / "a", tree / "a") == ["x.jpg", "deep/y.PNG"]


def test_single_files_go_by_what_their_folders_have_in_common(tree):
    assert names(tree / "a" / "deep" / "y.PNG") == ["y.PNG"]
    assert names(tree / "a" / "x.jpg", tree / "b" / "x.jpg") == ["a/x.jpg", "b/x.jpg"]
    assert names(tree / "a" / "x.jpg", tree / "a" / "deep") == ["deep/y.PNG", "x.jpg"]
    assert names(tree / "b" / "z.bmp", tree / "b" / "x.jpg") == ["x.jpg", "z.bmp"]


def test_the_same_file_twice_is_done_once(tree):
    (tree / "again").symlink_to(tree / "a")
    assert names(tree / "a", tree / "a" / "x.jpg") == ["x.jpg", "deep/y.PNG"]
    assert names(tree / "a" / "x.jpg", tree / "a" / "x.jpg") == ["x.jpg"]
    assert len(names(tree / "a" / "x.jpg", tree / "again" / "x.jpg")) == 1
    assert names(tree / "a", tree / "again") == ["a/x.jpg", "a/deep/y.PNG"]


def test_paths_are_taken_as_they_are_written_from_where_the_user_is(tree, monkeypatch):
    monkeypatch.chdir(tree / "a")
    assert names(".", destination=Path("../out")) == ["x.jpg", "deep/y.PNG"]
    assert names("x.jpg", "../b", destination=Path("../out")) == ["b/x.jpg", "b/z.bmp", "a/x.jpg"]
    assert [str(job.source) for job in plan(["x.jpg"], Path("../out"))] == ["x.jpg"]
    (tree / "link").symlink_to(tree / "a" / "deep")
    assert names(tree / "link" / ".." / "x.jpg", tree / "b") == ["b/x.jpg", "b/z.bmp", "a/x.jpg"]


def test_hidden_files_are_passed_over_but_for_those_that_are_asked_for(tree):
    put(tree, "a/.x.jpg", "a/._x.jpg", "a/.git/y.jpg")
    assert names(tree / "a") == ["x.jpg", "deep/y.PNG"]
    assert names(tree / "a" / ".x.jpg") == [".x.jpg"]
    assert names(tree / "a", tree / "a" / ".x.jpg") == [".x.jpg", "x.jpg", "deep/y.PNG"]
    assert names(tree / "a" / ".git") == ["y.jpg"]


def test_links_are_followed_once_and_loops_and_dead_ones_without_a_pictures_suffix_are_passed_over(tree):
    put(tree, "elsewhere/far.png", "b/near.png")
    (tree / "a" / "up").symlink_to(tree)
    (tree / "a" / "far").symlink_to(tree / "elsewhere")
    (tree / "a" / "itself").symlink_to("itself")
    (tree / "a" / "dead").symlink_to("nowhere")
    (tree / "a" / "dead.txt").symlink_to("nowhere.txt")
    (tree / "a" / "alias.jpg").symlink_to("x.jpg")
    assert names(tree / "a") == [
        "alias.jpg",
        "x.jpg",
        "deep/y.PNG",
        "far/far.png",
        "up/b/near.png",
        "up/b/x.jpg",
        "up/b/z.bmp",
    ]


def test_the_order_is_the_same_every_time_and_whatever_the_disk_says(tree, monkeypatch):
    put(tree, *(f"many/{place}/{number}.jpg" for place in "cab" for number in (10, 9, 2)))
    jobs = plan([tree / "many"], tree / "out")
    before = list(jobs)
    assert [job.name for job in before] == [f"{place}/{number}.jpg" for place in "abc" for number in (10, 2, 9)]
    scandir = os.scandir

    class Backwards:
        def __init__(self, folder):
            self.entries = scandir(folder)

        def __enter__(self):
            return reversed(list(self.entries))

        def __exit__(self, *problem):
            self.entries.close()

    monkeypatch.setattr("i2i.images.sources.listing.os.scandir", Backwards)
    assert list(jobs) == before


def test_a_plan_counts_its_jobs_and_is_gone_through_again_and_again(tree):
    jobs = plan([tree / "a", tree / "b"], tree / "out")
    assert jobs.count() == len(list(jobs)) == len(list(jobs)) == 4
    one, other = iter(jobs), iter(jobs)
    assert [next(one), next(other), next(one)] == [*list(jobs)[:1] * 2, list(jobs)[1]]


def test_what_arrives_later_is_among_the_jobs_unless_it_cannot_be_done(tree):
    jobs = plan([tree / "a"], tree / "out", writable=WITHOUT_JPEG_2000)
    put(tree, "a/new.jpg", "a/new.jp2", "a/more/new.png", "out/x.jpg")
    assert [job.name for job in jobs] == ["new.jpg", "x.jpg", "deep/y.PNG", "more/new.png"]
    for path in (tree / "a").rglob("*.*"):
        path.unlink()
    assert list(jobs) == []


def test_only_the_names_of_one_folder_are_held(tmp_path):
    def peak(folders: int) -> int:
        root = put(
            tmp_path / str(folders), *(f"{folder}/{number}.jpg" for folder in range(folders) for number in range(200))
        )
        tracemalloc.start()
        for _ in plan([root], tmp_path / "out"):
            pass
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    few, many = (min(peak(folders) for _ in range(3)) for folders in (2, 20))  # Python's own table of names grows too
    assert many < 1.5 * few


# Names


def test_a_suffix_goes_behind_the_name_and_before_that_of_the_format(tmp_path):
    assert renamed(tmp_path, "x.jpg", "a.b.PNG", "photo..gif", suffix="_v1.2") == {
        "x.jpg": "x_v1.2.jpg",
        "a.b.PNG": "a.b_v1.2.PNG",
        "photo..gif": "photo._v1.2.gif",
    }


@pytest.mark.parametrize("suffix", ["/x", "a/b", "..\\x", "a\0b"])
def test_a_suffix_that_is_no_part_of_a_name_is_refused(suffix):
    with pytest.raises(UsageError, match=r"^--suffix '.*': holds '.*', and is to be a part of a file's name$"):
        Naming(suffix)


def test_a_suffix_that_is_meant_as_a_format_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"^--suffix \.png: is a file format's; --format says which to write$"):
        Naming(".png")


def test_the_format_changes_the_suffix_of_what_is_not_of_that_format(tmp_path):
    pictures = ("a.jpg", "b.jpeg", "c.JPG", "d.png", "e.tif", "f.webp", "g.bmp")
    assert renamed(tmp_path / "1", *pictures, format="jpeg") == {
        "a.jpg": "a.jpg", "b.jpeg": "b.jpeg", "c.JPG": "c.JPG", "d.png": "d.jpg", "e.tif": "e.jpg", "f.webp": "f.jpg",
        "g.bmp": "g.jpg",
    }  # fmt: skip
    assert renamed(tmp_path / "2", "a.tif", "b.tiff", "c.png", format="tiff") == {
        "a.tif": "a.tif", "b.tiff": "b.tiff", "c.png": "c.tif",
    }  # fmt: skip
    assert set(renamed(tmp_path / "3", *pictures, format="same").values()) == set(pictures)


def test_two_pictures_that_would_get_one_name_keep_their_suffixes(tmp_path):
    assert renamed(tmp_path, "x.jpg", "x.png", "y.jpg", format="webp") == {
        "x.jpg": "x.jpg.webp",
        "x.png": "x.png.webp",
        "y.jpg": "y.webp",
    }


def test_a_name_of_the_longer_kind_that_is_there_already_becomes_longer_too(tmp_path):
    assert renamed(tmp_path, "x.jpg", "x.png", "x.jpg.png", "x.jpg.png.png", format="png") == {
        "x.jpg": "x.jpg.png",
        "x.png": "x.png.png",
        "x.jpg.png": "x.jpg.png.png",
        "x.jpg.png.png": "x.jpg.png.png.png",
    }


def test_a_suffix_that_makes_names_equal_is_no_matter(tmp_path):
    assert renamed(tmp_path / "1", "x.jpg", "x_b.jpg", suffix="_b") == {"x.jpg": "x_b.jpg", "x_b.jpg": "x_b_b.jpg"}
    assert renamed(tmp_path / "2", "x.jpg", "x.bmp", "x_b.png", suffix="_b", format="png") == {
        "x.jpg": "x_b.jpg.png",
        "x.bmp": "x_b.bmp.png",
        "x_b.png": "x_b_b.png",
    }


@CASE_COUNTS
def test_upper_and_lower_case_count_as_equal_where_a_name_is_new(tmp_path):
    assert renamed(tmp_path, "X.jpg", "x.png", "y.JPG", "y.jpg", "Z.jpg", "z.jpg", format="webp") == {
        "X.jpg": "X.jpg.webp",
        "x.png": "x.png.webp",
        "y.JPG": "y.JPG.webp",
        "y.jpg": "y.jpg.webp",
        "Z.jpg": "Z.webp",
        "z.jpg": "z.webp",
    }


@CASE_COUNTS
def test_both_spellings_of_an_accent_count_as_equal_where_a_name_is_new(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    found = renamed(tmp_path, f"{composed}.jpg", f"{decomposed}.png", "Straße.jpg", "STRASSE.png", format="webp")
    assert found == {
        f"{composed}.jpg": f"{composed}.jpg.webp",
        f"{decomposed}.png": f"{decomposed}.png.webp",
        "Straße.jpg": "Straße.jpg.webp",
        "STRASSE.png": "STRASSE.png.webp",
    }


def test_a_translation_does_not_take_the_name_of_a_folder_beside_it(tmp_path):
    put(tmp_path / "in", "x.jpg/inner.bmp", "x.png", "y_b.png/inner.bmp", "y.png")
    jobs = plan([tmp_path / "in"], tmp_path / "out", naming=Naming("_b", "jpeg"))
    assert [job.name for job in jobs] == ["x_b.jpg", "y_b.jpg", "x.jpg/inner_b.jpg", "y_b.png/inner_b.jpg"]
    jobs = plan([tmp_path / "in"], tmp_path / "out", naming=Naming("", "jpeg"))
    assert [job.name for job in jobs] == ["x.png.jpg", "y.jpg", "x.jpg/inner.jpg", "y_b.png/inner.jpg"]
    put(tmp_path / "in", "x.png.jpg/inner.bmp")
    with pytest.raises(UsageError) as refusal:
        plan([tmp_path / "in"], tmp_path / "out", naming=Naming("", "jpeg"))
    what = "its translation would have the name of the folder x.png.jpg; rename one of them"
    assert str(refusal.value) == f"{tmp_path}/in/x.png: {what}"


def test_names_do_not_depend_on_the_pattern(tmp_path):
    put(tmp_path / "in", "x.jpg", "x.png")
    for glob, expected in (("*.jpg", "x.jpg.webp"), ("*.png", "x.png.webp")):
        (job,) = plan([tmp_path / "in"], tmp_path / "out", [glob], Naming(format="webp"))
        assert job.name == expected


@CASE_COUNTS
@pytest.mark.parametrize(
    "naming", [Naming(), Naming("_b"), Naming("", "png"), Naming("_b", "jpeg"), Naming(".x", "webp")]
)
def test_no_two_translations_of_a_folder_ever_meet(tmp_path, naming):
    stems = (
        "x",
        "X",
        "x.JPG",
        "x.jpg",
        "x_b",
        "x.png",
        "x_b.jpg",
        "x.x",
        "x.jpg.png",
        "\uff58",
        "\u00e9",
        "e\u0301",
        "x.",
    )
    pictures = {f"{stem}{suffix}" for stem in stems for suffix in (".jpg", ".JPG", ".jpeg", ".png", ".tif", ".bmp")}
    put(tmp_path / "in", *pictures)
    found = [job.name for job in plan([tmp_path / "in"], tmp_path / "out", naming=naming)]
    assert len(found) == len(pictures)
    assert len(set(found)) == len(found)


def test_a_name_that_the_disk_cannot_hold_is_refused(tmp_path):
    put(tmp_path / "in", "é" * 124 + ".jpg")
    assert plan([tmp_path / "in"], tmp_path / "out").count() == 1
    with pytest.raises(
        UsageError, match=r"jpg: its translation would have a name of 256 bytes, the disk takes 255 \(é+"
    ):
        plan([tmp_path / "in"], tmp_path / "out", naming=Naming("_b" * 2))


def test_a_format_that_cannot_be_written_is_refused_and_names_the_way_out(tmp_path):
    put(tmp_path / "in", "a.jp2", "b.jpg", "deep/c.JP2")
    with pytest.raises(UsageError) as refusal:
        plan([tmp_path / "in"], tmp_path / "out", writable=WITHOUT_JPEG_2000)
    assert str(refusal.value) == (
        f"2 pictures, such as {tmp_path}/in/a.jp2: cannot be written as .jp2; say in which format, such as --format png"
    )
    with pytest.raises(UsageError, match=r"^/.*/in/deep/c\.JP2: cannot be written as \.jp2; say in which format, "):
        plan([tmp_path / "in" / "deep"], tmp_path / "out", writable=WITHOUT_JPEG_2000)
    assert plan([tmp_path / "in"], tmp_path / "out", ["*.jpg"], writable=WITHOUT_JPEG_2000).count() == 1
    png = Naming(format="png")
    jobs = plan([tmp_path / "in"], tmp_path / "out", naming=png, writable=WITHOUT_JPEG_2000)
    assert [job.name for job in jobs] == ["a.png", "b.png", "deep/c.png"]
    with pytest.raises(UsageError, match=r"^--format webp: cannot be written here \(one of \.jpg, \.png can\)$"):
        plan([tmp_path / "in"], tmp_path / "out", naming=Naming(format="webp"), writable=WITHOUT_JPEG_2000)


# Disks where upper and lower case are the same


def test_the_disk_says_whether_upper_and_lower_case_are_the_same(tmp_path):
    put(tmp_path, "Abc")
    assert ignores_case(tmp_path) == ignores_case(tmp_path / "not" / "yet") == (tmp_path / "aBC").exists()


@CASE_COUNTS
def test_twins_but_for_the_case_are_two_files_where_the_disk_tells_them_apart(tmp_path):
    put(tmp_path / "in", "x.jpg", "X.JPG", "A/y.jpg", "a/y.jpg")
    assert names(tmp_path / "in") == ["X.JPG", "x.jpg", "A/y.jpg", "a/y.jpg"]


@CASE_COUNTS
@pytest.mark.parametrize(
    ("pictures", "both"),
    [
        (["x.jpg", "X.JPG"], "X.JPG and x.jpg"),
        (["A/y.jpg", "a/y.jpg"], "A and a"),
        (["deep/\u00e9.jpg", "deep/e\u0301.jpg"], "deep/e\u0301.jpg and deep/\u00e9.jpg"),
        (["x.jpg", "X.jpg/y.jpg"], "X.jpg and x.jpg"),
    ],
)
def test_twins_but_for_the_case_are_refused_where_the_disk_takes_them_for_one(tmp_path, monkeypatch, pictures, both):
    put(tmp_path / "in", *pictures)
    monkeypatch.setattr("i2i.inference.places.conflicts.ignores_case", lambda folder: True)
    with pytest.raises(UsageError) as refusal:
        plan([tmp_path / "in"], tmp_path / "out")
    assert str(refusal.value) == (
        f"{both}: would be one, as upper and lower case are the same on the disk of {tmp_path}/out; rename one, "
        "or choose another --dst"
    )


# Sources and destinations that overlap


def test_translations_among_their_pictures_are_refused_for_what_would_come_of_it(tree):
    for naming in (Naming("_b"), Naming(format="webp")):
        with pytest.raises(UsageError) as refusal:
            plan([tree / "a"], tree / "a", naming=naming)
        what = "--dst is the same folder as --src; the next run would translate the translations too"
        assert str(refusal.value) == f"{tree}/a: {what}"


def test_the_source_is_never_the_destination(tree):
    (tree / "link").symlink_to(tree / "a")
    for destination in (tree / "a", tree / "b" / ".." / "a", tree / "link"):
        with pytest.raises(UsageError, match=r"--dst is the same folder as --src; the originals would be overwritten"):
            plan([tree / "b", tree / "a"], destination)
    with pytest.raises(UsageError, match=r"a: --dst is the same folder as --src"):
        plan([tree / "link"], tree / "a")


def test_a_single_file_is_never_overwritten(tree):
    (tree / "link").symlink_to(tree / "a")
    os.link(tree / "a" / "x.jpg", tree / "a" / "x_b.jpg")
    for naming in (Naming(), Naming("_b")):
        for destination in (tree / "a", tree / "link"):
            with pytest.raises(UsageError) as refusal:
                plan([tree / "a" / "x.jpg"], destination, naming=naming)
            what = f"the translation of {tree}/a/x.jpg would overwrite it; choose another --dst, or a --suffix"
            assert str(refusal.value) == f"{tree}/a/x.jpg: {what}"


def test_a_translation_may_lie_beside_a_single_file_under_another_name(tree):
    assert names(tree / "a" / "x.jpg", destination=tree / "a", naming=Naming("_b")) == ["x_b.jpg"]
    assert names(tree / "a" / "x.jpg", destination=tree / "a", naming=Naming(format="png")) == ["x.png"]


def test_no_translation_goes_among_the_originals(tree):
    put(tree, "b/b/x.jpg", "c/y.jpg")
    (tree / "out").mkdir()
    (tree / "out" / "deep").symlink_to(tree / "a")
    for sources, destination, source, target in (
        (["b"], "", "b/b/x.jpg", "b/x.jpg"),
        (["a"], "out", "a/deep/y.PNG", "out/deep/y.PNG"),
    ):
        with pytest.raises(UsageError) as refusal:
            plan([tree / name for name in sources], tree / destination)
        what = f"the translation of {tree / source} would be written among the originals; choose another --dst"
        assert str(refusal.value) == f"{tree / target}: {what}"


def test_a_destination_above_the_source_is_all_right_and_again_the_next_time(tree):
    for _ in range(2):
        jobs = plan([tree / "a"], tree)
        assert [job.name for job in jobs] == ["x.jpg", "deep/y.PNG"]
        for job in jobs:
            put(tree, job.name)


def test_a_destination_inside_the_source_is_not_read(tree):
    put(tree, "a/out/old.png", "a/out/deep/old.png", "a/output/more.png")
    (tree / "a" / "link").symlink_to(tree / "a" / "out" / "deep")
    (tree / "a" / "again").symlink_to(tree / "a" / "out")
    (tree / "there").symlink_to(tree / "a" / "out")
    for destination in (tree / "a" / "out", tree / "a" / "deep" / ".." / "out", tree / "there"):
        jobs = plan([tree / "a"], destination)
        assert [job.name for job in jobs] == ["x.jpg", "deep/y.PNG", "output/more.png"]


def test_a_source_inside_the_destination_is_read(tree):
    assert names(tree / "a" / "deep", destination=tree / "a") == ["y.PNG"]


def test_a_file_where_a_folder_is_to_be_is_refused(tree):
    put(tree, "out/deep")
    with pytest.raises(UsageError) as refusal:
        plan([tree / "a"], tree / "out")
    what = f"translations of {tree}/a/deep are to go into a folder of this name; choose another --dst"
    assert str(refusal.value) == f"{tree}/out/deep: is no folder, and {what}"


def test_missing_and_empty_sources_are_one_line(tree):
    with pytest.raises(UsageError, match="nowhere: no such file or folder"):
        plan([tree / "a", tree / "nowhere"], tree / "out")
    with pytest.raises(UsageError, match=r"notes\.txt: not a picture's suffix \(one of .*\.jpg"):
        plan([tree / "a" / "notes.txt"], tree / "out")
    (tree / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty: holds no pictures \(looked for .*\.jpg"):
        plan([tree / "a", tree / "empty"], tree / "out")
    assert plan([tree / "empty"], tree / "out", may_be_empty=True).count() == 0
    (tree / "empty" / "link").symlink_to(tree / "a")
    assert plan([tree / "a", tree / "empty"], tree / "out").count() == 2
    (tree / "broken.jpg").symlink_to("nowhere.jpg")
    with pytest.raises(UsageError, match=r"broken\.jpg: the link leads to nothing \(nowhere\.jpg\)$"):
        plan([tree / "broken.jpg"], tree / "out")


def test_an_empty_source_is_not_the_folder_one_is_in(tree, monkeypatch):
    monkeypatch.chdir(tree / "a")
    for sources in ([""], [tree / "b", ""]):
        with pytest.raises(UsageError, match=r"^--src: empty; \. is the current folder$"):
            plan(sources, tree / "out")
    assert names(".", destination=tree / "out") == ["x.jpg", "deep/y.PNG"]


@pytest.fixture
def refused(monkeypatch):
    """Names of folders that cannot be read."""
    scandir, closed = os.scandir, set()

    def refuse(folder):
        if Path(folder).name in closed:
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr("i2i.images.sources.listing.os.scandir", refuse)
    return closed


def reason_of(job):
    with pytest.raises(BrokenPicture) as caught, decoding(job.source):
        raise AssertionError
    return str(caught.value)


def test_a_source_that_cannot_be_read_is_named(tree, refused):
    refused.add("a")
    with pytest.raises(I2IError) as caught:
        plan([tree / "b", tree / "a"], tree / "out")
    assert type(caught.value) is I2IError
    assert str(caught.value) == f"{tree}/a: permission denied"


@pytest.mark.parametrize("naming", [Naming(), Naming("_b", "png")])
def test_a_folder_in_a_source_that_cannot_be_read_is_a_job_that_fails(tree, refused, naming):
    refused.add("deep")
    put(tree, "a/deeper/z.jpg")
    jobs = plan([tree / "a"], tree / "out", naming=naming)
    found = {Path(job.name).with_suffix("").as_posix().removesuffix("_b"): job for job in jobs}
    assert list(found) == ["x", "deep", "deeper/z"]
    assert jobs.count() == 3
    assert found["deep"].target == tree / "out" / "deep"
    assert reason_of(found["deep"]) == f"{tree}/a/deep: permission denied"
    refused.clear()
    assert len(list(jobs)) == 3
    assert "deep/y" in {Path(job.name).with_suffix("").as_posix().removesuffix("_b") for job in jobs}


def test_a_folder_that_cannot_be_read_is_told_whatever_is_asked_for(tree, refused):
    refused.add("deep")
    jobs = plan([tree / "a", tree / "b"], tree / "out", ["*.bmp"])
    assert [job.name for job in jobs] == ["a/deep", "b/z.bmp"]
    with pytest.raises(UsageError, match=r"^--glob '\*\.gif': fits no picture \(found 3, such as "):
        plan([tree / "a", tree / "b"], tree / "out", ["*.gif"])
    (tree / "only" / "deep").mkdir(parents=True)
    assert [job.name for job in plan([tree / "only"], tree / "out")] == ["deep"]


def test_a_folder_that_cannot_be_read_needs_no_mask_and_one_of_masks_ends_it(masked, refused):
    refused.add("deep")
    (masked / "masks" / "deep").rename(masked / "masks" / "other")
    jobs = with_masks(plan([masked / "a"], masked / "out"), masked / "masks")
    assert [(job.name, job.mask) for job in jobs] == [("x.jpg", masked / "masks" / "x.png"), ("deep", None)]
    refused.add("other")
    with pytest.raises(I2IError, match=r"/masks/other: permission denied$"):
        with_masks(plan([masked / "a"], masked / "out"), masked / "masks")


def test_a_link_that_leads_nowhere_is_a_picture_that_fails(tree):
    (tree / "a" / "lost.jpg").symlink_to("gone.jpg")
    (tree / "a" / "loop.PNG").symlink_to("loop.PNG")
    jobs = plan([tree / "a"], tree / "out", naming=Naming("_b"))
    assert [job.name for job in jobs] == ["loop_b.PNG", "lost_b.jpg", "x_b.jpg", "deep/y_b.PNG"]
    loop, lost, *_ = jobs
    assert reason_of(lost) == f"{tree}/a/lost.jpg: the link leads to nothing (gone.jpg)"
    assert reason_of(loop) == f"{tree}/a/loop.PNG: the link leads to nothing (loop.PNG)"
    assert [job.name for job in plan([tree / "a"], tree / "out", ["x.*"])] == ["x.jpg"]
    put(tree, "a/gone.jpg")
    assert next(job.source for job in jobs if job.name == "lost_b.jpg") == tree / "a" / "lost.jpg"


@pytest.mark.skipif(os.name == "nt", reason="needs permissions")
def test_a_link_that_may_not_be_followed_fails_alone(tree, monkeypatch):
    for name in ("secret.jpg", "secrets"):
        (tree / "a" / name).symlink_to(tree / "b")
    scandir, stat = os.scandir, os.stat

    class Entry:
        def __init__(self, entry):
            self.entry, self.name = entry, entry.name

        def __getattr__(self, name):
            return getattr(self.entry, name)

        def stat(self):
            return refuse(self.entry.path)

    def refuse(path, **how):
        if Path(path).name.startswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **how)

    class Folder:
        def __init__(self, folder):
            self.entries = scandir(folder)

        def __enter__(self):
            return map(Entry, self.entries)

        def __exit__(self, *problem):
            self.entries.close()

    monkeypatch.setattr("i2i.images.sources.listing.os.scandir", Folder)
    monkeypatch.setattr("i2i.images.sources.listing.os.stat", refuse)
    jobs = list(plan([tree / "a"], tree / "out"))
    assert [job.name for job in jobs] == ["secret.jpg", "x.jpg", "deep/y.PNG", "secrets"]
    assert reason_of(jobs[0]) == f"{tree}/a/secret.jpg: permission denied"
    assert reason_of(jobs[3]) == f"{tree}/a/secrets: permission denied"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_neither_file_nor_folder_is_told(tree):
    os.mkfifo(tree / "pipe")
    with pytest.raises(UsageError, match=r"/pipe: is a pipe, not a file or a folder$"):
        plan([tree / "pipe"], tree / "out")
    with pytest.raises(UsageError, match=r"^/dev/null: is a device, not a file or a folder$"):
        plan(["/dev/null"], tree / "out")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tree / "s"))
        with pytest.raises(UsageError, match=r"/s: is a socket, not a file or a folder$"):
            plan([tree / "s"], tree / "out")
    with pytest.raises(UsageError, match=r"/pipe: is a pipe, not a file or a folder; --dst is a folder to write to$"):
        plan([tree / "a"], tree / "pipe")


def test_a_source_that_may_not_be_looked_at_is_not_called_missing(tree, monkeypatch):
    stat = os.stat

    def refuse(path, **how):
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **how)

    monkeypatch.setattr("i2i.images.sources.listing.os.stat", refuse)
    with pytest.raises(UsageError, match=r"/secret: permission denied$"):
        plan([tree / "secret"], tree / "out")


def test_a_destination_that_is_a_link_to_nothing_is_told(tree):
    (tree / "link").symlink_to("nowhere")
    with pytest.raises(
        UsageError, match=r"/link: the link leads to nothing \(nowhere\); --dst is a folder to write to$"
    ):
        plan([tree / "a"], tree / "link")
    (tree / "nowhere").mkdir()
    assert plan([tree / "a"], tree / "link").count() == 2


def test_a_link_to_itself_is_one_line(tree):
    (tree / "loop").symlink_to(tree / "loop")
    with pytest.raises(UsageError, match=r"loop: the link leads to nothing \(.*loop\)$"):
        plan([tree / "loop"], tree / "out")
    with pytest.raises(UsageError, match=r"loop: the link leads to nothing \(.*loop\); --dst is a folder to write to$"):
        plan([tree / "b"], tree / "loop")
    assert plan([tree / "b"], tree / "loop" / "deep").count() == 2
    with pytest.raises(I2IError, match="cannot be written to: "):
        make_destination(tree / "loop" / "deep")


def test_a_destination_that_is_a_file_is_refused_before_anything_is_done(tree):
    for sources in ([tree / "a"], [tree / "b" / "x.jpg"], []):
        with pytest.raises(UsageError) as refusal:
            plan(sources, tree / "b" / "x.jpg")
        assert str(refusal.value) == f"{tree}/b/x.jpg: is a file; --dst is a folder to write to"


def test_a_destination_behind_a_url_is_refused(tree):
    for destination in (Path("s3://bucket/out"), Path("memory:/out")):
        with pytest.raises(UsageError, match=r"^(s3://bucket|memory:/)/out: --dst is a folder of this machine; "):
            plan([tree / "a"], destination)


def test_a_destination_that_cannot_be_written_is_one_line(tree):
    make_destination(tree / "new" / "deep")
    assert not list((tree / "new" / "deep").iterdir())
    with pytest.raises(I2IError, match=r"x\.jpg/out: cannot be written to: Not a directory"):
        make_destination(tree / "a" / "x.jpg" / "out")
    with pytest.raises(I2IError, match=r"x\.jpg: cannot be written to: File exists"):
        make_destination(tree / "a" / "x.jpg")


def test_planning_writes_nothing(tree):
    before = sorted(tree.rglob("*"))
    plan([tree / "a"], tree / "out")
    assert sorted(tree.rglob("*")) == before


# Patterns


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (["*.jpg"], {"a/x.jpg"}),
        (["x.*", "z.*"], {"a/x.jpg", "b/z.bmp"}),
        (["?.PNG"], {"a/deep/y.PNG"}),
        (["?.png"], None),
        (["[xy].*"], {"a/x.jpg", "a/deep/y.PNG"}),
        (["deep/*"], {"a/deep/y.PNG"}),
        (["*/*"], {"a/deep/y.PNG"}),
        (["**/*.jpg"], {"a/x.jpg"}),
        (["de*/**"], {"a/deep/y.PNG"}),
        (["a/*"], None),
        (["deep"], None),
    ],
)
def test_patterns_pick_by_name_or_by_the_path_below_the_source(tree, globs, expected):
    sources = [tree / "a", tree / "b" / "z.bmp"]
    if expected is None:
        with pytest.raises(UsageError) as refusal:
            plan(sources, tree / "out", globs)
        example = tree / "a" / "x.jpg"
        assert str(refusal.value) == f"--glob '{globs[0]}': fits no picture (found 3, such as {example})"
    else:
        jobs = plan(sources, tree / "out", globs)
        assert {job.source.relative_to(tree).as_posix() for job in jobs} == expected
        assert jobs.count() == len(expected)


def test_several_patterns_that_nothing_fits_are_all_named(tree):
    with pytest.raises(UsageError, match=r"^--glob 'p' --glob 'q': fits no picture \(found 2, such as .*x\.jpg\)$"):
        plan([tree / "a"], tree / "out", ["p", "q"])


def test_no_translation_goes_onto_a_picture_that_a_pattern_left_out(tree):
    put(tree, "b/b/x.jpg")
    with pytest.raises(UsageError, match=r"b/x\.jpg: the translation of .*b/b/x\.jpg would be written among"):
        plan([tree / "b"], tree, ["b/*"])


# Masks


@pytest.fixture
def masked(tree):
    return put(tree, "masks/x.png", "masks/deep/y.png", "masks/notes.txt", "masks/.x.png")


def test_masks_are_found_by_the_names_of_pictures_whatever_their_translations_are_called(masked):
    jobs = with_masks(plan([masked / "a"], masked / "out", naming=Naming("_b", "webp")), masked / "masks")
    assert {job.name: job.mask.relative_to(masked).as_posix() for job in jobs} == {
        "x_b.webp": "masks/x.png",
        "deep/y_b.webp": "masks/deep/y.png",
    }
    assert jobs.count() == 2


def test_one_mask_is_for_every_picture(masked):
    jobs = with_masks(plan([masked / "a"], masked / "out"), masked / "masks" / "x.png")
    assert [job.mask for job in jobs] == [masked / "masks" / "x.png"] * 2


def test_a_picture_that_arrives_before_its_mask_waits_for_it(masked):
    jobs = with_masks(plan([masked / "a"], masked / "out"), masked / "masks")
    put(masked, "a/new.jpg")
    assert "new.jpg" not in [job.name for job in jobs]
    put(masked, "masks/new.webp")
    assert "new.jpg" in [job.name for job in jobs]


@pytest.mark.parametrize(
    ("there", "given", "complaint"),
    [
        ([], "masks", "{}/a/z.png: needs one mask of its name, found no z.* in {}/masks"),
        (["masks/z.bmp", "masks/z.webp"], "masks",
         "{}/a/z.png: needs one mask of its name, found {}/masks/z.bmp and {}/masks/z.webp"),
        ([], "nowhere", "{}/nowhere: no such file or folder"),
        (["empty/notes.txt"], "empty", "{}/empty: holds no pictures (looked for .apng"),
        (["a/masks/z.png", "a/masks/x.png", "a/masks/deep/y.png"], "a/masks",
         "{}/a/masks/x.png: is a mask, and in --src; keep masks in a folder of their own"),
        (["a/b.png"], "a/b.png", "{}/a/b.png: is a mask, and in --src; keep masks in a folder of their own"),
        (["out/x.jpg", "out/z.png", "out/deep/y.PNG"], "out",
         "{}/out/x.jpg: the translation of {}/a/x.jpg would overwrite this mask; choose another --dst"),
        (["out/z.png"], "out/z.png",
         "{}/out/z.png: the translation of {}/a/z.png would overwrite this mask; choose another --dst"),
    ],
)  # fmt: skip
def test_masks_that_do_not_belong_are_refused(masked, there, given, complaint):
    put(masked, "a/z.png", *there)
    with pytest.raises(UsageError) as refusal:
        with_masks(plan([masked / "a"], masked / "out"), masked / given)
    assert str(refusal.value).startswith(complaint.replace("{}", str(masked)))


# Archives and URLs as sources; how they are read is tested in tests/images


def packed(archive: Path, *members: str) -> Path:
    picture = archive.with_name("picture.png")
    Image.new("RGB", (2, 2)).save(picture)
    with tarfile.open(archive, "w") as tar:
        for member in members:
            tar.add(picture, member)
    picture.unlink()
    return archive


def test_a_lone_archive_is_like_a_folder(tmp_path):
    archive = packed(tmp_path / "photos.tar", "b/x.png", "a.png", "b/c/y.png")
    jobs = list(plan([archive], tmp_path / "out"))
    assert [job.name for job in jobs] == ["b/x.png", "a.png", "b/c/y.png"]
    assert str(jobs[0].source) == f"{archive}/b/x.png"
    with jobs[0].source.open("rb") as stream, Image.open(stream) as picture:
        assert picture.size == (2, 2)
    assert [job.name for job in plan([archive], tmp_path / "out", ["b/*"])] == ["b/x.png"]
    assert next(job.name for job in plan([archive], tmp_path / "out", naming=Naming("_b", "webp"))) == "b/x_b.webp"


def test_a_range_of_archives_is_one_folder_each(tmp_path):
    for number in (9, 10, 11):
        packed(tmp_path / f"shards-{number:03d}.tar", "0.png")
    jobs = plan([f"{tmp_path}/shards-{{009..011}}.tar"], tmp_path / "out")
    assert [job.name for job in jobs] == [f"shards-{number:03d}.tar/0.png" for number in (9, 10, 11)]
    with pytest.raises(UsageError, match=r"/shards-008\.tar: no such file or folder$"):
        plan([f"{tmp_path}/shards-{{008..011}}.tar"], tmp_path / "out")


def test_pictures_of_an_archive_take_masks_from_a_folder(tmp_path):
    archive = packed(tmp_path / "photos.tar", "b/x.png")
    put(tmp_path, "masks/b/x.bmp")
    (job,) = with_masks(plan([archive], tmp_path / "out"), tmp_path / "masks")
    assert job.mask == tmp_path / "masks" / "b" / "x.bmp"


def test_an_archive_that_no_tree_can_mirror_is_refused(tmp_path):
    archive = packed(tmp_path / "photos.tar", "x.png", "x.png/y.png")
    with pytest.raises(
        UsageError, match=r"photos\.tar/x\.png: its translation would have the name of the folder x\.png"
    ):
        plan([archive], tmp_path / "out")
    long = packed(tmp_path / "long.tar", "é" * 128 + "/y.png")
    with pytest.raises(UsageError, match=r"its translation would have a name of 256 bytes, the disk takes 255"):
        plan([long], tmp_path / "out")


def test_a_url_and_a_folder_have_nothing_in_common(tree):
    pytest.importorskip("upath")
    with pytest.raises(UsageError, match=r"^/.*/a and memory:/photos: have no folder in common; translate them one "):
        plan([tree / "a", "memory://photos"], tree / "out")


def test_an_archive_to_write_is_new_and_a_tar(tmp_path):
    assert tar_of(tmp_path / "out") is None
    assert tar_of(tmp_path / "out.tar") == tmp_path / "out.tar"
    with pytest.raises(UsageError, match=r"out\.zip: --dst is a folder to write to, or a \.tar$"):
        tar_of(tmp_path / "out.zip")
    with pytest.raises(UsageError, match=r"out\.tar\.gz: "):
        tar_of(tmp_path / "out.tar.gz")
    (tmp_path / "out.tar").touch()
    with pytest.raises(UsageError, match=r"out\.tar: is there already; delete it or choose another --dst$"):
        tar_of(tmp_path / "out.tar")
    (tmp_path / "folder.tar").mkdir()
    assert tar_of(tmp_path / "folder.tar") is None

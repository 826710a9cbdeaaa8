import errno

import pytest
import torch
from PIL import Image

from i2i import Geometry, I2IError, UsageError
from i2i.inference.files import make_destination, plan, translate_files
from i2i.inference.translator import Translated


@pytest.fixture
def tree(tmp_path):
    for name in ("a/x.jpg", "a/deep/y.PNG", "b/x.jpg", "b/z.bmp"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(path)
    (tmp_path / "a" / "notes.txt").write_text("not a picture")
    return tmp_path


def test_folders_and_names_are_kept(tree):
    jobs = {job.source.relative_to(tree).as_posix(): job.target for job in plan([tree / "a"], tree / "out")}
    assert jobs == {"a/x.jpg": tree / "out" / "x.jpg", "a/deep/y.PNG": tree / "out" / "deep" / "y.PNG"}


def test_single_files_go_by_their_name(tree):
    (job,) = plan([tree / "a" / "deep" / "y.PNG"], tree / "out")
    assert job.target == tree / "out" / "y.PNG"


def test_the_same_file_twice_is_done_once(tree):
    assert len(plan([tree / "a", tree / "a" / "x.jpg"], tree / "out")) == 2


def test_two_files_for_one_place_are_refused_by_name(tree):
    with pytest.raises(UsageError, match=r"out/x\.jpg: .*a/x\.jpg and .*b/x\.jpg would both be written there"):
        plan([tree / "a", tree / "b"], tree / "out")


def test_the_source_is_never_the_destination(tree):
    (tree / "link").symlink_to(tree / "a")
    for destination in (tree / "a", tree / "b" / ".." / "a", tree / "link"):
        with pytest.raises(UsageError, match=r"--dst is the same folder as --src; the originals would be overwritten"):
            plan([tree / "a"], destination)


def test_no_translation_goes_onto_a_source(tree):
    (tree / "b" / "deep").mkdir()
    Image.new("RGB", (4, 4)).save(tree / "b" / "deep" / "y.PNG")
    (tree / "link").symlink_to(tree / "b")
    for sources, destination, translated, original in (
        (["a/x.jpg"], "a", "a/x.jpg", "a/x.jpg"),
        (["a", "b/deep"], "b", "a/deep/y.PNG", "b/deep/y.PNG"),
        (["b/deep", "a"], "link", "a/deep/y.PNG", "b/deep/y.PNG"),
    ):
        with pytest.raises(UsageError) as refusal:
            plan([tree / source for source in sources], tree / destination)
        assert str(refusal.value) == (
            f"{tree / original}: the translation of {tree / translated} would overwrite it; choose another --dst"
        )


def test_a_destination_inside_the_source_is_not_read(tree):
    out = tree / "a" / "out"
    out.mkdir()
    Image.new("RGB", (4, 4)).save(out / "old.png")
    assert {job.source.name for job in plan([tree / "a"], out)} == {"x.jpg", "y.PNG"}


def test_missing_and_empty_sources_are_one_line(tree):
    with pytest.raises(UsageError, match="nowhere: no such file or folder"):
        plan([tree / "nowhere"], tree / "out")
    (tree / "empty").mkdir()
    with pytest.raises(UsageError, match="empty: holds no pictures"):
        plan([tree / "empty"], tree / "out")


def test_a_link_to_itself_is_one_line(tree):
    (tree / "loop").symlink_to(tree / "loop")
    with pytest.raises(UsageError, match="loop: no such file or folder"):
        plan([tree / "loop"], tree / "out")
    for destination in (tree / "loop", tree / "loop" / "deep"):
        assert plan([tree / "a"], destination)
        with pytest.raises(I2IError, match="cannot be written to: "):
            make_destination(destination)


def test_a_destination_that_is_a_file_is_refused_before_anything_is_done(tree):
    for sources in ([tree / "a"], [tree / "b" / "x.jpg"], []):
        with pytest.raises(UsageError) as refusal:
            plan(sources, tree / "b" / "x.jpg")
        assert str(refusal.value) == f"{tree}/b/x.jpg: is a file; --dst is a folder to write to"


def test_a_destination_that_cannot_be_written_is_one_line(tree):
    make_destination(tree / "new" / "deep")
    assert not list((tree / "new" / "deep").iterdir())
    with pytest.raises(I2IError, match=r"x\.jpg/out: cannot be written to: Not a directory"):
        make_destination(tree / "a" / "x.jpg" / "out")
    with pytest.raises(I2IError, match=r"x\.jpg: cannot be written to: File exists"):
        make_destination(tree / "a" / "x.jpg")


class Widening:
    """Answers every picture with a white one as wide as the file's name says."""

    geometry = Geometry()

    def stream(self, jobs, batch, seed, picture_of, onlooker, mask_of):
        for index, job in enumerate(jobs):
            yield Translated(index, job, torch.ones(3, 1, int(picture_of(job).stem)))


@pytest.fixture
def jobs(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("10.webp", "16400.webp", "20.webp"):
        (tmp_path / "in" / name).touch()
    return plan([tmp_path / "in"], tmp_path / "out")


def test_a_translation_that_its_format_cannot_hold_is_named_and_the_rest_is_written(jobs, tmp_path):
    written = []
    done = list(translate_files(Widening(), jobs, 1, written=written.append))
    (broken,) = [result.broken for result in done if result.broken is not None]
    assert str(broken).startswith(f"{tmp_path}/out/16400.webp: cannot be written (16400×1 as WEBP: ")
    assert broken.__traceback__ is None
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["10.webp", "20.webp"]
    assert sorted(job.target.name for job in written) == ["10.webp", "20.webp"]


def test_a_full_disk_stops_everything_in_one_line(jobs, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("i2i.images.encode.os.fsync", full)
    with pytest.raises(I2IError, match=r"out/10\.webp: cannot be written \(no space left on device\)"):
        list(translate_files(Widening(), jobs, 1))
    assert list((tmp_path / "out").iterdir()) == []


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
        example = tree / "a" / "deep" / "y.PNG"
        assert str(refusal.value) == f"--glob '{globs[0]}': fits no picture (found 3, such as {example})"
    else:
        picked = {job.source.relative_to(tree).as_posix() for job in plan(sources, tree / "out", globs)}
        assert picked == expected


def test_several_patterns_that_nothing_fits_are_all_named(tree):
    with pytest.raises(UsageError, match=r"^--glob 'p' --glob 'q': fits no picture \(found 2, such as .*y\.PNG\)$"):
        plan([tree / "a"], tree / "out", ["p", "q"])


def test_two_files_for_one_place_are_no_matter_where_a_pattern_picks_one(tree):
    Image.new("RGB", (4, 4)).save(tree / "b" / "x_LR.jpg")
    assert len(plan([tree / "a", tree / "b"], tree / "out", ["*_LR.jpg"])) == 1


def test_no_translation_goes_onto_a_picture_that_a_pattern_left_out(tree):
    (tree / "b" / "deep").mkdir()
    Image.new("RGB", (4, 4)).save(tree / "b" / "deep" / "y.PNG")
    with pytest.raises(UsageError, match=r"b/deep/y\.PNG: the translation of .*a/deep/y\.PNG would overwrite it"):
        plan([tree / "a", tree / "b" / "deep"], tree / "b", ["deep/*"])

import pytest
from PIL import Image

from i2i import I2IError, UsageError
from i2i.inference.files import make_destination, plan


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
    with pytest.raises(UsageError, match=r"x\.jpg: would be overwritten by its own translation"):
        plan([tree / "a" / "x.jpg"], tree / "a")


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


def test_a_destination_that_cannot_be_written_is_one_line(tree):
    make_destination(tree / "new" / "deep")
    assert not list((tree / "new" / "deep").iterdir())
    with pytest.raises(I2IError, match=r"x\.jpg/out: cannot be written to: Not a directory"):
        make_destination(tree / "a" / "x.jpg" / "out")
    with pytest.raises(I2IError, match=r"x\.jpg: cannot be written to: File exists"):
        make_destination(tree / "a" / "x.jpg")

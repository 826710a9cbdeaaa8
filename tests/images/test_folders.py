from __future__ import annotations

from pathlib import Path

import pytest

from i2i.errors import I2IError, UsageError
from i2i.images.folders import PICTURE_SUFFIXES, find_pictures

LOOKED_FOR = ", ".join(sorted(PICTURE_SUFFIXES))


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def names(root: Path, exclude: Path | None = None) -> list[str]:
    return [path.relative_to(root).as_posix() for path in find_pictures(root, exclude)]


def test_pictures_are_found_at_every_depth_in_the_order_of_their_posix_paths(tmp_path: Path) -> None:
    put(tmp_path, "b.png", "a/z.jpg", "a/b/c.gif", "a.jpg", "a-1.jpg", "B.jpg")
    assert names(tmp_path) == sorted(["b.png", "a/z.jpg", "a/b/c.gif", "a.jpg", "a-1.jpg", "B.jpg"])


def test_suffixes_count_in_either_case(tmp_path: Path) -> None:
    wanted = [f"{number}{suffix}" for number, suffix in enumerate(sorted(PICTURE_SUFFIXES))]
    put(tmp_path, *wanted, "x.JPG", "y.Png")
    assert names(tmp_path) == sorted([*wanted, "x.JPG", "y.Png"])


def test_hidden_and_other_files_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "a.png", ".hidden.png", "._a.jpg", ".thumbnails/a.png", "notes.txt", "labels.csv", "png", ".png")
    assert names(tmp_path) == ["a.png"]


def test_a_hidden_root_is_looked_into(tmp_path: Path) -> None:
    put(tmp_path / ".cache", "a.png")
    assert names(tmp_path / ".cache") == ["a.png"]


def test_a_single_picture_is_returned_alone(tmp_path: Path) -> None:
    put(tmp_path, "a.PNG", "b.png")
    assert find_pictures(tmp_path / "a.PNG") == [tmp_path / "a.PNG"]


def test_a_single_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "notes.txt")
    with pytest.raises(UsageError) as caught:
        find_pictures(tmp_path / "notes.txt")
    assert str(caught.value) == f"{tmp_path}/notes.txt: not a picture's suffix (one of {LOOKED_FOR})"


def test_a_missing_folder_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        find_pictures(Path("no/such/photos"))
    assert str(caught.value) == "no/such/photos: no such file or folder"


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "notes.txt")
    with pytest.raises(UsageError) as caught:
        find_pictures(tmp_path)
    assert str(caught.value) == f"{tmp_path}: holds no pictures (looked for {LOOKED_FOR})"


def test_an_excluded_folder_is_left_out_however_it_is_written(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "out/b.png", "out/deep/c.png", "output/d.png")
    (tmp_path / "link").symlink_to(tmp_path / "out" / "deep")
    assert names(tmp_path, tmp_path / "output" / ".." / "out") == ["a.png", "output/d.png"]


def test_excluding_the_root_or_a_folder_around_it_leaves_nothing_out(tmp_path: Path) -> None:
    put(tmp_path, "photos/a.png")
    assert names(tmp_path / "photos", tmp_path / "photos") == ["a.png"]
    assert names(tmp_path / "photos", tmp_path) == ["a.png"]


def test_links_that_lead_in_circles_end_and_each_picture_is_found_once(tmp_path: Path) -> None:
    put(tmp_path, "a/one.png", "b/two.png")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "across").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "across").symlink_to(tmp_path / "a")
    (tmp_path / "itself").symlink_to("itself")
    (tmp_path / "dangling.png").symlink_to("nowhere.png")
    assert names(tmp_path) == ["a/one.png", "b/two.png"]


def test_a_linked_folder_is_followed(tmp_path: Path) -> None:
    put(tmp_path, "elsewhere/one.png")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "more").symlink_to(tmp_path / "elsewhere")
    assert names(tmp_path / "photos") == ["more/one.png"]


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("i2i.images.folders.os.scandir", refuse)
    with pytest.raises(I2IError) as caught:
        find_pictures(tmp_path)
    assert str(caught.value) == f"{tmp_path}: permission denied"

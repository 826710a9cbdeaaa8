"""Datasets whose pictures a text file names."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

from i2i import BrokenPicture, UsageError
from i2i.datasets import PairedOptions, SelfPairedOptions
from i2i.datasets.finding import find
from i2i.datasets.paired import Paired
from i2i.datasets.self_paired import SelfPaired


def paint(folder: Path, count: int) -> Path:
    rng = numpy.random.default_rng(count)
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.fromarray(rng.integers(0, 256, (10, 12, 3), dtype=numpy.uint8)).save(folder / f"{index}.png")
    return folder


def listed(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def opened(source: str | list[str], **options: Any) -> SelfPaired:
    return SelfPaired(SelfPairedOptions(**{"source": source, "resize": 9, "crop": 8, "validation": 0, **options}))


def sample(dataset: SelfPaired, index: int) -> torch.Tensor:
    return dataset.load(index, numpy.random.default_rng(index))["target"]


@pytest.fixture
def memory() -> Iterator[Any]:
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("upath")
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def test_a_list_names_pictures_relative_to_itself_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = paint(tmp_path / "data" / "photos", 3)
    elsewhere = paint(tmp_path / "elsewhere", 1)
    lines = ["# the best", "photos/2.png", "", f"  {elsewhere}/0.png  ", "photos/0.png", "photos/2.png"]
    monkeypatch.chdir(elsewhere)
    found = find([listed(tmp_path / "data" / "list.TXT", *lines)])
    assert list(found.pictures) == [photos / "2.png", elsewhere / "0.png", photos / "0.png"]
    assert list(found.pictures.values()) == ["photos/2.png", f"{elsewhere}/0.png".lstrip("/"), "photos/0.png"]
    dataset = opened(str(tmp_path / "data" / "list.TXT"))
    assert torch.equal(sample(dataset, 2), sample(opened(str(photos)), 2)) is False
    assert torch.equal(sample(dataset, 1), sample(opened([str(photos / "1.png"), str(elsewhere)]), 1))


def test_the_same_lines_written_as_whole_paths_are_held_out_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paint(tmp_path / "photos", 20)
    names = [f"photos/{index}.png" for index in range(20)]
    relative = opened(listed(tmp_path / "a.txt", *names), validation=0.3)
    whole = opened(listed(tmp_path / "b.lst", *(f"{tmp_path}/{name}" for name in names)), validation=0.3)
    assert relative.held_out == whole.held_out
    monkeypatch.chdir(tmp_path)
    assert opened("b.lst", validation=0.3).held_out == whole.held_out
    assert 1 < len(relative.held_out) < 12
    fewer = opened(listed(tmp_path / "a.txt", *names[:15]), validation=0.3)
    assert set(fewer.held_out) <= set(relative.held_out)


def test_a_line_may_be_a_folder_an_archive_or_a_range_of_these(tmp_path: Path) -> None:
    photos = paint(tmp_path / "photos", 3)
    for number in range(2):
        with tarfile.open(tmp_path / f"{number}.tar", "w") as tar:
            tar.add(photos / f"{number}.png", f"deep/{number}.png")
    found = find([listed(tmp_path / "shards.txt", "{0..1}.tar", "photos")])
    assert list(found.pictures.values()) == ["deep/0.png", "deep/1.png", "0.png", "1.png", "2.png"]
    assert len(found.states) == 3


def test_a_line_that_names_nothing_is_a_broken_picture(tmp_path: Path) -> None:
    photos = paint(tmp_path / "photos", 1)
    dataset = opened(listed(tmp_path / "list.txt", "photos/0.png", "photos/gone.png"))
    assert len(dataset) == 1
    assert [str(broken) for broken in dataset.broken] == [f"{photos}/gone.png: no such file or directory"]
    assert isinstance(dataset.broken[0], BrokenPicture)


def test_lists_in_two_folders_pair_what_has_the_same_name(tmp_path: Path) -> None:
    lists = [listed(paint(tmp_path / name, 3) / "train.txt", "2.png", "0.png") for name in ("photos", "maps")]
    dataset = Paired(PairedOptions(source=lists[0], target=lists[1], resize=9, crop=8, validation=0))
    assert {path.name: dataset.partners[path] for path in dataset.pictures} == {
        name: tmp_path / "maps" / name for name in ("2.png", "0.png")
    }


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "{list}: names no pictures (a path or a URL a line)"),
        (["# nothing", ""], "{list}: names no pictures (a path or a URL a line)"),
        (["0.png", "hello there"], "{list}, line 2: {folder}/hello there: no such file or folder"),
        (["other.txt"], "{list}, line 1: other.txt: is a list itself; a list names pictures, folders and archives"),
        (["no://such/x.png"], "{list}, line 1: no://such/x.png: no such kind of URL (Unsupported filesystem: 'no')"),
    ],
)
def test_a_list_that_says_nothing_sensible_is_refused(tmp_path: Path, lines: list[str], message: str) -> None:
    pytest.importorskip("upath")
    paint(tmp_path, 1)
    with pytest.raises(UsageError) as caught:
        opened(listed(tmp_path / "list.txt", *lines))
    assert str(caught.value) == message.format(list=tmp_path / "list.txt", folder=tmp_path)


def test_a_list_that_is_no_text_or_is_missing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00photos")
    with pytest.raises(UsageError) as caught:
        opened(str(tmp_path / "list.txt"))
    asked = "is read as a list, a path or a URL a line, and is no text in UTF-8"
    assert str(caught.value) == f"{tmp_path}/list.txt: {asked}"
    with pytest.raises(UsageError, match=r"gone\.txt: no such file or folder$"):
        opened(str(tmp_path / "gone.txt"))


def test_a_changed_list_is_told(tmp_path: Path) -> None:
    paint(tmp_path / "photos", 3)
    text = listed(tmp_path / "list.txt", "photos/0.png", "photos/1.png")
    before = opened(text).describe()
    assert opened(text).describe() == before
    listed(tmp_path / "list.txt", "photos/0.png", "photos/2.png")
    os.utime(text, ns=(0, 1))
    assert opened(text).describe() != before


def test_a_list_may_lie_behind_a_url_and_name_urls(tmp_path: Path, memory: Any) -> None:
    photos = paint(tmp_path / "photos", 3)
    for index in range(3):
        memory.pipe(f"/bucket/photos/{index}.png", (photos / f"{index}.png").read_bytes())
    memory.pipe("/bucket/list.txt", b"photos/0.png\nmemory://bucket/photos/1.png\nphotos/gone.png\n")
    dataset = opened("memory://bucket/list.txt")
    assert list(map(str, dataset.pictures)) == [f"memory://bucket/photos/{index}.png" for index in range(2)]
    assert [str(broken) for broken in dataset.broken] == ["memory://bucket/photos/gone.png: no such file or folder"]
    assert list(dataset.domain.pictures.values()) == ["photos/0.png", "photos/1.png"]
    mixed = opened(listed(tmp_path / "list.txt", "memory://bucket/photos/2.png", "photos/0.png"))
    here = opened(str(photos))
    for index in range(2):
        assert torch.equal(sample(dataset, index), sample(here, index))
    assert str(mixed.pictures[0]) == "memory://bucket/photos/2.png"
    with pytest.raises(UsageError, match=r"^memory://bucket/no\.txt: no such file or folder$"):
        opened("memory://bucket/no.txt")

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from i2i.images import survey as survey_module
from i2i.images.survey import survey


def test_sizes_modes_and_formats_are_counted_by_content(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (4, 3)).save(tmp_path / "a.jpg")
    Image.new("RGB", (4, 3)).save(tmp_path / "turned.jpg", exif=exif)
    Image.new("L", (5, 5)).save(tmp_path / "c.jpg", "PNG")
    found = survey(sorted(tmp_path.iterdir()))
    assert found.pictures == 3
    assert found.sizes == Counter({(4, 3): 1, (3, 4): 1, (5, 5): 1})
    assert found.modes == Counter({"RGB": 2, "L": 1})
    assert found.formats == Counter({"JPEG": 2, "PNG": 1})
    assert found.broken == []
    assert found.duplicates == []


def test_broken_files_are_found_behind_a_sound_header(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 50).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:1000])
    (tmp_path / "c.png").write_text("hello")
    found = survey([*sorted(tmp_path.iterdir()), tmp_path / "gone.png"], threads=2)
    assert found.pictures == 4
    assert found.sizes.total() == 1
    assert [(broken.path.name, broken.reason) for broken in found.broken] == [
        ("b.png", "truncated"),
        ("c.png", "not a picture that Pillow can read (found text)"),
        ("gone.png", "no such file or directory"),
    ]


def test_a_broken_file_is_kept_without_its_pixels(tmp_path: Path) -> None:
    Image.effect_noise((64, 64), 50).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:1000])
    (broken,) = survey([tmp_path / "a.png"]).broken
    assert (broken.__traceback__, broken.__cause__, broken.__context__) == (None, None, None)


def test_files_with_the_same_bytes_are_grouped(tmp_path: Path) -> None:
    for name, shade in (("a", 1), ("b", 2), ("c", 1), ("d", 3), ("e", 2), ("f", 1)):
        Image.new("L", (2, 2), shade).save(tmp_path / f"{name}.bmp")
    found = survey(sorted(tmp_path.iterdir()))
    assert [[path.stem for path in group] for group in found.duplicates] == [["a", "c", "f"], ["b", "e"]]


def test_only_files_of_equal_length_are_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("a", 1), ("b", 2), ("c", 2)):
        Image.new("RGB", (8, 8 * size)).save(tmp_path / f"{name}.bmp")
    hashed: list[str] = []
    digest = survey_module._digest

    def note(path: Path) -> str | None:
        hashed.append(path.name)
        return digest(path)

    monkeypatch.setattr(survey_module, "_digest", note)
    survey(sorted(tmp_path.iterdir()), threads=1)
    assert hashed == ["b.bmp", "c.bmp"]


def test_more_files_than_are_handed_out_at_a_time_are_all_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey_module, "_CHUNK", 2)
    for number in range(5):
        Image.new("L", (2, 2)).save(tmp_path / f"{number}.bmp")
    found = survey(sorted(tmp_path.iterdir()))
    assert found.sizes == Counter({(2, 2): 5})
    assert len(found.duplicates[0]) == 5


def test_an_empty_list_is_surveyed_too() -> None:
    assert survey([]).pictures == 0

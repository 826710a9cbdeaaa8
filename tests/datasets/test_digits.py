from __future__ import annotations

import csv
from pathlib import Path

import numpy
import pytest
from PIL import Image

from i2i.datasets.digits import DOMAINS, draw_digit, make_digits
from i2i.errors import I2IError, UsageError


def labels_of(folder: Path) -> dict[str, int]:
    with (folder / "labels.csv").open(newline="") as stream:
        return {row["file"]: int(row["label"]) for row in csv.DictReader(stream)}


def test_both_domains_and_their_labels_are_written(tmp_path: Path) -> None:
    make_digits(tmp_path / "digits", 20)
    assert (tmp_path / "digits" / "labels.csv").read_text().splitlines()[0] == "file,label"
    labels = labels_of(tmp_path / "digits")
    assert list(labels) == [f"{domain}/{index:05d}.png" for domain in DOMAINS for index in range(20)]
    written = sorted(path.relative_to(tmp_path / "digits").as_posix() for path in tmp_path.glob("digits/*/*"))
    assert written == sorted(labels)
    for file in labels:
        with Image.open(tmp_path / "digits" / file) as image:
            assert (image.size, image.mode, image.format) == ((32, 32), "RGB", "PNG")


def test_every_ten_hold_each_digit_once_and_the_domains_are_unpaired(tmp_path: Path) -> None:
    make_digits(tmp_path, 30, size=16)
    values = list(labels_of(tmp_path).values())
    white, yellow = values[:30], values[30:]
    for start in (0, 10, 20):
        assert sorted(white[start : start + 10]) == sorted(yellow[start : start + 10]) == list(range(10))
    assert sum(one == other for one, other in zip(white, yellow, strict=True)) < 10
    assert white[:10] != white[10:20]


def test_a_picture_depends_on_seed_domain_and_place_alone(tmp_path: Path) -> None:
    make_digits(tmp_path / "few", 3, seed=5)
    make_digits(tmp_path / "many", 12, seed=5)
    make_digits(tmp_path / "other", 3, seed=6)
    few, many = labels_of(tmp_path / "few"), labels_of(tmp_path / "many")
    for file, label in few.items():
        assert many[file] == label
        assert (tmp_path / "few" / file).read_bytes() == (tmp_path / "many" / file).read_bytes()
        assert (tmp_path / "few" / file).read_bytes() != (tmp_path / "other" / file).read_bytes()


def test_a_full_folder_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    make_digits(tmp_path, 2, seed=1)
    make_digits(tmp_path, 2, seed=2)
    make_digits(tmp_path / "fresh", 2, seed=2)
    for file in labels_of(tmp_path):
        assert (tmp_path / file).read_bytes() == (tmp_path / "fresh" / file).read_bytes()
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("size", [16, 28, 32, 64])
@pytest.mark.parametrize("label", range(10))
def test_a_white_digit_is_whole_inside_a_black_border(size: int, label: int) -> None:
    for seed in range(4):
        image = draw_digit("white", label, size, numpy.random.default_rng(seed))
        values = numpy.asarray(image)
        assert image.size == (size, size)
        assert (values[..., 0] == values[..., 1]).all()
        rows, columns = numpy.nonzero(values[..., 0] > 128)
        assert 0.45 * size <= rows.max() - rows.min() + 1 <= 0.97 * size
        assert columns.max() - columns.min() + 1 >= 0.1 * size
        assert values.max() > 220
        if size >= 32:
            assert values[[0, -1]].max() == values[:, [0, -1]].max() == 0


def test_edges_are_anti_aliased() -> None:
    values = numpy.asarray(draw_digit("white", 8, 32, numpy.random.default_rng(0)))
    assert len(numpy.unique(values)) > 8


def test_yellow_digits_stand_on_two_blues() -> None:
    values = numpy.asarray(draw_digit("yellow", 3, 32, numpy.random.default_rng(0))).astype(int)
    yellow = (values[..., 0] > 200) & (values[..., 1] > 170) & (values[..., 2] < 110)
    blue = (values[..., 2] > values[..., 0] + 40) & (values[..., 2] > values[..., 1])
    assert 40 < yellow.sum() < 400
    assert blue.sum() > 500
    assert values[blue][:, 2].max() - values[blue][:, 2].min() > 40


def test_place_height_and_tilt_vary() -> None:
    boxes = {draw_digit("white", 1, 32, numpy.random.default_rng(seed)).getbbox() for seed in range(20)}
    assert len(boxes) > 10


def test_an_unknown_domain_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        draw_digit("green", 1, 32, numpy.random.default_rng(0))
    assert str(caught.value) == "digits: no such domain: 'green' (one of white, yellow)"


def test_a_file_in_the_folder_s_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "digits").write_text("")
    with pytest.raises(UsageError) as caught:
        make_digits(tmp_path / "digits", 1)
    assert str(caught.value) == f"{tmp_path}/digits: is a file; a folder is needed to hold the digits"


@pytest.mark.parametrize(("count", "size"), [(0, 32), (5, 8)])
def test_too_few_or_too_small_is_refused(tmp_path: Path, count: int, size: int) -> None:
    with pytest.raises(UsageError) as caught:
        make_digits(tmp_path, count, size)
    assert str(caught.value) == f"digits: at least 1 picture of at least 16 pixels, found {count} of {size}"


def test_labels_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").mkdir()
    with pytest.raises(I2IError) as caught:
        make_digits(tmp_path, 1)
    assert str(caught.value) == f"{tmp_path}/labels.csv: cannot be written (is a directory)"

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from i2i import BrokenPicture, UsageError
from i2i.cli.console import data_lines
from i2i.datasets import PairedOptions
from i2i.datasets.paired import Paired


def rng(seed: int = 0) -> numpy.random.Generator:
    return numpy.random.default_rng(seed)


def paint(path: Path, width: int, height: int, mark: int = 0) -> Path:
    """A picture whose red says the column, whose green says the row, in 200 steps, and whose blue is `mark`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = numpy.mgrid[:height, :width]
    shares = [columns * 200 // width, rows * 200 // height, 0 * rows + mark]
    Image.fromarray(numpy.stack(shares, -1).astype(numpy.uint8)).save(path)
    return path


def side_by_side(path: Path, width: int, height: int) -> Path:
    """Two like those of `paint` in one: the left one is marked 10, the right one 20."""
    halves = [Image.open(paint(path, width, height, mark)).copy() for mark in (10, 20)]
    both = Image.new("RGB", (2 * width, height))
    for at, half in zip((0, width), halves, strict=True):
        both.paste(half, (at, 0))
    both.save(path)
    return path


def paired(source: Path, target: Path | None = None, **options: Any) -> Paired:
    given = {"source": str(source), "target": [str(target)] if target else [], "resize": 20, "crop": 16}
    return Paired(PairedOptions(**{**given, "validation": 0.0, **options}))


def mark(square: torch.Tensor) -> int:
    return int(square[2].float().mean().round())


# two folders


@pytest.mark.parametrize("sizes", [((40, 30), (40, 30)), ((40, 30), (120, 90)), ((150, 100), (60, 40))])
def test_both_are_cut_at_the_same_place_and_mirrored_alike(tmp_path: Path, sizes: Any) -> None:
    source = paint(tmp_path / "photos" / "a.png", *sizes[0], mark=10)
    target = paint(tmp_path / "maps" / "a.bmp", *sizes[1], mark=20)
    data = paired(source.parent, target.parent)
    mirrored = set()
    for seed in range(20):
        sample = data.load(0, rng(seed))
        assert all(square.shape == (3, 16, 16) and square.dtype == torch.uint8 for square in sample.values())
        assert (mark(sample["source"]), mark(sample["target"])) == (10, 20)
        inside = [square[:2, 2:-2, 2:-2].float() for square in sample.values()]
        assert (inside[0] - inside[1]).abs().mean() < 3
        mirrored.add(bool(inside[0][0, 0, 0] > inside[0][0, 0, -1]))
    assert mirrored == {True, False}


def test_pictures_of_the_wanted_size_keep_every_pixel(tmp_path: Path) -> None:
    for name, seed in (("photos", 0), ("maps", 1)):
        (tmp_path / name).mkdir()
        Image.fromarray(rng(seed).integers(0, 256, (16, 16, 3), dtype=numpy.uint8)).save(tmp_path / name / "a.png")
    sample = paired(tmp_path / "photos", tmp_path / "maps", resize=16, flip=False).load(0, rng())
    for name, square in zip(("photos", "maps"), sample.values(), strict=True):
        whole = numpy.asarray(Image.open(tmp_path / name / "a.png"))
        assert torch.equal(square, torch.from_numpy(whole.copy()).permute(2, 0, 1))


@pytest.mark.parametrize("size", [(40, 30), (1, 1), (3, 50)])
def test_pictures_of_any_size_give_squares_of_one_size(tmp_path: Path, size: tuple[int, int]) -> None:
    for name in ("photos", "maps"):
        paint(tmp_path / name / "a.png", *size)
    for seed in range(3):
        sample = paired(tmp_path / "photos", tmp_path / "maps").load(0, rng(seed))
        assert torch.equal(sample["source"], sample["target"])
        assert sample["source"].shape == (3, 16, 16)


def test_a_sample_is_a_function_of_index_and_chance_alone(tmp_path: Path) -> None:
    for name in ("photos", "maps"):
        for number in range(3):
            paint(tmp_path / name / f"{number}.png", 40 + number, 30)
    data = paired(tmp_path / "photos", tmp_path / "maps")
    first = data.load(1, rng(3))
    data.load(2, rng(4))
    for again in (data, pickle.loads(pickle.dumps(data))):
        assert all(torch.equal(first[key], square) for key, square in again.load(1, rng(3)).items())
    assert not torch.equal(first["source"], data.load(1, rng(4))["source"])


def test_transparent_pixels_take_the_background_and_grey_becomes_three_channels(tmp_path: Path) -> None:
    for name in ("photos", "maps"):
        (tmp_path / name).mkdir()
    Image.new("RGBA", (20, 20), (9, 9, 9, 0)).save(tmp_path / "photos" / "a.png")
    Image.new("L", (20, 20), 77).save(tmp_path / "maps" / "a.png")
    sample = paired(tmp_path / "photos", tmp_path / "maps", background="#0a141e").load(0, rng())
    assert sample["source"][:, 3, 3].tolist() == [10, 20, 30]
    assert sample["target"].unique().tolist() == [77]


def test_names_may_differ_as_match_says(tmp_path: Path) -> None:
    for number in range(2):
        paint(tmp_path / f"{number}_photo.png", 20, 20, mark=number)
        paint(tmp_path / f"{number}_map.png", 20, 20, mark=100 + number)
    data = paired(tmp_path, tmp_path, match=[["_photo", "_map"]])
    assert len(data) == 2
    for index in range(2):
        sample = data.load(index, rng())
        assert mark(sample["target"]) == mark(sample["source"]) + 100


def test_a_picture_without_its_target_is_refused(tmp_path: Path) -> None:
    path = paint(tmp_path / "photos" / "deep" / "a.png", 20, 20)
    paint(tmp_path / "maps" / "a.png", 20, 20)
    with pytest.raises(UsageError) as failure:
        paired(tmp_path / "photos", tmp_path / "maps")
    assert str(failure.value) == (
        f"{path}: no deep/a.* there; names must be the same, or differ as dataset.match says: "
        "--set 'dataset.match=[[_photo, _map]]'"
    )


def test_two_targets_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("photos/a.png", "maps/a.png", "maps/a.bmp"):
        paint(tmp_path / name, 20, 20)
    with pytest.raises(UsageError, match=r"a\.png: 2 pictures a\.\* under dataset\.target; names must be the same"):
        paired(tmp_path / "photos", tmp_path / "maps")


def test_a_broken_target_leaves_its_picture_out(tmp_path: Path) -> None:
    for number in range(2):
        paint(tmp_path / "photos" / f"{number}.png", 20, 20, mark=number)
        paint(tmp_path / "maps" / f"{number}.png", 20, 20)
    (tmp_path / "maps" / "0.png").write_bytes(b"")
    data = paired(tmp_path / "photos", tmp_path / "maps")
    assert [mark(data.load(index, rng())["source"]) for index in range(len(data))] == [1]
    assert [picture.reason for picture in data.broken] == ["empty file"]
    (tmp_path / "maps" / "1.png").write_bytes(b"")
    paint(tmp_path / "maps" / "other.png", 20, 20)
    with pytest.raises(UsageError, match=r"^dataset\.target: no picture's partner can be read \(empty file\)$"):
        paired(tmp_path / "photos", tmp_path / "maps")


def test_a_pair_of_other_proportions_is_a_broken_picture(tmp_path: Path) -> None:
    for name, width in (("a", 41), ("b", 200), ("c", 202)):
        paint(tmp_path / "photos" / f"{name}.png", 100, 100)
        paint(tmp_path / "maps" / f"{name}.png", width, 40 if name == "a" else 200)
    data = paired(tmp_path / "photos", tmp_path / "maps")
    assert [path.stem for path in data.pictures] == ["b", "c"]
    (broken,) = data.broken
    assert isinstance(broken, BrokenPicture)
    reason = "100×100 pixels, and its target 41×40: not of the same proportions"
    assert (broken.path, broken.reason) == (tmp_path / "photos" / "a.png", reason)
    for name in "bc":
        (tmp_path / "photos" / f"{name}.png").unlink()
    with pytest.raises(UsageError) as failure:
        paired(tmp_path / "photos", tmp_path / "maps")
    assert str(failure.value) == f"none of 1 pictures makes a pair; the first, {tmp_path}/photos/a.png: {reason}"


# two sides of one picture


@pytest.mark.parametrize(("sides", "marks"), [("source-target", (10, 20)), ("target-source", (20, 10))])
def test_sides_say_which_half_is_the_source(tmp_path: Path, sides: str, marks: tuple[int, int]) -> None:
    side_by_side(tmp_path / "a.png", 30, 40)
    data = paired(tmp_path, sides=sides, validation=0)
    for seed in range(10):
        sample = data.load(0, rng(seed))
        assert (mark(sample["source"]), mark(sample["target"])) == marks
        assert torch.equal(sample["source"][:2], sample["target"][:2])


def test_nothing_of_the_other_side_is_seen(tmp_path: Path) -> None:
    both = Image.new("RGB", (40, 20), "red")
    both.paste("blue", (20, 0, 40, 20))
    both.save(tmp_path / "a.png")
    data = paired(tmp_path, sides="source-target", resize=17)
    for seed in range(20):
        sample = data.load(0, rng(seed))
        colours = [square.flatten(1).unique(dim=1).squeeze(1).tolist() for square in sample.values()]
        assert colours == [[255, 0, 0], [0, 0, 255]]


def test_a_picture_of_two_sides_has_an_even_width(tmp_path: Path) -> None:
    side_by_side(tmp_path / "a.png", 20, 20)
    paint(tmp_path / "b.png", 41, 20)
    data = paired(tmp_path, sides="source-target")
    assert [path.name for path in data.pictures] == ["a.png"]
    assert [picture.reason for picture in data.broken] == ["41×20 pixels: no two sides of equal width"]
    (tmp_path / "a.png").unlink()
    with pytest.raises(UsageError, match=r"none of 1 pictures makes a pair; the first, .*b\.png: 41×20 pixels: no two"):
        paired(tmp_path, sides="source-target")


def test_one_folder_and_no_sides_is_refused(tmp_path: Path) -> None:
    side_by_side(tmp_path / "a.png", 20, 20)
    with pytest.raises(UsageError) as failure:
        paired(tmp_path)
    assert str(failure.value) == (
        "dataset.target: no folder of pictures given; where each picture of dataset.source holds both side by side, "
        "set dataset.sides=source-target or target-source"
    )
    with pytest.raises(UsageError, match=r"dataset\.match: pairs names of two folders; without dataset\.target there"):
        paired(tmp_path, sides="source-target", match=[["_a", "_b"]])


def test_sides_and_a_target_exclude_each_other(tmp_path: Path) -> None:
    for name in ("photos", "maps"):
        paint(tmp_path / name / "a.png", 21, 20)
    with pytest.raises(UsageError) as refusal:
        paired(tmp_path / "photos", tmp_path / "maps", sides="target-source")
    assert str(refusal.value) == (
        "dataset.sides: says what the halves of one picture are; leave out that or dataset.target"
    )


# both


def test_what_is_held_out_is_never_trained_on_and_is_paired_too(tmp_path: Path) -> None:
    for number in range(12):
        side_by_side(tmp_path / f"{number}.png", 20, 20)
    data = paired(tmp_path, sides="source-target", validation=0.3)
    held_out = data.validation
    assert held_out is not None
    assert held_out.validation is None
    assert set(data.pictures) | set(held_out.pictures) == set(tmp_path.iterdir())
    assert not set(data.pictures) & set(held_out.pictures)
    assert held_out.load(0, rng())["target"].shape == (3, 16, 16)
    assert paired(tmp_path, sides="source-target").validation is None


def test_what_was_found_is_told(tmp_path: Path) -> None:
    side_by_side(tmp_path / "both" / "a.png", 20, 20)
    paint(tmp_path / "photos" / "a.png", 20, 30)
    paint(tmp_path / "maps" / "a.png", 40, 60)
    one = {"pictures": 1, "broken": 0, "distinct sizes": 1}
    alone = paired(tmp_path / "both", sides="source-target").describe()
    assert alone == {"source": {**one, "most common size": "40×20"}}
    two = paired(tmp_path / "photos", tmp_path / "maps").describe()
    assert two == {"source": {**one, "most common size": "20×30"}, "target": {**one, "most common size": "40×60"}}
    assert len(list(data_lines(two))) == 2


def test_batches_become_floats_between_0_and_1(tmp_path: Path) -> None:
    side_by_side(tmp_path / "a.png", 20, 20)
    data = paired(tmp_path, sides="source-target")
    batch = data.prepare({key: square[None] for key, square in data.load(0, rng()).items()}, torch.Generator())
    assert batch.keys() == {"source", "target"}
    assert all(0 <= pictures.min() <= pictures.max() <= 1 for pictures in batch.values())


def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValidationError, match="crop 9 is larger than resize 8"):
        PairedOptions(resize=8, crop=9)
    with pytest.raises(ValidationError, match="'source-target' or 'target-source'"):
        PairedOptions.model_validate({"sides": "left"})
    assert PairedOptions(target="maps").target == ("maps",)
    assert PairedOptions.model_validate({"target": None}).target == ()

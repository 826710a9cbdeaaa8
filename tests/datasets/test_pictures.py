from __future__ import annotations

import json
import os
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

from i2i import UsageError
from i2i.cli.console import data_lines
from i2i.datasets import PicturesOptions
from i2i.datasets.folders import random_place
from i2i.datasets.pictures import Pictures
from i2i.training.batches import Batches
from i2i.training.runtime import Runtime

SHARED = Path(os.environ.get("I2I_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))

CPU = Runtime(torch.device("cpu"), "fp32")

NEEDED = "dataset.classes needs two or more folders directly below dataset.source, each named after a class"


def paint(folder: Path, count: int, start: int = 0, size: tuple[int, int] = (12, 10)) -> Path:
    """Pictures of one colour each, which tells them apart: picture i of a folder is (i, 100, 0)."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(start, start + count):
        Image.new("RGB", size, (index, 100, 0)).save(folder / f"{index:03}.png")
    return folder


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """Dogs 0 to 4, cats 10 to 13 and, one folder deeper, 14 to 15."""
    paint(tmp_path / "zoo" / "dog", 5)
    paint(tmp_path / "zoo" / "cat", 4, start=10)
    paint(tmp_path / "zoo" / "cat" / "dog", 2, start=14)
    return tmp_path / "zoo"


def pictures(*folders: Path, **options: Any) -> Pictures:
    source = [str(folder) for folder in folders]
    return Pictures(PicturesOptions(**{"source": source, "size": 8, "validation": 0.0, **options}))


def load(dataset: Any, index: int, seed: int = 0) -> dict[str, torch.Tensor]:
    return dataset.load(index, numpy.random.default_rng([seed, index]))


def number(picture: torch.Tensor) -> int:
    """Which picture this is a square of."""
    return int(picture[0, 0, 0])


def numbers(dataset: Any) -> list[int]:
    return [number(load(dataset, index)["picture"]) for index in range(len(dataset))]


def class_names(dataset: Any) -> dict[int, str]:
    """Picture → the class that its label stands for."""
    samples = [load(dataset, index) for index in range(len(dataset))]
    return {number(sample["picture"]): dataset.classes[sample["label"]] for sample in samples}


# samples


def test_a_sample_is_a_square_of_the_size_that_was_asked_for(zoo: Path) -> None:
    sample = load(pictures(zoo, size=6), 0)
    assert sample.keys() == {"picture"}
    assert sample["picture"].shape == (3, 6, 6)
    assert sample["picture"].dtype == torch.uint8


def test_every_picture_of_every_folder_is_shown_once(zoo: Path, tmp_path: Path) -> None:
    more = paint(tmp_path / "more", 2, start=50)
    dataset = pictures(zoo, more, more / "051.png")
    assert len(dataset) == 13
    assert sorted(numbers(dataset)) == [*range(5), *range(10, 16), 50, 51]


def test_a_sample_is_a_function_of_index_and_chance_alone(tmp_path: Path) -> None:
    noise = numpy.random.default_rng(0).integers(0, 256, (5, 30, 20, 3), dtype=numpy.uint8)
    for index, pixels in enumerate(noise):
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    dataset, again = (pictures(tmp_path, resize=12, flip=True) for _ in range(2))
    first = load(dataset, 2, seed=7)["picture"]
    for index in (4, 0, 3):
        load(dataset, index, seed=index)
    assert torch.equal(first, load(dataset, 2, seed=7)["picture"])
    assert torch.equal(first, load(again, 2, seed=7)["picture"])
    assert not torch.equal(first, load(dataset, 2, seed=8)["picture"])


@pytest.mark.parametrize("size", [(72, 72), (8, 8), (1, 200), (300, 9), (64, 64)])
def test_pictures_of_any_size_give_squares_of_one_size(tmp_path: Path, size: tuple[int, int]) -> None:
    dataset = pictures(paint(tmp_path, 1, start=77, size=size), size=64)
    picture = load(dataset, 0)["picture"]
    assert picture.shape == (3, 64, 64)
    assert (picture == torch.tensor([77, 100, 0])[:, None, None]).all()


def test_a_square_picture_is_shown_whole_and_bicubic(tmp_path: Path) -> None:
    pixels = numpy.random.default_rng(0).integers(0, 256, (10, 10, 3), dtype=numpy.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    whole = numpy.array(Image.fromarray(pixels).resize((8, 8), Image.Resampling.BICUBIC))
    for seed in range(5):
        assert torch.equal(load(pictures(tmp_path), 0, seed)["picture"], torch.from_numpy(whole).permute(2, 0, 1))


def test_a_picture_of_the_wanted_size_keeps_every_pixel(tmp_path: Path) -> None:
    pixels = numpy.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=numpy.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert torch.equal(
        load(pictures(tmp_path, size=32), 0)["picture"], torch.from_numpy(pixels.transpose(2, 0, 1).copy())
    )


def test_a_square_that_is_cut_without_resizing_keeps_every_pixel() -> None:
    pixels = numpy.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=numpy.uint8)
    square = random_place((30, 20), 8, 20, False, numpy.random.default_rng(3)).cut(pixels)
    rng = numpy.random.default_rng(3)
    left, top = int(rng.integers(23)), int(rng.integers(13))
    assert numpy.array_equal(square.permute(1, 2, 0), pixels[top : top + 8, left : left + 8])


def test_squares_of_a_larger_resize_lie_at_random_places(tmp_path: Path) -> None:
    gradient = numpy.broadcast_to(numpy.arange(0, 200, 10, dtype=numpy.uint8)[None, :, None], (20, 20, 3))
    Image.fromarray(gradient.copy()).save(tmp_path / "a.png")
    dataset = pictures(tmp_path, size=8, resize=20)
    lefts = {number(load(dataset, 0, seed)["picture"]) // 10 for seed in range(100)}
    assert lefts == set(range(13))


def test_every_other_picture_is_mirrored_where_that_is_wanted(tmp_path: Path) -> None:
    picture = Image.new("RGB", (8, 8))
    picture.paste("white", (4, 0, 8, 8))
    picture.save(tmp_path / "a.png")

    def mirrored(dataset: Pictures) -> int:
        return sum(number(load(dataset, 0, seed)["picture"]) == 255 for seed in range(200))

    assert 70 < mirrored(pictures(tmp_path, flip=True)) < 130
    assert mirrored(pictures(tmp_path)) == 0


def test_transparent_pixels_take_the_background(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 8), (9, 9, 9, 0)).save(tmp_path / "a.png")
    picture = load(pictures(tmp_path, background="#0a141e"), 0)["picture"]
    assert picture[:, 3, 3].tolist() == [10, 20, 30]


# classes


def test_the_first_folder_below_the_named_one_is_the_class(zoo: Path) -> None:
    dataset = pictures(zoo, classes=True)
    assert dataset.classes == ("cat", "dog")
    assert class_names(dataset) == {**dict.fromkeys(range(5), "dog"), **dict.fromkeys(range(10, 16), "cat")}
    label = load(dataset, 0)["label"]
    assert label.shape == ()
    assert label.dtype == torch.int64


def test_classes_of_one_name_in_several_folders_are_one(zoo: Path, tmp_path: Path) -> None:
    paint(tmp_path / "more" / "dog", 1, start=50)
    paint(tmp_path / "more" / "ant", 1, start=60)
    dataset = pictures(zoo, tmp_path / "more", classes=True)
    assert dataset.classes == ("ant", "cat", "dog")
    assert dataset.describe()["classes"] == {"ant": 1, "cat": 6, "dog": 6}
    found = class_names(dataset)
    assert (found[0], found[50], found[60]) == ("dog", "dog", "ant")


def test_without_classes_there_are_no_labels(zoo: Path) -> None:
    dataset = pictures(zoo)
    assert tuple(dataset.classes) == ()
    assert load(dataset, 0).keys() == {"picture"}


def test_the_held_out_part_has_the_same_classes(tmp_path: Path) -> None:
    for start, name in enumerate("abc"):
        paint(tmp_path / name, 20, start=50 * start)
    dataset = pictures(tmp_path, classes=True, validation=0.3)
    assert dataset.validation is not None
    assert dataset.validation.classes == dataset.classes == ("a", "b", "c")
    for part in (dataset, dataset.validation):
        assert all(name == "abc"[picture // 50] for picture, name in class_names(part).items())


def test_no_class_is_held_out_whole(tmp_path: Path) -> None:
    for start, (name, count) in enumerate((("a", 1), ("b", 2), ("c", 8))):
        paint(tmp_path / name, count, start=50 * start)
    dataset = pictures(tmp_path, classes=True, validation=0.5)
    assert dataset.validation is not None
    assert set(class_names(dataset).values()) == {"a", "b", "c"}
    held_out = list(class_names(dataset.validation).values())
    assert "a" not in held_out
    assert held_out.count("b") == 1


def test_a_class_that_only_the_training_part_shows_keeps_its_number(tmp_path: Path) -> None:
    for start, (name, count) in enumerate((("a", 1), ("b", 1), ("c", 2))):
        paint(tmp_path / name, count, start=50 * start)
    dataset = pictures(tmp_path, classes=True, validation=0.01)
    assert dataset.validation is not None
    assert set(class_names(dataset).values()) == {"a", "b", "c"}
    assert set(class_names(dataset.validation).values()) == {"c"}


def test_a_picture_outside_every_class_is_refused(zoo: Path) -> None:
    paint(zoo, 3, start=90)
    with pytest.raises(UsageError) as failure:
        pictures(zoo, classes=True)
    expected = f"{zoo}/090.png: is in no class's folder (the first of 3 of 14 pictures); {NEEDED}"
    assert str(failure.value) == expected


def test_a_single_file_has_no_class(zoo: Path) -> None:
    file = zoo / "dog" / "003.png"
    with pytest.raises(UsageError) as failure:
        pictures(zoo, file, classes=True)
    assert str(failure.value) == f"{file}: is in no class's folder (the first of 1 of 11 pictures); {NEEDED}"


def test_a_single_class_is_refused(zoo: Path) -> None:
    with pytest.raises(UsageError) as failure:
        pictures(zoo.parent, classes=True)
    assert str(failure.value) == f"{zoo}/cat/010.png: is of the only class, 'zoo'; {NEEDED}"


# validation


def test_what_is_held_out_is_never_trained_on(tmp_path: Path) -> None:
    dataset = pictures(paint(tmp_path, 60), validation=0.2)
    training, validation = numbers(dataset), numbers(dataset.validation)
    assert 4 <= len(validation) <= 20
    assert sorted(training + validation) == list(range(60))


def test_one_picture_is_trained_on_and_leaves_nothing_to_validate(tmp_path: Path) -> None:
    dataset = pictures(paint(tmp_path, 1), validation=0.5)
    assert dataset.validation is None
    assert len(dataset) == 1


def test_no_share_means_no_validation(zoo: Path) -> None:
    assert pictures(zoo, validation=0).validation is None


# folders


def test_broken_pictures_are_left_out_and_named(zoo: Path) -> None:
    (zoo / "dog" / "empty.png").write_bytes(b"")
    (zoo / "words.jpg").write_text("hello")
    dataset = pictures(zoo, classes=True)
    assert [Path(broken.path).name for broken in dataset.broken] == ["empty.png", "words.jpg"]
    assert len(dataset) == 11


def test_what_was_found_is_told_in_lines_and_in_json(zoo: Path) -> None:
    found = {"pictures": 11, "broken": 0, "most common size": "12×10", "distinct sizes": 1}
    assert pictures(zoo, validation=0.5).describe() == {"source": found}
    described = pictures(zoo, classes=True).describe()
    assert described == json.loads(json.dumps(described)) == {"source": found, "classes": {"cat": 6, "dog": 5}}
    assert list(data_lines(described)) == [
        "source: pictures: 11, broken: 0, most common size: 12×10, distinct sizes: 1",
        "classes: cat: 6, dog: 5",
    ]


def test_pictures_that_nobody_named_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^dataset\.source: no folder of pictures given$"):
        Pictures(PicturesOptions())


def test_a_folder_of_nothing_but_broken_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(UsageError) as failure:
        pictures(tmp_path)
    reason = "not a picture that Pillow can read (found text)"
    assert str(failure.value) == f"{tmp_path}: none of 1 pictures can be read ({reason})"


def test_a_square_larger_than_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="size 9 is larger than resize 8"):
        PicturesOptions(size=9, resize=8)


# on the way to a model


def test_a_dataset_travels_to_a_worker(zoo: Path) -> None:
    dataset = pictures(zoo, classes=True, validation=0.3)
    copy = pickle.loads(pickle.dumps(dataset))
    assert class_names(copy) == class_names(dataset)
    assert class_names(copy.validation) == class_names(dataset.validation)


def test_labels_pass_through_a_batch_as_they_are(zoo: Path) -> None:
    dataset = pictures(zoo, classes=True)
    (micro,) = next(Batches(dataset, CPU, seed=0, batch=11).from_step(0))
    shown = (micro.tensors["picture"][:, 0, 0, 0] * 255).round().int()
    label = micro.tensors["label"]
    assert label.dtype == torch.int64
    assert Counter(zip(shown.tolist(), label.tolist(), strict=True)) == Counter(
        [*((dog, 1) for dog in range(5)), *((cat, 0) for cat in range(10, 16))]
    )


def test_workers_change_nothing(zoo: Path) -> None:
    dataset = pictures(zoo, classes=True, size=6, resize=9, flip=True)
    streams = [Batches(dataset, CPU, seed=0, batch=4, workers=workers).from_step(0) for workers in (0, 2)]
    for _ in range(4):
        (plain,), (loaded,) = (next(stream) for stream in streams)
        assert all(torch.equal(plain.tensors[key], loaded.tensors[key]) for key in ("picture", "label"))
    for stream in streams:
        stream.close()


@pytest.mark.skipif(not (SHARED / "emoji").is_dir(), reason=f"no pictures at {SHARED / 'emoji'} (set I2I_TEST_DATA)")
def test_palette_pictures_with_transparency_stand_on_the_background() -> None:
    dataset = pictures(SHARED / "emoji", size=64)
    assert len(dataset) > 3000
    assert dataset.broken == ()
    for index in range(0, len(dataset), 200):
        assert load(dataset, index)["picture"].shape == (3, 64, 64)

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image

from i2i import BrokenPicture, UsageError
from i2i.datasets import UnpairedOptions
from i2i.datasets.folders import split
from i2i.datasets.unpaired import Unpaired


def paint(folder: Path, count: int, start: int = 0, size: tuple[int, int] = (12, 10)) -> Path:
    """Pictures of one colour each, which tells them apart: picture i of a folder is (i, 100, 0)."""
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(start, start + count):
        Image.new("RGB", size, (index, 100, 0)).save(folder / f"{index:03}.png")
    return folder


@pytest.fixture
def unpaired(tmp_path: Path) -> Any:
    """`unpaired(sources, targets, **options)`: a dataset of that many pictures."""

    def dataset(sources: int = 5, targets: int = 3, **options: Any) -> Unpaired:
        folders = {"source": str(paint(tmp_path / "photos", sources)), "target": str(paint(tmp_path / "art", targets))}
        return Unpaired(UnpairedOptions(**{"resize": 9, "crop": 8, "validation": 0.0, **folders, **options}))

    return dataset


def load(dataset: Any, index: int, seed: int = 0) -> dict[str, torch.Tensor]:
    return dataset.load(index, numpy.random.default_rng([seed, index]))


def number(picture: torch.Tensor) -> int:
    """Which picture this is a crop of."""
    return int(picture[0, 0, 0])


def numbers(dataset: Any, key: str, seeds: int = 1) -> Counter[int]:
    return Counter(number(load(dataset, index, seed)[key]) for index in range(len(dataset)) for seed in range(seeds))


# samples


def test_a_sample_is_a_crop_of_each_domain(unpaired: Any) -> None:
    sample = load(unpaired(), 0)
    assert sample.keys() == {"source", "target"}
    assert all(picture.shape == (3, 8, 8) and picture.dtype == torch.uint8 for picture in sample.values())


def test_a_sample_is_a_function_of_index_and_chance_alone(unpaired: Any) -> None:
    dataset, again = unpaired(), unpaired()
    first = load(dataset, 2, seed=7)
    for index in (4, 0, 3):
        load(dataset, index, seed=index)
    for other in (load(dataset, 2, seed=7), load(again, 2, seed=7)):
        assert all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize(("walked", "drawn", "counts"), [("source", "target", (7, 3)), ("target", "source", (3, 7))])
def test_the_larger_domain_is_walked_through_and_the_other_drawn_from(
    unpaired: Any, walked: str, drawn: str, counts: tuple[int, int]
) -> None:
    dataset = unpaired(*counts)
    assert len(dataset) == 7
    assert numbers(dataset, walked) == Counter(range(7))
    assert set(numbers(dataset, drawn, seeds=10)) == {0, 1, 2}


def test_equal_domains_are_not_paired_up_for_good(unpaired: Any) -> None:
    dataset = unpaired(4, 4)
    assert numbers(dataset, "source") == Counter(range(4))
    partners = {number(load(dataset, 0, seed)["target"]) for seed in range(30)}
    assert partners == {0, 1, 2, 3}


@pytest.mark.parametrize("size", [(12, 10), (10, 12), (3, 3), (1, 40), (200, 9), (8, 8)])
def test_pictures_of_any_size_give_crops_of_one_size(tmp_path: Path, size: tuple[int, int]) -> None:
    folder = str(paint(tmp_path / "photos", 1, start=77, size=size))
    dataset = Unpaired(UnpairedOptions(source=folder, target=folder, resize=9, crop=8, validation=0))
    for seed in range(5):
        picture = load(dataset, 0, seed)["source"]
        assert picture.shape == (3, 8, 8)
        assert (picture == torch.tensor([77, 100, 0])[:, None, None]).all()


def test_a_crop_is_a_piece_of_the_resized_picture_at_a_random_place(tmp_path: Path) -> None:
    gradient = numpy.broadcast_to(numpy.arange(0, 200, 5, dtype=numpy.uint8)[None, :, None], (40, 40, 3))
    Image.fromarray(gradient.copy()).save(tmp_path / "a.png")
    options = UnpairedOptions(source=str(tmp_path), target=str(tmp_path), resize=20, crop=8, flip=False, validation=0)
    dataset = Unpaired(options)
    lefts = set()
    for seed in range(40):
        row = load(dataset, 0, seed)["source"][0, 0].double()
        assert (row.diff() - 10).abs().max() <= 4, "half the size: twice the slope, but for the picture's rim"
        lefts.add(round((row[3].item() - 2.5) / 10) - 3)
    assert min(lefts) == 0
    assert max(lefts) == 12


@pytest.mark.parametrize(("flip", "directions"), [(True, {-1, 1}), (False, {1})])
def test_pictures_are_mirrored_only_where_that_is_wanted(tmp_path: Path, flip: bool, directions: set[int]) -> None:
    picture = Image.new("RGB", (8, 8))
    picture.paste("white", (4, 0, 8, 8))
    picture.save(tmp_path / "a.png")
    options = UnpairedOptions(source=str(tmp_path), target=str(tmp_path), resize=8, crop=8, flip=flip, validation=0)
    dataset = Unpaired(options)
    rows = [load(dataset, 0, seed)["source"][0, 0].int() for seed in range(20)]
    assert {int(torch.sign(row[-1] - row[0])) for row in rows} == directions


def test_batches_become_floats_between_0_and_1(unpaired: Any) -> None:
    batch = {"source": torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(1, 3, 1, 1)}
    prepared = unpaired().prepare(batch, torch.Generator())["source"]
    assert prepared.flatten().tolist() == pytest.approx([0, 0.2, 1])


def test_a_dataset_travels_to_a_worker(unpaired: Any) -> None:
    dataset = unpaired(validation=0.3)
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(load(copy, 1)["target"], load(dataset, 1)["target"])
    assert torch.equal(load(copy.validation, 0)["source"], load(dataset.validation, 0)["source"])


# validation


def test_what_is_held_out_is_never_trained_on(unpaired: Any) -> None:
    dataset = unpaired(40, 30, validation=0.2)
    for key, count in (("source", 40), ("target", 30)):
        training, validation = set(numbers(dataset, key, seeds=20)), set(numbers(dataset.validation, key, seeds=20))
        assert training
        assert validation
        assert training.isdisjoint(validation)
        assert training | validation == set(range(count))


def test_a_new_picture_moves_no_other_from_part_to_part(tmp_path: Path) -> None:
    names = {Path(f"photos/{index}.png"): f"{index}.png" for index in range(300)}
    training, validation = map(set, split(names, 0.1))
    assert 15 <= len(validation) <= 45
    for index in range(1000, 1100):
        more = {**names, Path(f"photos/{index}.png"): f"{index}.png"}
        larger_training, larger_validation = map(set, split(more, 0.1))
        assert training <= larger_training
        assert validation <= larger_validation


def test_the_split_does_not_depend_on_where_the_folder_lies(tmp_path: Path) -> None:
    def held_out(root: str) -> list[str]:
        folder = str(paint(tmp_path / root / "deep", 20).parent)
        options = UnpairedOptions(source=folder, target=folder, validation=0.2, resize=8, crop=8)
        return [path.name for path in Unpaired(options).validation.pictures["source"]]

    assert held_out("here") == held_out("there")


def test_pictures_of_one_name_in_many_folders_are_told_apart() -> None:
    names = {Path(f"{index}/image.png"): f"{index}/image.png" for index in range(200)}
    training, validation = split(names, 0.5)
    assert len(training) > 50
    assert len(validation) > 50


def test_of_a_small_folder_one_picture_is_held_out_and_one_is_trained_on(unpaired: Any) -> None:
    few = unpaired(3, 2, validation=0.001)
    assert (len(few), len(few.validation)) == (2, 1)
    greedy = unpaired(3, 2, validation=0.999)
    assert (len(greedy), len(greedy.validation)) == (1, 2)


def test_a_domain_of_one_picture_is_trained_on_and_leaves_nothing_to_validate(unpaired: Any) -> None:
    dataset = unpaired(3, 1, validation=0.5)
    assert dataset.validation is None
    assert len(dataset) >= 1


def test_no_share_means_no_validation(unpaired: Any) -> None:
    assert unpaired(validation=0).validation is None


# folders


def test_several_folders_and_single_files_are_one_domain(tmp_path: Path) -> None:
    photos, more = paint(tmp_path / "photos", 2), paint(tmp_path / "more", 2, start=10)
    (more / "deep").mkdir()
    (more / "011.png").rename(more / "deep" / "011.png")
    source = [str(photos), str(more), str(photos / "000.png")]
    dataset = Unpaired(UnpairedOptions(source=source, target=str(photos), resize=8, crop=8, validation=0))
    assert numbers(dataset, "source") == Counter([0, 1, 10, 11])


def test_pictures_with_broken_headers_are_left_out_and_listed(unpaired: Any, tmp_path: Path) -> None:
    paint(tmp_path / "photos", 2)
    (tmp_path / "photos" / "empty.png").write_bytes(b"")
    (tmp_path / "photos" / "words.jpg").write_text("hello")
    dataset = unpaired(2, 2)
    assert [Path(broken.path).name for broken in dataset.broken] == ["empty.png", "words.jpg"]
    assert all(isinstance(broken, BrokenPicture) and broken.reason for broken in dataset.broken)
    assert numbers(dataset, "source") == Counter([0, 1])
    described = dataset.describe()
    assert described["source"] == {"pictures": 2, "broken": 2, "most common size": "12×10", "distinct sizes": 1}
    assert described["target"] == {"pictures": 2, "broken": 0, "most common size": "12×10", "distinct sizes": 1}


def test_a_picture_that_breaks_off_is_told_when_it_is_loaded(unpaired: Any, tmp_path: Path) -> None:
    dataset = unpaired(1, 1)
    noise = numpy.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=numpy.uint8)
    path = tmp_path / "photos" / "000.png"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(BrokenPicture, match=f"^{path}: "):
        load(dataset, 0)


def test_a_domain_of_nothing_but_broken_pictures_is_refused(tmp_path: Path) -> None:
    photos = paint(tmp_path / "photos", 1)
    (tmp_path / "bad").mkdir()
    for name in "ab":
        (tmp_path / "bad" / f"{name}.png").write_text("hello")
    with pytest.raises(UsageError) as failure:
        Unpaired(UnpairedOptions(source=str(photos), target=str(tmp_path / "bad")))
    reason = "not a picture that Pillow can read (found text)"
    assert str(failure.value) == f"{tmp_path / 'bad'}: none of 2 pictures can be read ({reason})"


@pytest.mark.parametrize("key", ["source", "target"])
def test_a_domain_that_nobody_named_is_refused(tmp_path: Path, key: str) -> None:
    folders = {"source": str(paint(tmp_path, 1)), "target": str(tmp_path), key: None}
    with pytest.raises(UsageError, match=rf"^dataset\.{key}: no folder of pictures given$"):
        Unpaired(UnpairedOptions(**folders))


def test_a_crop_larger_than_the_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="crop 9 is larger than resize 8"):
        UnpairedOptions(resize=8, crop=9)


def test_one_folder_may_be_given_as_text_and_none_is_not_enough() -> None:
    assert UnpairedOptions(source="photos").source == ("photos",)
    with pytest.raises(ValueError, match="at least 1 item"):
        UnpairedOptions(source=[])

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from torch.utils.data import DataLoader

from i2i import UsageError
from i2i.datasets import (
    DegradedOptions,
    PairedOptions,
    PicturesOptions,
    SelfPairedOptions,
    UnpairedOptions,
)
from i2i.datasets.folders import Square
from i2i.datasets.kept import Keeping, Wanted
from i2i.datasets.paired import Paired
from i2i.datasets.pictures import Pictures
from i2i.datasets.reading import Reader
from i2i.datasets.resolutions import Degraded
from i2i.datasets.self_paired import SelfPaired
from i2i.datasets.unpaired import Unpaired


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six, of several sizes; smooth, as photos are."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = numpy.random.default_rng(0)
    for number in range(6):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=numpy.uint8))
        coarse.resize((320 + 16 * number, 240), Image.Resampling.BICUBIC).save(folder / f"{number}.jpg", quality=92)
    return folder


def rng(seed: int = 0) -> numpy.random.Generator:
    return numpy.random.default_rng(seed)


def kinds(photos: Path, **options: Any) -> dict[str, Any]:
    source, square = {"source": str(photos), "validation": 0.0}, {"resize": 40, "crop": 32}
    return {
        "pictures": Pictures(PicturesOptions(**source, size=32, resize=40, **options)),
        "unpaired": Unpaired(UnpairedOptions(**source, target=str(photos), **square, **options)),
        "self-paired": SelfPaired(SelfPairedOptions(**source, **square, **options)),
        "paired": Paired(PairedOptions(**source, target=(str(photos),), **square, **options)),
        "side by side": Paired(PairedOptions(**source, sides="source-target", **square, **options)),
        "degraded": Degraded(DegradedOptions(**source, crop=32, scale=2, **options)),
    }


def samples(dataset: Any) -> list[dict[str, torch.Tensor]]:
    return [dataset.load(index, rng(index)) for index in range(len(dataset))]


def same(some: list[dict[str, torch.Tensor]], others: list[dict[str, torch.Tensor]]) -> bool:
    return all(torch.equal(one[key], other[key]) for one, other in zip(some, others, strict=True) for key in one)


def files(cache: Path) -> list[Path]:
    return sorted(cache.iterdir())


def test_a_cache_changes_no_sample_of_any_dataset_and_is_filled_once(photos: Path, tmp_path: Path) -> None:
    for name, plain in kinds(photos).items():
        cache = tmp_path / name
        first = samples(kinds(photos, cache=str(cache))[name])
        held = files(cache)
        times = [path.stat().st_mtime_ns for path in held]
        assert len(held) == (12 if name == "side by side" else 6)
        again = samples(pickle.loads(pickle.dumps(kinds(photos, cache=str(cache))[name])))
        assert same(first, samples(plain))
        assert same(again, first)
        assert [path.stat().st_mtime_ns for path in files(cache)] == times


def test_what_lies_in_the_cache_is_not_decoded_again(photos: Path, tmp_path: Path, monkeypatch: Any) -> None:
    dataset = kinds(photos, cache=str(tmp_path / "cache"))["pictures"]
    first = samples(dataset)

    def decoded(*given: Any) -> Any:
        raise AssertionError("decoded again")

    monkeypatch.setattr(Reader, "_made", decoded)
    assert same(samples(dataset), first)


def test_a_changed_picture_is_decoded_again(photos: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = samples(kinds(photos, cache=str(cache))["pictures"])
    size = Image.open(photos / "0.jpg").size
    Image.new("RGB", size, "teal").save(photos / "0.jpg")
    after = samples(kinds(photos, cache=str(cache))["pictures"])
    assert not torch.equal(before[0]["picture"], after[0]["picture"])
    assert same(before[1:], after[1:])
    assert len(files(cache)) == 7


@pytest.mark.parametrize("harm", [b"", b"\x93NUMPY", b"nothing of the kind"])
def test_a_damaged_entry_is_written_again(photos: Path, tmp_path: Path, harm: bytes) -> None:
    cache = tmp_path / "cache"
    first = samples(kinds(photos, cache=str(cache))["pictures"])
    whole = files(cache)[0].read_bytes()
    files(cache)[0].write_bytes(harm or whole[:200])
    assert same(samples(kinds(photos, cache=str(cache))["pictures"]), first)
    assert files(cache)[0].read_bytes() == whole


def test_as_many_are_kept_as_there_is_room_for_and_others_make_room(photos: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    one = 40 * 54 * 3 + 200
    bound = {"cache": str(cache), "cache_gigabytes": 2.5 * one / 2**30}
    first = samples(kinds(photos, **bound)["pictures"])
    kept = files(cache)
    assert len(kept) == 2
    (cache / "mine.npy").write_bytes(b"not of the cache")
    os.utime(kept[0], ns=(1, 1))
    wider = Pictures(
        PicturesOptions(
            source=(str(photos),), validation=0, size=32, resize=41, cache=str(cache), cache_gigabytes=2.5 * one / 2**30
        )
    )
    samples(wider)
    assert not any(path.exists() for path in kept), "they are not wanted any more"
    assert sum(path.stat().st_size for path in files(cache)) <= 2.5 * one + 16
    assert (cache / "mine.npy").exists()
    assert same(samples(kinds(photos)["pictures"]), first)


def test_several_workers_fill_and_read_one_cache(photos: Path, tmp_path: Path) -> None:
    dataset = kinds(photos, cache=str(tmp_path / "cache"))["pictures"]
    positions = _Many(dataset)
    loaded = [sample["picture"][0] for sample in DataLoader(positions, num_workers=2)]
    expected = samples(kinds(photos)["pictures"])
    assert all(torch.equal(found, expected[place % 6]["picture"]) for place, found in enumerate(loaded))
    assert len(files(tmp_path / "cache")) == 6


class _Many:
    """The same few pictures, so that two workers want one at the same time."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return 24

    def __getitem__(self, place: int) -> Any:
        return self.dataset.load(place % 6, rng(place % 6))


def test_a_cache_that_cannot_be_written_to_is_done_without(photos: Path, tmp_path: Path, monkeypatch: Any) -> None:
    dataset = kinds(photos, cache=str(tmp_path / "cache"))["pictures"]

    def full(*given: Any, **named: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(numpy, "save", full)
    assert same(samples(dataset), samples(kinds(photos)["pictures"]))
    assert not files(tmp_path / "cache")


def test_a_cache_that_is_a_file_is_refused(photos: Path) -> None:
    with pytest.raises(UsageError, match=r"^dataset\.cache: .*0\.jpg can be no folder \("):
        kinds(photos, cache=str(photos / "0.jpg"))


def test_true_is_a_folder_of_the_user(photos: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    samples(Pictures(PicturesOptions(source=(str(photos),), validation=0, size=32, cache=True)))
    assert len(files(tmp_path / "home" / "i2i" / "pictures")) == 6


def test_what_has_no_time_of_change_is_not_kept(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"")
    os.utime(picture, ns=(0, 0))
    keeping = Keeping(tmp_path / "cache", 2**20, [wanted := Wanted(picture, "", (1, 1, 3))])
    made = keeping.get(wanted, lambda: numpy.zeros((1, 1, 3), numpy.uint8))
    assert made.shape == (1, 1, 3)
    assert not files(tmp_path / "cache")


# what a JPEG is decoded to


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_is_decoded_smaller_and_looks_as_if_it_were_not(
    tmp_path: Path, orientation: int, monkeypatch: Any
) -> None:
    coarse = Image.fromarray(rng().integers(0, 256, (9, 12, 3), dtype=numpy.uint8))
    large = coarse.resize((1200, 900), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = orientation
    large.save(tmp_path / "a.jpg", quality=95, subsampling=0, exif=exif)
    upright = large if orientation == 1 else large.transpose(Image.Transpose.ROTATE_270)
    width, height = (64, 48) if orientation == 1 else (48, 64)
    asked = []
    drafted = JpegImageFile.draft
    monkeypatch.setattr(
        JpegImageFile,
        "draft",
        lambda self, mode, size: asked.append(size) or drafted(self, mode, size),
    )
    reader = Reader(PicturesOptions(), [])
    seen = reader.square(tmp_path / "a.jpg", Square(48, width, height, 0, 0, False)).permute(1, 2, 0).numpy()
    expected = numpy.asarray(upright.resize((width, height), Image.Resampling.BICUBIC))[:48, :48]
    assert asked == [(256, 192)]
    difference = seen.astype(float) - expected
    assert numpy.abs(difference).mean() < 2
    assert numpy.abs(difference).max() < 12

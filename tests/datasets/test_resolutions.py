from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from i2i import BrokenPicture, UsageError
from i2i.datasets import Degradation, DegradedOptions, PairedResolutionsOptions
from i2i.datasets.degradation import HAPPENINGS, blurred, compressed, degraded, noisy, resized
from i2i.datasets.resolutions import Degraded, PairedResolutions
from i2i.images.resize import shrunk


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rng(seed: int = 0) -> numpy.random.Generator:
    return numpy.random.default_rng(seed)


def paint(path: Path, width: int, height: int) -> Path:
    """A picture whose red says the column, whose green says the row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows, columns = numpy.mgrid[:height, :width]
    Image.fromarray(numpy.stack([columns, rows, 0 * rows], -1).astype(numpy.uint8)).save(path)
    return path


def dataset(*folders: Path, **options: Any) -> Degraded:
    source = [str(folder) for folder in folders]
    return Degraded(DegradedOptions(**{"source": source, "crop": 8, "scale": 2, "validation": 0.0, **options}))


def pairs(low: Path, high: Path, **options: Any) -> PairedResolutions:
    given = {"source": str(low), "target": str(high), "crop": 8, "scale": 2, "validation": 0.0, **options}
    return PairedResolutions(PairedResolutionsOptions(**given))


def test_a_square_keeps_the_pictures_own_pixels(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", 40, 30)
    high = dataset(tmp_path, flip=False).load(0, rng())["high"]
    left, top = int(high[0, 0, 0]), int(high[1, 0, 0])
    assert high.shape == (3, 8, 8)
    assert torch.equal(high[0], torch.arange(left, left + 8, dtype=torch.uint8).expand(8, 8))
    assert torch.equal(high[1], torch.arange(top, top + 8, dtype=torch.uint8)[:, None].expand(8, 8))


def test_squares_come_from_everywhere_and_in_all_eight_positions(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", 10, 9)
    data = dataset(tmp_path)
    corners = {tuple(data.load(0, rng(seed))["high"][:2, ::7, ::7].flatten().tolist()) for seed in range(400)}
    assert len(corners) == 8 * (3 * 2)


def test_the_small_square_is_the_large_one_shrunk(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", 40, 30)
    data = dataset(tmp_path)
    batch = data.prepare({"high": data.load(0, rng())["high"][None]}, chance())
    assert batch["low"].shape == (1, 3, 4, 4)
    assert torch.equal(batch["low"], shrunk(batch["high"], 2))


@pytest.mark.parametrize(("width", "height"), [(5, 30), (30, 5), (3, 3), (1, 1)])
def test_a_picture_smaller_than_the_crop_is_mirrored_at_its_edge(tmp_path: Path, width: int, height: int) -> None:
    paint(tmp_path / "a.png", width, height)
    high = dataset(tmp_path, flip=False).load(0, rng())["high"]
    assert high.shape == (3, 8, 8)
    if width == 5:
        assert high[0, 0].tolist() == [0, 1, 2, 3, 4, 4, 3, 2]


def test_what_is_held_out_is_never_trained_on(tmp_path: Path) -> None:
    for number in range(6):
        paint(tmp_path / f"{number}.png", 9, 9)
    data = dataset(tmp_path, validation=0.3)
    held_out = data.validation
    assert isinstance(held_out, Degraded)
    assert held_out.validation is None
    assert set(data.pictures) | set(held_out.pictures) == set(tmp_path.iterdir())
    assert not set(data.pictures) & set(held_out.pictures)
    assert held_out.load(0, rng())["high"].shape == (3, 8, 8)
    assert data.describe() == {
        "source": {"pictures": 6, "broken": 0, "most common size": "9×9", "distinct sizes": 1},
    }


def test_a_crop_that_the_scale_does_not_divide_is_refused_with_one_that_it_does() -> None:
    with pytest.raises(ValidationError, match="crop 50 cannot be divided by the scale, 4; 48 can"):
        DegradedOptions(crop=50, scale=4)


def test_without_a_scale_from_anywhere_it_is_asked_for(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", 9, 9)
    with pytest.raises(UsageError, match=r"dataset\.scale: not given, and the model has none; set dataset\.scale=4"):
        dataset(tmp_path, scale=None)


def test_pairs_are_cut_at_the_same_place_and_turned_the_same_way(tmp_path: Path) -> None:
    large = paint(tmp_path / "high" / "a.png", 40, 30)
    small = tmp_path / "low" / "a.bmp"
    small.parent.mkdir()
    Image.open(large).resize((20, 15), Image.Resampling.BOX).save(small)
    data = pairs(small.parent, large.parent)
    for seed in range(20):
        sample = data.load(0, rng(seed))
        expected = sample["high"].float().unfold(1, 2, 2).unfold(2, 2, 2).mean((-1, -2))
        assert (sample["low"].float() - expected).abs().max() <= 0.5
    assert data.prepare({key: square[None] for key, square in sample.items()}, chance())["low"].max() <= 1


def test_pairs_smaller_than_the_crop_go_on_alike(tmp_path: Path) -> None:
    small = paint(tmp_path / "low" / "a.png", 5, 3)
    large = tmp_path / "high" / "a.png"
    large.parent.mkdir()
    Image.open(small).resize((10, 6), Image.Resampling.NEAREST).save(large)
    sample = pairs(small.parent, large.parent, crop=16).load(0, rng(1))
    doubled = sample["low"].repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert torch.equal(sample["high"], doubled)


def test_pairs_whose_names_differ_are_found_by_match(tmp_path: Path) -> None:
    for number in range(2):
        paint(tmp_path / "low" / f"{number}_LR.png", 10, 10)
        paint(tmp_path / "high" / f"{number}_HR.png", 20, 21)  # a row too many is left out
    data = pairs(tmp_path / "low", tmp_path / "high", match=[["_LR", "_HR"]])
    assert data.load(1, rng())["high"].shape == (3, 8, 8)
    (tmp_path / "high" / "0_HR.png").rename(tmp_path / "low" / "0_HR.png")
    (tmp_path / "high" / "1_HR.png").rename(tmp_path / "low" / "1_HR.png")
    assert len(pairs(tmp_path / "low", tmp_path / "low", match=[["_LR", "_HR"]])) == 2
    with pytest.raises(UsageError, match=r"none of its pictures has a name that dataset\.match fits"):
        pairs(tmp_path / "low", tmp_path / "low", match=[["_small", ""]])
    with pytest.raises(UsageError, match=r"0_LR\.png: no 0_SR\.\* there; names must be the same, or differ as"):
        pairs(tmp_path / "low", tmp_path / "low", match=[["_LR", "_SR"]])


def test_two_partners_of_one_name_are_refused(tmp_path: Path) -> None:
    paint(tmp_path / "low" / "a.png", 10, 10)
    paint(tmp_path / "high" / "a.png", 20, 20)
    paint(tmp_path / "high" / "a.bmp", 20, 20)
    with pytest.raises(UsageError, match=r"2 pictures a\.\* under dataset\.target"):
        pairs(tmp_path / "low", tmp_path / "high")


def test_a_pair_of_another_scale_is_a_broken_picture(tmp_path: Path) -> None:
    for name, side in (("a", 30), ("b", 20)):
        paint(tmp_path / "low" / f"{name}.png", 10, 10)
        paint(tmp_path / "high" / f"{name}.png", side, side)
    data = pairs(tmp_path / "low", tmp_path / "high")
    assert list(data.describe()) == ["source", "target"]
    with pytest.raises(BrokenPicture, match="10×10 pixels, and 30×30 large: not 2 times as many"):
        data.load(0, rng())
    with pytest.raises(UsageError, match=r"none of 2 pairs is of scale 4; the last, .*b\.png: 10×10 pixels, and 20"):
        pairs(tmp_path / "low", tmp_path / "high", scale=4)


def test_a_broken_partner_leaves_a_picture_out(tmp_path: Path) -> None:
    for name, side in (("a", 10), ("b", 11)):
        paint(tmp_path / "low" / f"{name}.png", side, side)
        paint(tmp_path / "high" / f"{name}.png", 2 * side, 2 * side)
    (tmp_path / "high" / "b.png").write_bytes(b"")
    data = pairs(tmp_path / "low", tmp_path / "high")
    assert [path.name for path in data.pictures] == ["a.png"]
    assert [picture.reason for picture in data.broken] == ["empty file"]
    assert data.describe()["source"] == {"pictures": 1, "broken": 0, "most common size": "10×10", "distinct sizes": 1}
    (tmp_path / "high" / "a.png").write_bytes(b"")
    paint(tmp_path / "high" / "other.png", 20, 20)
    with pytest.raises(UsageError, match=r"target: no picture's partner can be read \(empty file\)"):
        pairs(tmp_path / "low", tmp_path / "high")


def chain(**things: tuple[float, float] | None) -> tuple[Degradation, ...]:
    return tuple(Degradation.model_validate({"use": name, "between": between}) for name, between in things.items())


EVERYTHING = chain(blur=(0.2, 3), resize=(0.5, 1.5), noise=(1, 20), jpeg=(40, 95))


def test_a_chain_is_a_function_of_its_chance_and_gives_levels_of_8_bits() -> None:
    high = torch.rand(3, 3, 24, 40, generator=chance())
    one, again, other = (degraded(high, 4, EVERYTHING, chance(seed)) for seed in (1, 1, 2))
    assert one.shape == (3, 3, 6, 10)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    torch.testing.assert_close(one * 255, (one * 255).round(), atol=1e-4, rtol=0)
    assert one.min() >= 0
    assert one.max() <= 1


def test_the_order_of_a_chain_matters() -> None:
    high = torch.rand(1, 3, 32, 32, generator=chance())
    chains = chain(blur=(2, 2), noise=(20, 20)), chain(noise=(20, 20), blur=(2, 2))
    rough = [degraded(high, 2, order, chance()).diff(dim=-1).std() for order in chains]
    assert rough[0] > 1.5 * rough[1]


def test_noise_survives_where_the_picture_is_shrunk_before_it() -> None:
    grey = torch.full((8, 3, 64, 64), 0.5)
    before = degraded(grey, 4, chain(noise=(10, 10), shrink=None), chance())
    after = degraded(grey, 4, chain(shrink=None, noise=(10, 10)), chance())
    assert torch.equal(before, degraded(grey, 4, chain(noise=(10, 10)), chance()))
    assert after.std() * 255 == pytest.approx(10, rel=0.1)
    assert after.std() > 3 * before.std()
    torch.testing.assert_close(after * 255, (after * 255).round(), atol=1e-4, rtol=0)


def test_what_never_happens_changes_nothing() -> None:
    high = torch.rand(2, 3, 32, 32)
    never = tuple(thing.model_copy(update={"chance": 0.0}) for thing in EVERYTHING)
    assert torch.equal(degraded(high, 4, never, chance()), shrunk(high, 4))


def test_a_blur_has_the_width_that_was_asked_for() -> None:
    dot = torch.zeros(1, 1, 41, 41)
    dot[..., 20, 20] = 1
    spread = blurred(dot, (2.0, 2.0), chance())[0, 0]
    places = torch.arange(41.0) - 20
    assert spread.sum() == pytest.approx(1, abs=1e-5)
    assert (spread.sum(0) * places**2).sum().sqrt() == pytest.approx(2, abs=0.05)
    assert torch.equal(blurred(dot, (0.0, 0.0), chance()), dot)


def test_noise_has_the_strength_that_was_asked_for_and_is_grey_at_times() -> None:
    noise = noisy(torch.full((40, 3, 16, 16), 0.5), (10, 10), chance()) - 0.5
    assert noise.std() * 255 == pytest.approx(10, rel=0.05)
    grey = (noise == noise[:, :1]).flatten(1).all(1)
    assert 0 < grey.sum() < 40


def test_jpeg_is_worse_at_lower_quality_and_takes_sides_that_are_no_whole_blocks() -> None:
    picture = torch.linspace(0, 1, 34).expand(1, 3, 21, 34)
    lost = [(compressed(picture, (quality, quality), chance()) - picture).abs().mean() for quality in (10, 95)]
    assert lost[0] > 2 * lost[1]


def test_a_picture_that_was_smaller_in_between_has_lost_its_detail() -> None:
    picture = torch.rand(1, 3, 32, 32, generator=chance())
    assert resized(picture, (0.25, 0.25), chance()).diff().std() < 0.3 * picture.diff().std()


@pytest.mark.parametrize("height", [1, 5])
def test_pictures_of_a_few_pixels_survive_everything(height: int) -> None:
    for change in HAPPENINGS.values():
        assert change(torch.rand(2, 3, height, 4), (1.0, 3.0), chance()).shape == (2, 3, height, 4)


@pytest.mark.parametrize(
    ("use", "between", "said"),
    [
        ("blur", (3, 1), "between 3 and 1: blur goes from 0 up to 20"),
        ("jpeg", (0, 90), "between 0 and 90: jpeg goes from 1 up to 100"),
        ("resize", (0, 2), "between 0 and 2: resize goes from 0.1 up to 4"),
        ("noise", None, r"noise needs between: \[least, most\], from 0 up to 255"),
        ("shrink", (1, 2), "shrink is by the scale and always happens: leave out between and chance"),
    ],
)
def test_an_impossible_range_is_refused(use: str, between: tuple[float, float] | None, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Degradation.model_validate({"use": use, "between": between})


def test_a_decoded_picture_is_kept_as_long_as_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [paint(tmp_path / f"{number}.png", 20, 10) for number in range(2)]
    monkeypatch.setattr("i2i.datasets.resolutions.MOST_KEPT", 20 * 10 * 3)
    data = dataset(tmp_path)
    for number in range(2):
        data.load(number, rng())
    for path in paths:
        path.unlink()
    assert data.load(0, rng())["high"].shape == (3, 8, 8)
    with pytest.raises(BrokenPicture, match="no such file"):
        data.load(1, rng())


def test_a_picture_is_shrunk_once() -> None:
    with pytest.raises(ValidationError, match="degradation: a picture is shrunk once"):
        DegradedOptions(degradation=chain(shrink=None) * 2)

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from i2i.contracts.geometry import luma
from i2i.datasets import Degradation, Making, SelfPairedOptions
from i2i.datasets.changes import USUAL
from i2i.datasets.making import edges, made
from i2i.datasets.self_paired import SelfPaired
from i2i.datasets.strokes import free_form_masks

BSD = Path(os.environ.get("I2I_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "sr" / "BSD"
EVERYTHING = ("grey", "holes", "noise", "jpeg", "blur", "edges")


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def rng(seed: int = 0) -> numpy.random.Generator:
    return numpy.random.default_rng(seed)


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=chance(9))


def paint(folder: Path, count: int = 1, size: tuple[int, int] = (40, 30), mode: str = "RGB") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        depth = len(Image.new(mode, (1, 1)).getbands())
        pixels = rng(number).integers(0, 256, (size[1], size[0], depth), dtype=numpy.uint8)
        Image.fromarray(pixels.squeeze(2) if depth == 1 else pixels).save(folder / f"{number}.png")
    return folder


def data(folder: Path, **options: Any) -> SelfPaired:
    given = {"source": str(folder), "resize": 20, "crop": 16, "validation": 0.0, **options}
    return SelfPaired(SelfPairedOptions.model_validate(given))


def batch_of(dataset: Any, seed: int = 0) -> dict[str, torch.Tensor]:
    squares = [dataset.load(index, rng(seed))["target"] for index in range(len(dataset))]
    return dataset.prepare({"target": torch.stack(squares)}, chance(seed))


def things(*makings: Any) -> tuple[Making, ...]:
    return SelfPairedOptions.model_validate({"make": makings}).make


# the dataset


def test_a_picture_and_what_is_made_of_it_are_a_pair(tmp_path: Path) -> None:
    dataset = data(paint(tmp_path, 3))
    assert dataset.load(0, rng()).keys() == {"target"}
    assert dataset.load(0, rng())["target"].dtype == torch.uint8
    batch = batch_of(dataset)
    assert batch.keys() == {"source", "target"}
    assert batch["source"].shape == batch["target"].shape == (3, 3, 16, 16)
    assert torch.equal(batch["source"], luma(batch["target"]).expand(-1, 3, -1, -1))


def test_the_held_out_part_is_made_the_same_way(tmp_path: Path) -> None:
    dataset = data(paint(tmp_path, 8), validation=0.4, make="holes")
    held_out = dataset.validation
    assert held_out is not None
    assert not set(dataset.pictures) & set(held_out.pictures)
    batch = batch_of(held_out)
    assert batch.keys() == {"source", "target", "mask"}
    assert held_out.validation is None
    assert dataset.describe()["source"]["pictures"] == 8


@pytest.mark.parametrize(("mode", "size"), [("L", (40, 30)), ("RGBA", (40, 30)), ("RGB", (1, 1)), ("RGB", (2, 90))])
def test_pictures_of_any_kind_and_size_are_made_into_pairs(tmp_path: Path, mode: str, size: tuple[int, int]) -> None:
    batch = batch_of(data(paint(tmp_path, 2, size, mode), make=EVERYTHING, background="#0a141e"))
    assert batch["source"].shape == (2, 3, 16, 16)
    assert all(0 <= values.min() <= values.max() <= 1 for values in batch.values())


def test_transparent_pixels_take_the_background(tmp_path: Path) -> None:
    Image.new("RGBA", (20, 20), (9, 9, 9, 0)).save(tmp_path / "a.png")
    target = data(tmp_path, background="#0a141e").load(0, rng())["target"]
    assert target[:, 3, 3].tolist() == [10, 20, 30]


# how making is said


@pytest.mark.parametrize("said", ["holes", {"use": "holes"}, ["holes"], [{"use": "holes", "between": [0.1, 0.4]}]])
def test_a_word_a_mapping_and_a_list_say_the_same(said: Any) -> None:
    (making,) = SelfPairedOptions.model_validate({"make": said}).make
    assert (making.use, making.between, making.chance) == ("holes", (0.1, 0.4), 1.0)


def test_each_thing_has_its_usual_strength_and_the_recipe_keeps_it() -> None:
    options = SelfPairedOptions.model_validate({"make": EVERYTHING})
    assert {thing.use: thing.between for thing in options.make if thing.between} == USUAL
    assert SelfPairedOptions.model_validate(options.model_dump(mode="json")) == options
    assert SelfPairedOptions().make == things("grey")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("gray", "Input should be 'grey', 'holes', 'noise', 'jpeg', 'blur' or 'edges'"),
        ({"use": "holes", "between": [0.5, 1]}, "between 0.5 and 1: holes goes from 0 up to 0.9"),
        ({"use": "jpeg", "between": [60, 10]}, "between 60 and 10: jpeg goes from 1 up to 100"),
        ({"use": "edges", "between": [1, 2]}, "edges has no strength: leave out between"),
        ({"use": "grey", "chance": 2}, "less than or equal to 1"),
        ([], "at least 1 item"),
        ({"between": [1, 2]}, "Field required"),
        (5, "valid tuple"),
    ],
)
def test_what_cannot_be_made_is_refused(said: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SelfPairedOptions.model_validate({"make": said})


def test_a_degradation_has_no_usual_strength() -> None:
    with pytest.raises(ValidationError, match=r"jpeg needs between: \[least, most\], from 1 up to 100"):
        Degradation.model_validate({"use": "jpeg"})


# what is made


@pytest.mark.parametrize("name", EVERYTHING)
def test_what_is_made_is_a_function_of_the_batch_and_its_chance(name: str) -> None:
    target = noise(3, 3, 24, 24)
    chain = things(name)
    (one, mask), (again, mask_again) = (made(target, chain, chance(1)) for _ in range(2))
    assert torch.equal(one, again)
    assert torch.equal(target, noise(3, 3, 24, 24)), "the target itself stays as it is"
    assert not torch.equal(one, target)
    assert 0 <= one.min() <= one.max() <= 1
    assert (mask is None) == (name != "holes")
    if mask is not None and mask_again is not None:
        assert torch.equal(mask, mask_again)
    if name in USUAL:
        assert not torch.equal(one, made(target, chain, chance(2))[0])


@pytest.mark.parametrize("name", EVERYTHING)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 3), (16, 16)])
def test_pictures_of_a_few_pixels_survive_everything(name: str, size: tuple[int, int]) -> None:
    source, _ = made(noise(2, 3, *size), things(name), chance())
    assert source.shape == (2, 3, *size)
    assert source.isfinite().all()


def test_things_are_made_in_their_order() -> None:
    target = noise(1, 3, 32, 32)
    blur, noisy = {"use": "blur", "between": [2, 2]}, {"use": "noise", "between": [20, 20]}
    rough = [made(target, things(*order), chance())[0].diff().std() for order in ((blur, noisy), (noisy, blur))]
    assert rough[0] > 1.5 * rough[1]


def test_a_thing_happens_as_often_as_its_chance_says() -> None:
    target = noise(200, 3, 4, 4)
    source, mask = made(target, things({"use": "holes", "between": [0.5, 0.5], "chance": 0.3}), chance())
    assert mask is not None
    changed = (source != target).flatten(1).any(1)
    assert torch.equal(changed, mask.flatten(1).any(1))
    assert 0.2 < changed.float().mean() < 0.4
    source, mask = made(target, things({"use": "holes", "chance": 0}), chance())
    assert torch.equal(source, target)
    assert mask is not None
    assert not mask.any()


@pytest.mark.parametrize("others", [(), ("noise",), ("jpeg", "blur"), ("edges",), ("holes",)])
def test_holes_are_grey_exactly_where_the_mask_says_whatever_else_is_made(others: tuple[str, ...]) -> None:
    target = 0.2 * noise(4, 3, 32, 32)  # nowhere half grey itself
    source, mask = made(target, things("holes", *others), chance())
    assert mask is not None
    assert mask.shape == (4, 1, 32, 32)
    assert mask.unique().tolist() == [0, 1]
    grey = (source == 0.5).all(1, keepdim=True)
    if others in ((), ("holes",)):
        assert torch.equal(grey, mask.bool())
        assert torch.equal(source * (1 - mask), target * (1 - mask))
    else:
        assert grey[mask.bool()].all()


def test_edges_are_dark_lines_on_white_where_a_picture_has_edges() -> None:
    target = torch.full((2, 3, 32, 32), 0.8)
    target[1, 0, :, 16:] = 0.1  # an edge in one colour alone
    drawing = edges(target)
    assert (drawing[0] == 1).all()
    assert drawing[1, :, :, 17].max() < 0.3
    assert (drawing[1, :, :, :8] == 1).all()
    assert (drawing[1, :, :, 24:] == 1).all()
    assert torch.equal(drawing[:, 0], drawing[:, 2])


def test_a_drawing_shows_shadows_too() -> None:
    steps = torch.ones(1, 3, 16, 32)
    steps[..., 16:] = 0.5
    light, dark = (float(1 - edges(steps * level).min()) for level in (1.0, 0.4))
    assert light > 0.3
    assert dark > 0.6 * light, "a line's darkness is not in proportion to the light"


def test_grey_pictures_stay_what_they_are_and_can_be_drawn() -> None:
    grey = noise(2, 1, 24, 24).expand(-1, 3, -1, -1)
    torch.testing.assert_close(made(grey, things("grey"), chance())[0], grey)
    assert edges(grey).min() < 0.5


@pytest.mark.skipif(not BSD.is_dir(), reason=f"no pictures at {BSD} (set I2I_TEST_DATA)")
def test_a_drawing_of_a_photograph_is_mostly_white_paper_with_some_lines(tmp_path: Path) -> None:
    for path in sorted(BSD.glob("*.jpg"))[:8]:
        (tmp_path / path.name).symlink_to(path.resolve())
    drawings = batch_of(data(tmp_path, crop=128, resize=140, make="edges"))["source"]
    assert 0.1 < (drawings < 0.7).float().mean() < 0.35
    assert (drawings > 0.9).float().mean() > 0.5


# holes


@pytest.mark.parametrize("size", [(16, 16), (64, 64), (24, 60)])
def test_holes_have_the_share_that_was_asked_for(size: tuple[int, int]) -> None:
    masks = free_form_masks(60, size, (0.1, 0.4), chance())
    assert masks.shape == (60, 1, *size)
    shares = masks.mean((1, 2, 3))
    assert shares.mean() == pytest.approx(0.25, abs=0.03)
    assert shares.min() >= 0.1 - 1 / 256
    assert shares.max() <= 0.4 + 1 / 64
    assert shares.std() > 0.05


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_share_that_is_certain_is_met(share: float) -> None:
    shares = free_form_masks(30, (48, 48), (share, share), chance()).mean((1, 2, 3))
    assert shares.mean() == pytest.approx(share, abs=0.01)
    assert (shares - share).abs().max() < 0.08
    assert not free_form_masks(2, (48, 48), (0, 0), chance()).any()


def test_holes_reach_all_regions_about_equally_often() -> None:
    covered = free_form_masks(400, (32, 32), (0.25, 0.25), chance()).mean(0)[0]
    regions = covered.unfold(0, 8, 8).unfold(1, 8, 8).mean((-1, -2))
    assert regions.min() > 0.15
    assert regions.max() < 0.35


def test_a_hole_is_of_few_pieces_and_wider_than_a_pixel() -> None:
    masks = free_form_masks(50, (64, 64), (0.2, 0.2), chance())
    neighbours = torch.nn.functional.avg_pool2d(masks, 3, 1, 1, divisor_override=1) - masks
    alone = (masks > 0) & (neighbours < 2)
    assert alone.sum() < 0.005 * masks.sum()
    rim = (masks[..., 1:] != masks[..., :-1]).sum() / masks.sum()
    assert rim < 0.4


def test_masks_look_alike_at_every_size() -> None:
    rims = []
    for side in (32, 128):
        masks = free_form_masks(40, (side, side), (0.25, 0.25), chance())
        rims.append(float((masks[..., 1:] != masks[..., :-1]).sum() / side / len(masks)))
    assert rims[0] == pytest.approx(rims[1], rel=0.3)


def test_masks_are_a_function_of_their_chance() -> None:
    one, again, other = (free_form_masks(3, (32, 32), (0.1, 0.4), chance(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert not torch.equal(one[0], one[1])

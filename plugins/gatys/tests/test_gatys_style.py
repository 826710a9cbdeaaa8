from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from i2i_gatys import ModelOptions, StyleTrainerOptions, TranslateOptions
from i2i_gatys.model import Gatys
from i2i_gatys.style import gram, nearest_octave, shrunk
from i2i_gatys.trainer import FIRST, StyleTrainer
from torch import Tensor

import i2i


def paintings(count: int, side: int = 64) -> list[Tensor]:
    chance = torch.Generator().manual_seed(4)
    coarse = torch.rand(count, 3, side // 4, side // 4, generator=chance)
    return list(torch.nn.functional.interpolate(coarse, scale_factor=4, mode="bicubic").clamp(0, 1).split(1))


def gatys(features: dict[str, Any], *styles: Path, **options: Any) -> Gatys:
    model = Gatys(ModelOptions(style=tuple(map(str, styles)), features=features, **options))  # type: ignore[arg-type]
    model.prepare()
    return model


def fitted(model: Gatys, pictures: list[Tensor], batch: int = 1) -> StyleTrainer:
    """What `fit` does, without a run folder."""
    trainer = StyleTrainer(model, {}, StyleTrainerOptions())
    for first in range(0, len(pictures), batch):
        together = {"picture": torch.cat(pictures[first : first + batch])}
        i2i.Loop.optimise(trainer, together, 1)
    return trainer


def test_a_folders_style_is_the_mean_of_its_pictures(squeezenet: str) -> None:
    features, pictures = {"use": "squeezenet1_1", "weights": squeezenet}, paintings(5)
    one_by_one, in_batches = gatys(features), gatys(features)
    fitted(one_by_one, pictures)
    fitted(in_batches, pictures, batch=2)
    for octave in range(len(one_by_one.features.sizes)):
        grams = one_by_one.style.grams(octave)
        for name, found in grams.items():
            alone = [
                gram(one_by_one.features(shrunk(picture, one_by_one.features.sizes[octave]), [name], octave)[name])
                for picture in pictures
            ]
            torch.testing.assert_close(found, torch.stack(alone).mean(0))
            torch.testing.assert_close(in_batches.style.grams(octave)[name], found)
    assert one_by_one.style.pictures.tolist() == [5.0]


def test_learned_features_of_a_folder_are_learned_from_its_first_pictures() -> None:
    pictures = paintings(5)
    folder, files = gatys({"use": "learned"}), gatys({"use": "learned"})
    fitted(folder, pictures)
    files.features.learn(pictures[:4])  # they were learned anew when there were 1, 2 and 4 pictures
    for key, tensor in files.features.state_dict().items():
        torch.testing.assert_close(folder.features.state_dict()[key], tensor)
    alone = [gram(files.features(picture, files.style_layers, 3)["colours"]) for picture in pictures]
    torch.testing.assert_close(folder.style.grams(3)["colours"], torch.stack(alone).mean(0))


def test_the_first_pictures_are_kept_for_a_resume_and_no_more_of_them_than_that() -> None:
    trainer = fitted(gatys({"use": "learned"}), paintings(2, side=32) * (FIRST // 2 + 1))
    assert len(trainer.first) == FIRST
    other = StyleTrainer(gatys({"use": "learned"}), {}, StyleTrainerOptions())
    other.load_state_dict(trainer.state_dict())
    assert all(torch.equal(one, same) for one, same in zip(other.first, trainer.first, strict=True))


@pytest.mark.parametrize("batch", [10, 20])
def test_every_picture_of_a_batch_counts(batch: int) -> None:
    pictures = paintings(5, side=32) * 4
    trainer = fitted(gatys({"use": "learned"}), pictures, batch)
    assert trainer.model.style.pictures.tolist() == [20.0]
    mean = torch.cat(pictures).mean((0, 2, 3))
    torch.testing.assert_close(trainer.model.style.mean[0], mean)


def test_a_style_that_was_learned_before_is_added_to() -> None:
    pictures = paintings(4)
    before = fitted(gatys({"use": "learned"}), pictures[:2])
    after = gatys({"use": "learned"})
    after.load_state_dict(before.model.state_dict())
    fitted(after, pictures[2:])
    assert after.style.pictures.tolist() == [4.0]
    for key, filters in before.model.features.state_dict().items():
        assert torch.equal(after.features.state_dict()[key], filters)
    torch.testing.assert_close(after.style.mean[0], torch.cat(pictures).mean((0, 2, 3)))


def test_a_fit_tells_how_much_the_style_still_changes(squeezenet: str) -> None:
    heard: list[dict[str, float]] = []
    trainer = StyleTrainer(gatys({"use": "squeezenet1_1", "weights": squeezenet}), {}, StyleTrainerOptions())
    for picture in paintings(4):
        i2i.Loop.optimise(trainer, {"picture": picture}, 1, i2i.Request(report=lambda _, **found: heard.append(found)))
    assert [found["pictures"] for found in heard] == [1, 2, 3, 4]
    assert heard[0]["change"] == pytest.approx(1.0)
    assert heard[3]["change"] < heard[1]["change"] < 1


def test_a_fit_refuses_a_style_of_its_own(squeezenet: str, tmp_path: Path) -> None:
    i2i.to_image(paintings(1)[0][0]).save(tmp_path / "a.png")
    model = gatys({"use": "squeezenet1_1", "weights": squeezenet}, tmp_path / "a.png")
    with pytest.raises(i2i.UsageError, match=r"model\.style: `fit` learns the style of the folder; leave it out"):
        StyleTrainer(model, {}, StyleTrainerOptions())


def test_several_styles_are_mixed_by_their_weights(squeezenet: str, tmp_path: Path) -> None:
    features = {"use": "squeezenet1_1", "weights": squeezenet}
    files = [tmp_path / name for name in ("a.png", "b.png")]
    for file, picture in zip(files, paintings(2), strict=True):
        i2i.to_image(picture[0]).save(file)
    both = gatys(features, *files, style_weights=(3.0, 1.0))
    first, second = (gatys(features, file).style.grams(1) for file in files)
    goal = both.goal(torch.rand(1, 3, 64, 64), TranslateOptions(), both.shares, None)
    other = both.style.grams(nearest_octave(both.features.sizes, 64))
    for name in both.style_layers:
        torch.testing.assert_close(both.style.grams(1)[name], torch.cat([first[name], second[name]]))
        torch.testing.assert_close(goal.grams[name][0], 0.75 * other[name][0] + 0.25 * other[name][1])


def test_each_style_goes_where_its_mask_is_white(squeezenet: str, tmp_path: Path) -> None:
    red, blue = paintings(2)
    red[:, 1:] /= 4
    blue[:, :2] /= 4
    left = torch.zeros(3, 10, 20)
    left[..., :10] = 1
    for name, picture in (("red", red[0]), ("blue", blue[0]), ("left", left), ("right", 1 - left)):
        i2i.to_image(picture).save(tmp_path / f"{name}.png")
    model = gatys({"use": "squeezenet1_1", "weights": squeezenet}, tmp_path / "red.png", tmp_path / "blue.png")
    model.eval().requires_grad_(False)
    photo = torch.nn.functional.interpolate(torch.rand(1, 3, 5, 6), (60, 80), mode="bilinear")

    def redness(*masks: str) -> Tensor:
        options = TranslateOptions(
            masks=tuple(str(tmp_path / f"{mask}.png") for mask in masks),
            scales=({"size": 80, "steps": 10},),  # type: ignore[arg-type]
        )
        painting = model.translate(photo, i2i.Request(options=options))
        return (painting[0, 0] - painting[0, 2]).mean(0)  # (80,)

    there, swapped, mixed = redness("left", "right"), redness("right", "left"), redness()
    assert there[:30].mean() > mixed[:30].mean() + 0.05 > swapped[:30].mean() + 0.1
    assert there[-30:].mean() < mixed[-30:].mean() - 0.05 < swapped[-30:].mean() - 0.1


def test_sizes_are_told_apart_by_octaves() -> None:
    assert [nearest_octave((1024, 512, 256, 128), side) for side in (4000, 1024, 800, 700, 512, 300, 128, 20)] == [
        0,
        0,
        0,
        1,
        1,
        2,
        3,
        3,
    ]


def test_a_style_is_never_enlarged_and_its_shape_is_kept() -> None:
    assert shrunk(torch.rand(1, 3, 40, 50), 128).shape == (1, 3, 40, 50)
    assert shrunk(torch.rand(1, 3, 512, 512), 128).shape == (1, 3, 128, 128)
    assert shrunk(torch.rand(1, 3, 400, 1600), 200).shape == (1, 3, 100, 400)


def test_strokes_of_half_the_size_are_those_of_a_style_of_half_the_size(squeezenet: str) -> None:
    picture = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    model = gatys({"use": "squeezenet1_1", "weights": squeezenet}, style_scale=0.5)
    sums = model.style.measured(model.features, picture)
    halved = shrunk(picture, 128)
    for name in model.style_layers:
        torch.testing.assert_close(sums[f"gram_{name}"][2], gram(model.features(halved, [name])[name])[0])

from __future__ import annotations

import pytest
import torch
from i2i_gatys import ModelOptions, Scale, TranslateOptions
from i2i_gatys.canvas import CanvasTrainer, planned
from i2i_gatys.model import Gatys
from i2i_gatys.objective import Objective
from torch import Tensor

import i2i

SCALES = (Scale(size=90, steps=6), Scale(size=104, steps=4))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Gatys:
    """Learned features of a small style: no weights are needed."""
    return style_model(tmp_path_factory.mktemp("style"))


def style_model(folder, **options: object) -> Gatys:
    path = folder / "style.png"
    i2i.to_image(stripes(64, 64)[0]).save(path)
    model = Gatys(ModelOptions(style=(str(path),), features={"use": "learned"}, **options))
    model.prepare()
    return model.eval().requires_grad_(False)


def stripes(height: int, width: int) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    wave = (0.7 * rows + 0.4 * columns).sin() / 2 + 0.5
    return torch.stack([wave, 0.3 + 0.4 * wave, 1 - wave])[None]


def photos(count: int, height: int = 80, width: int = 104) -> Tensor:
    chance = torch.Generator().manual_seed(1)
    coarse = torch.rand(count, 3, 5, 6, generator=chance)
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")


def request(optimizer: str = "lbfgs", **options: object) -> i2i.Request:
    return i2i.Request(options=TranslateOptions(scales=SCALES, optimizer=optimizer, **options), seeds=())


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_photo_is_painted_the_same_in_a_batch_and_alone(model: Gatys, optimizer: str) -> None:
    images = photos(2)
    together = model.translate(images, request(optimizer))
    alone = torch.cat([model.translate(image[None], request(optimizer)) for image in images])
    assert float((together - alone).abs().mean()) <= 0.5 / 255
    assert torch.equal(together, alone)


def test_the_loss_of_an_lbfgs_run_never_rises(model: Gatys) -> None:
    photo = photos(1)
    options = TranslateOptions(content=0.5, variation=0.1)
    objective = Objective(model.features, model.goal(photo, options, model.shares, None))
    losses: list[float] = []
    report = i2i.Request(report=lambda fraction, **scalars: losses.append(scalars["loss"]))
    i2i.Loop.optimise(CanvasTrainer(model, [photo], [objective], options), {"photo": photo}, 40, report)
    assert len(losses) == 40
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.3 * losses[0]


def test_an_iteration_costs_little_more_than_one_evaluation(model: Gatys) -> None:
    photo, options = photos(1), TranslateOptions()
    objective = Objective(model.features, model.goal(photo, options, model.shares, None))
    evaluations, plain = [0], objective.parts

    def counted(canvas: Tensor) -> dict[str, Tensor]:
        evaluations[0] += 1
        return plain(canvas)

    objective.parts = counted  # type: ignore[method-assign]
    i2i.Loop.optimise(CanvasTrainer(model, [photo], [objective], options), {"photo": photo}, 30)
    assert evaluations[0] <= 45


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_progress_counts_iterations_over_all_scales(model: Gatys, optimizer: str) -> None:
    heard: list[tuple[float, dict[str, float]]] = []
    shown: list[tuple[int, tuple[int, ...]]] = []
    asked = i2i.Request(
        options=TranslateOptions(scales=SCALES, optimizer=optimizer),
        report=lambda fraction, **scalars: heard.append((fraction, scalars)),
        show=lambda iteration, pictures: shown.append((iteration, tuple(pictures.shape))),
    )
    model.translate(photos(2), asked)
    assert [fraction for fraction, _ in heard] == [number / 10 for number in range(1, 11)]
    assert [scalars["iteration"] for _, scalars in heard] == list(range(1, 11))
    assert [scalars["scale"] for _, scalars in heard] == [1] * 6 + [2] * 4
    assert all(scalars.keys() == {"scale", "iteration", "loss"} for _, scalars in heard)
    assert shown[5:7] == [(6, (2, 3, 69, 90)), (7, (2, 3, 80, 104))]


def test_scales_end_with_the_first_that_is_as_large_as_the_photo() -> None:
    scales = (Scale(size=128, steps=1), Scale(size=256, steps=2), Scale(size=512, steps=3))

    def sizes(height: int, width: int) -> list[tuple[int, int]]:
        return [(stage.height, stage.width) for stage in planned(scales, height, width, smallest=32)]

    assert sizes(768, 1024) == [(96, 128), (192, 256), (384, 512)]
    assert sizes(150, 200) == [(96, 128), (150, 200)]
    assert sizes(64, 64) == [(64, 64)]
    assert sizes(128, 128) == [(128, 128)]
    # a long narrow photo is not shrunk below what the features can see
    assert sizes(40, 4000) == [(32, 3200)]


def test_a_scale_may_have_its_own_optimizer_and_content() -> None:
    scale = Scale(size=64, steps=1, optimizer="adam", content=0.0)
    assert scale.chosen() == {"optimizer": "adam", "content": 0.0}
    assert Scale(size=64, steps=1).chosen() == {}

from __future__ import annotations

import math
from collections.abc import Collection

import pytest
import torch
import torch.nn.functional as F
from i2i_gatys.objective import Goal, Objective, gram_distances, gram_sums, total_variation
from i2i_gatys.style import gram
from i2i_gatys.tiles import tiles
from torch import Tensor

from i2i import FeatureExtractor
from i2i.features.extractor import Layer


class Waves(FeatureExtractor):
    """Two smooth layers, the second at half the size: a network small enough for finite differences."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = {"near": Layer(4, 1, 1), "far": Layer(5, 2, 3)}
        chance = torch.Generator().manual_seed(0)
        self.near = torch.randn(4, 3, 3, 3, generator=chance, dtype=torch.float64)
        self.far = torch.randn(5, 4, 3, 3, generator=chance, dtype=torch.float64)

    def forward(self, pictures: Tensor, layers: Collection[str], octave: int = 0) -> dict[str, Tensor]:
        near = F.conv2d(pictures, self.near.to(pictures), padding=1).sin()
        far = F.conv2d(F.avg_pool2d(near, 2), self.far.to(pictures), padding=1).sin()
        return {name: maps for name, maps in (("near", near), ("far", far)) if name in layers}


def picture(height: int, width: int, seed: int = 0) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, height, width, generator=chance, dtype=torch.float64)


def goal(photo: Tensor, **changes: object) -> Goal:
    features = Waves()
    grams = {name: gram(maps) for name, maps in features(picture(20, 24, seed=5), ["near", "far"]).items()}
    given: dict[str, object] = {
        "photo": photo,
        "grams": grams,
        "shares": photo.new_ones(1),
        "style_layers": {"near": 0.3, "far": 0.7},
        "content_layers": {"far": 0.5},
    }
    return Goal(**{**given, **changes})  # type: ignore[arg-type]


def test_a_gram_matrix_by_hand() -> None:
    maps = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [0.0, -1.0]]]])
    # (1 + 4 + 9 + 16) / 4, (0 + 2 + 0 - 4) / 4, (0 + 1 + 0 + 1) / 4
    assert gram(maps).tolist() == [[[7.5, -0.5], [-0.5, 0.5]]]
    assert gram_sums(maps).tolist() == [[[30.0, -2.0], [-2.0, 2.0]]]
    left = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    assert gram_sums(maps, left).tolist() == [[[10.0, 0.0], [0.0, 0.0]]]


def test_the_distance_of_gram_matrices_is_in_units_of_the_wanted_one() -> None:
    wanted = torch.tensor([[[2.0, 0.0], [0.0, 1.0]]])
    assert gram_distances(wanted, wanted).tolist() == [0.0]
    assert gram_distances(torch.zeros_like(wanted), wanted).tolist() == pytest.approx([math.log(2)])
    for scale in (1, 10):
        assert gram_distances(3 * scale * wanted, scale * wanted).tolist() == pytest.approx([math.log(5)])


def test_total_variation_by_hand() -> None:
    ramp = torch.tensor([0.0, 0.5, 1.0]).expand(1, 3, 4, 3)
    assert float(total_variation(ramp)) == pytest.approx(2 * 0.25 / 3 * (4 / 256) ** 2)
    assert float(total_variation(torch.full((1, 3, 4, 4), 0.3))) == 0.0


@pytest.mark.parametrize("part", ["style", "content", "variation"])
def test_the_gradient_of_every_part_is_that_of_finite_differences(part: str) -> None:
    weights = {"style": 0.0, "content": 0.0, "variation": 0.0, part: 1.5}
    objective = Objective(Waves(), goal(picture(6, 8), **weights))
    canvas = picture(6, 8, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda at: objective.parts(at)[part], (canvas,))


@pytest.mark.parametrize("part", ["style", "content"])
def test_so_it_is_with_masks_and_in_tiles(part: str) -> None:
    masks = torch.stack([torch.linspace(0, 1, 136).expand(9, 136), torch.linspace(1, 0, 136).expand(9, 136)]).double()
    grams = {name: matrices.repeat(2, 1, 1) for name, matrices in goal(picture(4, 4)).grams.items()}
    shares = torch.tensor([0.25, 0.75], dtype=torch.float64)
    wanted = goal(picture(9, 136), masks=masks, grams=grams, shares=shares, tile=64)
    objective = Objective(Waves(), wanted)
    assert len(objective.targets) == 2
    canvas = picture(9, 136, seed=1)
    direction = torch.randn(canvas.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    share = torch.zeros((), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda at: objective.parts(canvas + at * direction)[part], (share,))


@pytest.mark.parametrize(("height", "width"), [(150, 260), (64, 401), (333, 70)])
@pytest.mark.parametrize("masked", [False, True])
def test_tiles_give_the_loss_and_the_gradient_of_the_whole(height: int, width: int, masked: bool) -> None:
    changes: dict[str, object] = {"variation": 0.1}
    if masked:
        masks = picture(height, width, seed=7)[0, :2]
        grams = {name: matrices.repeat(2, 1, 1) for name, matrices in goal(picture(4, 4)).grams.items()}
        changes |= {"masks": masks, "grams": grams, "shares": masks.new_tensor([0.5, 0.5])}
    whole = Objective(Waves(), goal(picture(height, width), tile=1024, **changes))
    tiled = Objective(Waves(), goal(picture(height, width), tile=64, **changes))
    assert (len(whole.targets), len(tiled.targets) > 1) == (1, True)
    canvas = picture(height, width, seed=1)
    one, other = whole.at(canvas), tiled.at(canvas)
    torch.testing.assert_close(one.loss, other.loss, rtol=1e-10, atol=0)
    torch.testing.assert_close(one.gradient, other.gradient, rtol=1e-9, atol=1e-15)
    assert {name: float(part) for name, part in one.parts.items()} == pytest.approx(
        {name: float(part) for name, part in other.parts.items()}
    )


def test_tiles_cover_every_place_once() -> None:
    features = Waves()
    for height, width in ((64, 64), (65, 1000), (300, 129)):
        count = torch.zeros(1, 1, height, width)
        for tile in tiles(height, width, 64, features, ["near", "far"]):
            tile.own(tile.crop(count), 1).add_(1)
        assert count.unique().tolist() == [1.0]


def test_a_region_counts_its_own_places_only() -> None:
    """Where a mask is black, the canvas may be anything: the region's loss does not change."""
    masks = torch.zeros(1, 32, 32, dtype=torch.float64)
    masks[:, :, :12] = 1
    objective = Objective(Waves(), goal(picture(32, 32), masks=masks, content=0.0))
    canvas = picture(32, 32, seed=1)
    before = objective.at(canvas)
    assert before.gradient[..., :12].abs().max() > 0
    assert before.gradient[..., 20:].abs().max() == 0
    other = canvas.clone()
    other[..., 20:] = 0.5
    torch.testing.assert_close(objective.at(other).loss, before.loss)


def test_a_canvas_that_is_the_photo_in_the_style_of_itself_has_no_loss() -> None:
    photo, features = picture(16, 16), Waves()
    grams = {name: gram(maps) for name, maps in features(photo, ["near", "far"]).items()}
    found = Objective(features, goal(photo, grams=grams)).at(photo)
    assert float(found.loss) == pytest.approx(0.0, abs=1e-20)
    assert found.gradient.abs().max() < 1e-12


def test_a_flat_photo_and_a_black_style_give_finite_numbers() -> None:
    flat = torch.full((1, 3, 16, 16), 0.5)
    black = {"near": torch.zeros(1, 4, 4), "far": torch.zeros(1, 5, 5)}
    masks = torch.zeros(1, 16, 16)
    objective = Objective(Waves(), goal(flat, grams=black, masks=masks))
    found = objective.at(torch.rand(1, 3, 16, 16))
    assert found.loss.isfinite()
    assert found.gradient.isfinite().all()


def test_the_same_canvas_is_computed_once() -> None:
    class Counting(Waves):
        calls = 0

        def forward(self, pictures: Tensor, layers: Collection[str], octave: int = 0) -> dict[str, Tensor]:
            self.calls += 1
            return super().forward(pictures, layers, octave)

    features = Counting()
    objective = Objective(features, goal(picture(8, 8)))
    canvas, before = picture(8, 8, seed=1), features.calls
    assert objective.at(canvas) is objective.at(canvas.clone())
    assert features.calls == before + 1
    objective.at(canvas + 0.1)
    assert features.calls == before + 2

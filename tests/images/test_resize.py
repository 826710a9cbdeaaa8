from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from i2i.images.decode import open_picture, to_tensor
from i2i.images.resize import shrunk

SET5 = Path(os.environ.get("I2I_TEST_DATA", Path(__file__).parents[3] / "shared" / "data")) / "sr" / "Set5"


@pytest.mark.parametrize("scale", [2, 4])
def test_the_fields_own_small_pictures_come_out_equal_in_every_pixel(scale: int) -> None:
    folder = SET5 / f"image_SRF_{scale}"
    if not folder.is_dir():
        pytest.skip(f"no pictures at {folder}")
    originals = sorted(folder.glob("*_HR.png"))
    assert len(originals) == 5
    for path in originals:
        published = to_tensor(open_picture(path.with_name(path.name.replace("_HR", "_LR"))))
        ours = shrunk(to_tensor(open_picture(path))[None].float() / 255, scale)[0]
        assert torch.equal((ours * 255).round().to(torch.uint8), published)


def test_an_even_picture_stays_even() -> None:
    torch.testing.assert_close(shrunk(torch.full((1, 3, 12, 9), 0.2), 3), torch.full((1, 3, 4, 3), 0.2))


def test_fine_stripes_become_grey_instead_of_coarse_stripes() -> None:
    stripes = torch.tensor([0.0, 1.0]).repeat(16).expand(1, 1, 32, 32)
    small = shrunk(stripes, 4)
    assert (small[..., 2:-2] - 0.5).abs().max() < 0.01


def test_a_pixel_shrinks_to_one() -> None:
    assert shrunk(torch.rand(2, 3, 2, 2), 2).shape == (2, 3, 1, 1)


def test_sides_that_the_scale_does_not_divide_are_refused() -> None:
    with pytest.raises(ValueError, match="10×9 pixels cannot be divided by 4"):
        shrunk(torch.rand(1, 3, 9, 10), 4)

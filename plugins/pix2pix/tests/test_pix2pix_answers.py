"""What the generator is shown, and how a picture comes out of what it makes."""

from __future__ import annotations

import pytest
import torch
from i2i_pix2pix.answers import ANSWERS, BLUE_SPAN, RED_SPAN, in_colours
from torch import Tensor

from i2i import UsageError, luma, to_image, to_tensor

PHOTO = torch.rand(2, 3, 8, 12, generator=torch.Generator().manual_seed(1))
HOLE = torch.zeros(2, 1, 8, 12)
HOLE[:, :, 2:5, 3:9] = 1


def colours_of(pictures: Tensor) -> Tensor:
    """RGB (B, 3, H, W) in [0, 1] → its Cb and Cr, (B, 2, H, W) in [0, 1]."""
    lightness, red, blue = luma(pictures), pictures[:, :1], pictures[:, 2:]
    return torch.cat([(blue - lightness) / BLUE_SPAN, (red - lightness) / RED_SPAN], 1) + 0.5


def test_a_photo_in_its_own_colours_is_itself() -> None:
    torch.testing.assert_close(in_colours(luma(PHOTO), colours_of(PHOTO)), PHOTO, atol=1e-6, rtol=0)


def test_colours_are_those_of_a_jpeg_file() -> None:
    """Pillow's YCbCr is that of JFIF: ITU-R BT.601, full range."""
    picture = to_image(PHOTO[0])
    lightness, *differences = (to_tensor(band.convert("RGB"))[:1].float() for band in picture.convert("YCbCr").split())
    ours = to_tensor(picture).float()[None] / 255
    assert (luma(ours)[0] * 255 - lightness).abs().max() <= 1
    assert (colours_of(ours)[0] * 255 - torch.cat(differences)).abs().max() <= 1.5  # Pillow's zero is 128, ours 127.5


def test_mid_grey_colours_leave_a_photo_grey() -> None:
    grey = in_colours(luma(PHOTO), torch.full((2, 2, 8, 12), 0.5))
    torch.testing.assert_close(grey, luma(PHOTO).expand(2, 3, 8, 12))


def test_colours_change_no_lightness_but_where_they_do_not_exist() -> None:
    made = 0.5 + 0.2 * (torch.rand(2, 2, 8, 12) - 0.5)
    lightness = 0.4 + 0.2 * luma(PHOTO)
    torch.testing.assert_close(luma(in_colours(lightness, made)), lightness)
    garish = in_colours(luma(PHOTO), torch.rand(2, 2, 8, 12))
    assert garish.min() >= 0
    assert garish.max() <= 1


def test_the_colours_of_the_source_are_not_seen() -> None:
    answer = ANSWERS["colours"]
    grey = luma(PHOTO).expand_as(PHOTO)
    made = torch.rand(2, 2, 8, 12)
    assert answer.shown(PHOTO, None).shape == (2, 1, 8, 12)
    torch.testing.assert_close(answer.shown(PHOTO, None), answer.shown(grey, None))
    torch.testing.assert_close(answer.picture(made, PHOTO, None), answer.picture(made, grey, None))


def test_a_source_with_holes_has_no_lightness_to_colour() -> None:
    with pytest.raises(UsageError) as refusal:
        ANSWERS["colours"].shown(PHOTO, HOLE)
    assert str(refusal.value) == (
        "model.answers=colours: the sources have holes; set dataset.make=grey, or answers=picture"
    )


def test_what_lies_in_a_hole_is_not_seen() -> None:
    answer, painted = ANSWERS["holes"], torch.where(HOLE > 0, torch.rand(2, 3, 8, 12), PHOTO)
    shown = answer.shown(PHOTO, HOLE)
    assert torch.equal(shown, answer.shown(painted, HOLE))
    assert torch.equal(shown[:, 3:], HOLE)
    assert torch.equal(shown[:, :3], torch.where(HOLE > 0, 0.5, PHOTO))


def test_around_a_hole_the_source_stays_bit_for_bit() -> None:
    made = torch.rand(2, 3, 8, 12)
    assert torch.equal(ANSWERS["holes"].picture(made, PHOTO, HOLE), torch.where(HOLE > 0, made, PHOTO))


def test_a_picture_is_made_whole() -> None:
    answer, made = ANSWERS["picture"], torch.rand(2, 3, 8, 12)
    assert answer.shown(PHOTO, None) is PHOTO
    assert answer.picture(made, PHOTO, None) is made


def test_holes_without_a_mask_are_refused_with_what_would_work() -> None:
    with pytest.raises(UsageError) as refusal:
        ANSWERS["holes"].shown(PHOTO, None)
    assert str(refusal.value) == (
        "model.answers=holes: nothing says where the holes are; a batch to learn from needs a mask, such as "
        "dataset.use=self-paired with dataset.make=holes gives, a picture to fill its own, as --mask does"
    )

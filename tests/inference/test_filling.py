"""What a model that fills makes of holes, through the Python API; here it paints them orange."""

import numpy
import pytest
import torch
from PIL import Image

from i2i import BrokenPicture, Geometry, UsageError, load, load_recipe, open_picture
from i2i.inference.opening import Subject

ORANGE = (255, 128, 0)
LUMA_OF_ORANGE = 0.299 + 0.587 * 0.5


@pytest.fixture
def mender(plugin_alone):
    catalog = plugin_alone("mender")
    return load(load_recipe(catalog, "mender"), catalog=catalog, device="cpu")


def noise(channels, size=(7, 5), kind="uint8"):
    shape = (size[1], size[0]) + (channels,) * (channels > 1)
    return numpy.random.default_rng(channels).integers(0, 256 if kind == "uint8" else 65536, shape, kind)


def holes(size=(7, 5)):
    """(H, W), true in two rows."""
    mask = numpy.zeros((size[1], size[0]), bool)
    mask[1:3] = True
    return mask


def white_where(mask):
    return Image.fromarray(numpy.where(mask, 255, 0).astype("uint8"))


def test_what_a_mask_shows_is_painted_and_every_other_level_stays(mender):
    levels = noise(3)
    answer = mender.translate(Image.fromarray(levels), masks=white_where(holes()))
    assert answer.mode == "RGB"
    assert (numpy.asarray(answer)[~holes()] == levels[~holes()]).all()
    assert (numpy.asarray(answer)[holes()] == ORANGE).all()


def test_what_is_not_wholly_opaque_is_painted_and_the_answer_is_opaque(mender):
    levels = noise(4)
    levels[..., 3] = 255
    levels[0, 0, 3], levels[0, 1, 3] = 0, 254
    answer = mender.translate(Image.fromarray(levels))
    painted = levels[..., 3] < 255
    assert answer.mode == "RGB"
    assert (numpy.asarray(answer)[~painted] == levels[~painted][:, :3]).all()
    assert (numpy.asarray(answer)[painted] == ORANGE).all()
    assert painted.sum() == 2


def test_a_mask_adds_to_what_is_transparent(mender):
    levels = noise(4)
    levels[..., 3] = 255
    levels[4, :, 3] = 0
    answer = numpy.asarray(mender.translate(Image.fromarray(levels), masks=white_where(holes())))
    assert ((answer == ORANGE).all(-1) == (holes() | (levels[..., 3] == 0))).all()


def test_grey_stays_grey_and_sixteen_bits_stay_sixteen(mender, write_deep, tmp_path):
    grey = noise(1)
    answer = mender.translate(Image.fromarray(grey), masks=white_where(holes()))
    assert answer.mode == "L"
    assert (numpy.asarray(answer)[~holes()] == grey[~holes()]).all()
    assert (numpy.asarray(answer)[holes()] == round(255 * LUMA_OF_ORANGE)).all()
    fine = noise(1, kind="uint16")
    answer = mender.translate(Image.fromarray(fine), masks=white_where(holes()))
    assert answer.mode == "I;16"
    assert (numpy.asarray(answer)[~holes()] == fine[~holes()]).all()
    colours = noise(3, kind="uint16")
    write_deep(colours, tmp_path / "a.png")
    (done,) = mender.stream([Subject("a", tmp_path / "a.png", white_where(holes()))])
    assert done.levels.bits == 16
    assert ((done.picture * 65535).round().permute(1, 2, 0).numpy()[~holes()] == colours[~holes()]).all()


def test_the_model_is_told_of_the_holes_in_the_size_that_it_is_given(mender):
    mender.translate(Image.fromarray(noise(3)), masks=white_where(holes()))
    (mask,) = mender.model.masks
    assert mask.shape == (1, 1, 8, 8)
    assert (mask[0, 0, :5, :7].numpy() == holes()).all()
    assert mask.unique().tolist() == [0, 1]


def test_pictures_of_several_sizes_each_have_their_own_mask(mender):
    sizes = [(7, 5), (8, 8), (3, 3)]
    pictures = [Image.fromarray(noise(3, size)) for size in sizes]
    answers = mender.translate(pictures, batch=2, masks=[white_where(holes(size)) for size in sizes])
    for size, answer in zip(sizes, answers, strict=True):
        assert answer.size == size
        assert ((numpy.asarray(answer) == ORANGE).all(-1) == holes(size)).all()


def test_tensors_take_tensors_and_a_picture_may_have_no_mask(mender):
    picture = torch.rand(3, 5, 7)
    mask = torch.from_numpy(holes())[None].float()
    painted, same = mender.translate([picture, picture], masks=[mask, None])
    assert torch.equal(same, picture)
    assert torch.equal(painted[:, ~holes()], picture[:, ~holes()])
    assert not torch.equal(painted[:, holes()], picture[:, holes()])


def test_light_pixels_of_a_mask_count_from_half_grey_up_and_transparent_ones_do_not(mender):
    mask = numpy.zeros((1, 4, 4), "uint8")
    mask[0] = [(127,) * 3 + (255,), (128,) * 3 + (255,), (255,) * 3 + (0,), (255, 255, 0, 255)]
    picture = Image.fromarray(noise(3, (4, 1)))
    answer = numpy.asarray(mender.translate(picture, masks=Image.fromarray(mask)))
    assert (answer == ORANGE).all(-1).tolist() == [[False, True, False, True]]


def test_the_self_ensemble_turns_the_mask_with_the_picture(plugin_alone):
    catalog = plugin_alone("mender")
    translator = load(load_recipe(catalog, "mender"), catalog=catalog, device="cpu", self_ensemble=True)
    answer = translator.translate(Image.fromarray(noise(3)), masks=white_where(holes()))
    assert ((numpy.asarray(answer) == ORANGE).all(-1) == holes()).all()
    assert len(translator.model.masks) == 8


def test_what_has_no_hole_is_noted(mender):
    (done,) = mender.stream([Subject(0, Image.fromarray(noise(3)))])
    assert done.untouched
    (done,) = mender.stream([Subject(0, Image.fromarray(noise(3)), white_where(holes()))])
    assert not done.untouched


@pytest.mark.parametrize(
    ("masks", "kind", "message"),
    [
        (Image.new("L", (3, 3)), BrokenPicture,
         "the picture: its mask has 3×3 pixels, the picture 7×5; both must be equal"),
        (torch.zeros(3, 5, 7), UsageError, "a mask tensor is (1, H, W), found (3, 5, 7)"),
    ],
)  # fmt: skip
def test_a_mask_that_does_not_fit_is_one_line(mender, masks, kind, message):
    with pytest.raises(kind) as refusal:
        mender.translate(Image.fromarray(noise(3)), masks=masks)
    assert str(refusal.value) == message


def test_a_lone_mask_for_a_list_and_a_mask_of_another_kind_are_refused(mender):
    picture = Image.fromarray(noise(3))
    with pytest.raises(UsageError) as refusal:
        mender.translate([picture, picture], masks=white_where(holes()))
    assert str(refusal.value) == "masks: one for each picture, in a list; None for a picture without"
    with pytest.raises(UsageError) as refusal:
        mender.translate(picture, masks=numpy.ones((5, 7)))
    assert str(refusal.value) == "a mask is a path, a PIL picture or a tensor (1, H, W), found ndarray"


def test_levels_of_eight_bits_keep_their_colour_profile(mender, tmp_path, swapped_profile):
    levels, profile = noise(3), swapped_profile
    Image.fromarray(levels).save(tmp_path / "a.png", icc_profile=profile)
    answer = mender.translate(tmp_path / "a.png", masks=white_where(holes()))
    assert (numpy.asarray(answer)[~holes()] == levels[~holes()]).all()
    assert answer.info["icc_profile"] == profile
    assert not numpy.array_equal(numpy.asarray(open_picture(tmp_path / "a.png")), levels)


def test_another_number_of_masks_than_of_pictures_is_refused(mender):
    with pytest.raises(UsageError) as refusal:
        mender.translate([Image.fromarray(noise(3))], masks=[])
    assert str(refusal.value) == "masks: 0 for 1 pictures; give one a picture, or None"


def test_a_model_that_fills_nothing_refuses_masks(plugin_alone):
    catalog = plugin_alone("enlarger")
    translator = load(load_recipe(catalog, "enlarger"), catalog=catalog, device="cpu")
    with pytest.raises(UsageError) as refusal:
        translator.translate(Image.fromarray(noise(3)), masks=white_where(holes()))
    assert str(refusal.value) == "masks: enlarger fills no holes; leave it out, or take a model that does"


@pytest.mark.parametrize("other", [{"scale": 2}, {"size": (8, 8)}])
def test_a_model_that_fills_keeps_each_pictures_size(other):
    with pytest.raises(ValueError, match="scale is 1 and size None"):
        Geometry(fills=True, **other)

"""What a model that restores makes of pictures of every kind, through the Python API; its answers are known exactly."""

import numpy
import pytest
import torch
from PIL import Image

from i2i import UsageError, load, load_recipe
from i2i.inference.opening import Subject


@pytest.fixture
def enlarger(plugin_alone):
    """`enlarger(*settings, name=…, **how)`: that recipe of the plugin, loaded."""
    catalog = plugin_alone("enlarger")

    def loaded(*settings, name="enlarger", **how):
        return load(load_recipe(catalog, name, overrides=settings), catalog=catalog, device="cpu", **how)

    return loaded


def doubled(values):
    """(H, W, …) with every pixel four times."""
    return numpy.asarray(values).repeat(2, 0).repeat(2, 1)


def noise(mode, size=(7, 5)):
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = numpy.random.default_rng(channels).integers(0, 256, (size[1], size[0], channels), "uint8")
    pixels[..., -1:] |= 16  # nothing that is hardly seen
    return Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pictures_of_eight_bits_keep_their_kind_and_every_level(enlarger, mode, tmp_path):
    picture = noise(mode)
    picture.save(tmp_path / "a.png")
    for given in (picture, tmp_path / "a.png"):
        answer = enlarger().translate(given)
        assert answer.mode == mode
        assert (numpy.asarray(answer) == doubled(picture)).all()


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparency_is_enlarged_with_the_picture(enlarger, mode):
    answer = enlarger().translate(noise(mode))
    assert answer.mode == mode
    assert (numpy.asarray(answer) == doubled(noise(mode))).all()


def test_deep_grey_is_answered_by_deep_grey_and_deep_colours_by_eight_bits_or_tensors(enlarger, write_deep, tmp_path):
    levels = numpy.random.default_rng(0).integers(0, 65536, (5, 7, 3), "uint16")
    grey = Image.fromarray(levels[:, :, 0])
    assert enlarger().translate(grey).mode == "I;16"
    assert (numpy.asarray(enlarger().translate(grey)) == doubled(levels[:, :, 0])).all()
    write_deep(levels, tmp_path / "a.png")
    answer = enlarger().translate(tmp_path / "a.png")
    assert answer.mode == "RGB"
    assert (numpy.asarray(answer) == numpy.rint(doubled(levels) / 257)).all()
    (done,) = enlarger().stream([Subject("a", tmp_path / "a.png")])
    assert (done.picture.permute(1, 2, 0).mul(65535).round().int().numpy() == doubled(levels)).all()
    assert done.levels.bits == 16


def test_a_tensor_is_answered_by_a_tensor(enlarger):
    picture = torch.rand(3, 5, 7)
    assert torch.equal(enlarger().translate(picture), picture.repeat_interleave(2, -1).repeat_interleave(2, -2))


def test_kinds_of_one_size_share_a_batch_and_only_what_is_seen_through_takes_another(enlarger):
    translator = enlarger("model.smallest=4")
    kinds = [noise("L"), noise("RGB", (6, 6)), noise("LA"), noise("RGBA"), Image.new("RGBA", (7, 7), "red")]
    answers = translator.translate(kinds, batch=5)
    assert translator.model.batches == [(5, 3, 8, 8), (2, 3, 8, 8)]
    assert [answer.mode for answer in answers] == ["L", "RGB", "LA", "RGBA", "RGBA"]
    for kind, answer in zip(kinds, answers, strict=True):
        assert (numpy.asarray(answer) == doubled(kind)).all()


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2), (13, 17)])
def test_odd_and_tiny_pictures_come_back_as_size_times_scale(enlarger, size, scale):
    translator = enlarger("model.smallest=8", f"model.scale={scale}")
    for mode in ("L", "LA", "RGB", "RGBA"):
        answer = translator.translate(noise(mode, size))
        assert answer.size == (size[0] * scale, size[1] * scale)
        assert (numpy.asarray(answer)[::scale, ::scale] == numpy.asarray(noise(mode, size))).all()


def test_grey_is_the_luma_of_a_model_that_tints(enlarger):
    grey = Image.new("L", (4, 4), 100)
    answer = enlarger("model.blue=0.5").translate(grey)
    assert answer.mode == "L"
    assert answer.getpixel((7, 7)) == round(100 + 0.114 * 127.5)


def test_chance_is_the_picture_s_own_beside_alpha_too(enlarger):
    translator = enlarger("translate.speckle=true")
    pictures = [noise("L"), noise("RGBA"), noise("RGBA"), noise("LA")]
    together, alone = translator.translate(pictures, batch=4, seed=3), translator.translate(pictures, batch=1, seed=3)
    assert [one.tobytes() for one in together] == [other.tobytes() for other in alone]
    assert together[1].tobytes() != together[2].tobytes()


def test_a_model_that_repaints_answers_in_colours_and_keeps_transparency_and_depth(enlarger):
    translator = enlarger(name="repainter")
    deep_grey = Image.fromarray(numpy.full((2, 2), 32896, "uint16"))
    answers = translator.translate([Image.new("L", (2, 2), 7), Image.new("LA", (2, 2), (7, 0)), deep_grey])
    assert [answer.mode for answer in answers] == ["RGB", "RGBA", "RGB"]
    assert [answer.getpixel((0, 0)) for answer in answers] == [(7, 7, 7), (7, 7, 7, 0), (128, 128, 128)]
    (done,) = translator.stream([Subject("deep", deep_grey)])
    assert done.levels.bits == 16


def test_a_background_that_is_asked_for_takes_the_place_of_transparency(enlarger):
    translator = enlarger(name="repainter", background="red")
    answers = translator.translate([Image.new("LA", (2, 2), (7, 0)), Image.new("RGBA", (2, 2), (0, 0, 200, 255))])
    assert [answer.mode for answer in answers] == ["RGB"] * 2
    assert [answer.getpixel((0, 0)) for answer in answers] == [(255, 0, 0), (0, 0, 200)]


def test_self_ensemble_averages_eight_answers(enlarger):
    picture = torch.zeros(3, 4, 6)
    plain, ensembled = enlarger("model.blue=0.8"), enlarger("model.blue=0.8", self_ensemble=True)
    corners = ensembled.translate(picture)[0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert torch.allclose(corners, torch.full((4,), 0.8 * 2 / 8))
    assert plain.translate(picture)[0, 0, 0] == pytest.approx(0.8)
    assert (len(plain.model.batches), len(ensembled.model.batches)) == (1, 8)
    assert torch.allclose(ensembled.translate(picture), ensembled.translate(picture).flip(-1))


def test_self_ensemble_is_refused_where_there_is_nothing_to_turn(plugin_alone, tmp_path):
    catalog = plugin_alone("dots")
    from i2i_dots.weights import save_weights

    path = save_weights(tmp_path / "dots.safetensors")
    with pytest.raises(UsageError) as refusal:
        load(path, catalog=catalog, self_ensemble=True)
    assert str(refusal.value) == "self-ensemble: dots makes pictures out of nothing and has none to flip and rotate"

"""Networks as the community publishes them, and whatever else may lie in such files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import i2i
from i2i.inference.computation import Tiles
from i2i.inference.importing import import_weights

Published = Callable[..., dict[str, Tensor]]
BySpandrel = Callable[[Mapping[str, Tensor], Tensor], Tensor]
SMALL: dict[str, dict[str, Any]] = {
    "Compact": {"num_feat": 8, "num_conv": 2, "upscale": 4},
    "ESRGAN": {"num_filters": 8, "num_blocks": 2, "scale": 2},
    "SPAN": {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 8, "upscale": 2},
    "RCAN": {"scale": 3, "n_resgroups": 1, "n_resblocks": 2, "n_feats": 16},
    "RealPLKSR": {"architecture": "PLKSR", "dim": 16, "n_blocks": 2, "upscaling_factor": 2},
    "SwinIR": {"img_size": 16, "embed_dim": 12, "depths": [2], "num_heads": [2], "window_size": 8},
    "DAT": {"embed_dim": 16, "split_size": [4, 4], "depth": [2], "num_heads": [2], "expansion_factor": 2.0},
    "NAFNet": {"width": 8, "enc_blk_nums": [1], "dec_blk_nums": [1]},
    "DRUNet": {"in_nc": 4, "out_nc": 3, "nc": [8, 8, 16, 16], "nb": 2},
}
"""Network → small arguments: convolutions, attention, a file whose numbers spandrel reads, restorers."""


def picture(height: int = 24, width: int = 32) -> Tensor:
    coarse = torch.rand(1, 3, height // 8, width // 8)
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")[0]


def saved(folder: Path, tensors: Mapping[str, Any], name: str = "4x-model.pth") -> Path:
    torch.save(dict(tensors), folder / name)
    return folder / name


def loaded(file: Path, catalog: i2i.Catalog, **more: Any) -> i2i.Translator:
    return i2i.load(file, plugin="spandrel", catalog=catalog, device="cpu", **more)


@pytest.fixture
def esrgan(published: Published) -> dict[str, Tensor]:
    return published("ESRGAN", **SMALL["ESRGAN"])


@pytest.mark.parametrize("name", SMALL)
def test_a_published_network_answers_as_by_spandrel_itself(
    name: str, published: Published, by_spandrel: BySpandrel, catalog: i2i.Catalog, tmp_path: Path
) -> None:
    tensors, shown = published(name, **SMALL[name]), picture()
    translator = loaded(saved(tmp_path, tensors), catalog)
    torch.testing.assert_close(translator.translate(shown), by_spandrel(tensors, shown), atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(21, 19), (3, 50), (1, 1)])
def test_sizes_that_a_network_does_not_take_are_padded_as_by_spandrel(
    size: tuple[int, int], published: Published, by_spandrel: BySpandrel, catalog: i2i.Catalog, tmp_path: Path
) -> None:
    tensors, shown = published("DRUNet", **SMALL["DRUNet"]), torch.rand(3, *size)
    made = loaded(saved(tmp_path, tensors), catalog).translate(shown)
    assert made.shape == shown.shape
    if min(size) >= 8:
        torch.testing.assert_close(made, by_spandrel(tensors, shown), atol=1e-5, rtol=0)


WRAPPED = {
    "plain": lambda tensors: tensors,
    "params": lambda tensors: {"params": tensors},
    "params_ema": lambda tensors: {"params": {}, "params_ema": tensors},
    "state_dict": lambda tensors: {"state_dict": tensors, "epoch": 3},
    "module.": lambda tensors: {f"module.{key}": tensor for key, tensor in tensors.items()},
    "half precision": lambda tensors: {key: tensor.half() for key, tensor in tensors.items()},
}
"""As what training code leaves a network's tensors."""


@pytest.mark.parametrize("way", WRAPPED)
def test_however_its_tensors_are_wrapped(
    way: str, esrgan: dict[str, Tensor], by_spandrel: BySpandrel, catalog: i2i.Catalog, tmp_path: Path
) -> None:
    shown, translator = picture(), loaded(saved(tmp_path, WRAPPED[way](esrgan)), catalog)
    rounded = {key: tensor.half().float() for key, tensor in esrgan.items()} if "half" in way else esrgan
    torch.testing.assert_close(translator.translate(shown), by_spandrel(rounded, shown), atol=1e-5, rtol=0)


def test_a_file_of_safetensors_is_given_as_it_is_too(
    esrgan: dict[str, Tensor], by_spandrel: BySpandrel, catalog: i2i.Catalog, tmp_path: Path
) -> None:
    save_file(esrgan, tmp_path / "x.safetensors")
    shown, translator = picture(), loaded(tmp_path / "x.safetensors", catalog)
    torch.testing.assert_close(translator.translate(shown), by_spandrel(esrgan, shown), atol=1e-5, rtol=0)
    assert translator.header["note"].startswith("imported from x.safetensors, SHA-256 ")


def test_imported_once_it_translates_without_the_published_file(
    esrgan: dict[str, Tensor], by_spandrel: BySpandrel, catalog: i2i.Catalog, tmp_path: Path
) -> None:
    theirs = saved(tmp_path, {"params_ema": esrgan})
    weights = import_weights(catalog, theirs, tmp_path / "x.safetensors")  # which finds spandrel by itself
    theirs.unlink()
    assert weights.recipe["model"].keys() == {"use", "architecture", "layout", "values"}
    assert (weights.recipe["model"]["use"], weights.recipe["model"]["architecture"]) == ("spandrel", "ESRGAN")
    shown, translator = picture(), i2i.load(tmp_path / "x.safetensors", catalog=catalog, device="cpu")
    torch.testing.assert_close(translator.translate(shown), by_spandrel(esrgan, shown), atol=1e-5, rtol=0)
    [told] = translator.remarks
    assert told.startswith("ESRGAN (8nf, 2nb), enlarges ×2, by spandrel ")


def test_a_network_of_one_channel_is_shown_grey_pictures(
    published: Published, by_spandrel: BySpandrel, catalog: i2i.Catalog, tmp_path: Path
) -> None:
    tensors, shown = published("Compact", num_in_ch=1, num_out_ch=1, num_feat=8, num_conv=1, upscale=2), picture()
    translator = loaded(saved(tmp_path, tensors), catalog)
    assert (translator.geometry.channels, translator.geometry.scale) == (1, 2)
    expected = by_spandrel(tensors, i2i.luma(shown)).expand(3, -1, -1)
    torch.testing.assert_close(translator.translate(shown), expected, atol=1e-5, rtol=0)


def test_tiles_of_convolutions_are_within_a_level_of_the_whole(
    esrgan: dict[str, Tensor], catalog: i2i.Catalog, tmp_path: Path
) -> None:
    file, shown = saved(tmp_path, esrgan), picture(88, 128)
    whole = loaded(file, catalog)
    assert whole.geometry.tiling == "margin"
    in_tiles = loaded(file, catalog, tiles=Tiles(side=88)).translate(shown)
    assert (in_tiles - whole.translate(shown)).abs().max() < 1 / 255


def test_tiles_of_what_weighs_channels_by_the_whole_picture_are_within_a_level_where_asked_to_be_exact(
    published: Published, catalog: i2i.Catalog, tmp_path: Path
) -> None:
    file, shown = saved(tmp_path, published("RCAN", **SMALL["RCAN"])), picture(136, 168)
    whole = loaded(file, catalog)
    assert whole.geometry.tiling == "statistics"
    in_tiles = loaded(file, catalog, tiles=Tiles(side=136, norms="exact")).translate(shown)
    assert (in_tiles - whole.translate(shown)).abs().max() < 1 / 255


def test_what_spandrel_discourages_from_tiles_sees_none(
    published: Published, catalog: i2i.Catalog, tmp_path: Path
) -> None:
    assert loaded(saved(tmp_path, published("SwinIR", **SMALL["SwinIR"])), catalog).geometry.tiling == "never"


def test_a_network_that_bf16_would_break_is_computed_in_fp32(
    esrgan: dict[str, Tensor], catalog: i2i.Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spandrel import MAIN_REGISTRY, ImageModelDescriptor

    architecture = type(MAIN_REGISTRY["ESRGAN"].architecture)
    load = architecture.load

    def in_float32_alone(self: Any, tensors: dict[str, Tensor]) -> ImageModelDescriptor[Any]:
        found = load(self, tensors)
        found.supports_bfloat16 = False
        return found

    monkeypatch.setattr(architecture, "load", in_float32_alone)
    file = saved(tmp_path, esrgan)
    with pytest.raises(i2i.UsageError) as raised:
        loaded(file, catalog, precision="bf16")
    assert str(raised.value) == "precision bf16: spandrel can be computed in fp32 alone; take that, or auto"
    assert loaded(file, catalog, precision="auto").settings["precision"] == "fp32"


# ---- what cannot be used


def test_what_spandrel_does_not_know_is_told_by_its_first_names(catalog: i2i.Catalog, tmp_path: Path) -> None:
    file = saved(tmp_path, {"stroke.weight": torch.zeros(2)})
    with pytest.raises(
        i2i.I2IError, match=r"not recognised: its 1 tensors begin with stroke\.weight; asked 'spandrel'"
    ):
        loaded(file, catalog)


def test_what_fills_holes_is_refused(published: Published, catalog: i2i.Catalog, tmp_path: Path) -> None:
    from i2i_spandrel.published import _Watch
    from i2i_spandrel.published import loaded as described
    from spandrel import MAIN_REGISTRY

    network = published("LaMa")
    if not MAIN_REGISTRY["LaMa"].detect(network):
        network = {f"generator.{key}": tensor for key, tensor in network.items()}
    with pytest.raises(
        i2i.I2IError, match="LaMa takes more than a picture, such as a mask; only what makes one of one"
    ):
        described("LaMa", network, _Watch(network))


def test_other_channels_than_grey_and_rgb_are_refused(
    published: Published, catalog: i2i.Catalog, tmp_path: Path
) -> None:
    tensors = published("Compact", num_in_ch=4, num_out_ch=4, num_feat=8, num_conv=1, upscale=2)
    with pytest.raises(i2i.I2IError) as raised:
        loaded(saved(tmp_path, tensors), catalog)
    assert str(raised.value) == (
        f"{tmp_path / '4x-model.pth'}: this Compact takes 4 channels and answers 4; only networks for grey (1) and RGB "
        "(3) can be used"
    )


def test_tensors_that_do_not_go_together_are_refused_in_a_line(
    esrgan: dict[str, Tensor], catalog: i2i.Catalog, tmp_path: Path
) -> None:
    del esrgan["model.3.bias"]
    with pytest.raises(i2i.I2IError) as raised:
        loaded(saved(tmp_path, esrgan), catalog)
    told = "it looks like a network ESRGAN, but spandrel cannot load it (RuntimeError: "
    assert str(raised.value).startswith(f"{tmp_path / '4x-model.pth'}: {told}")
    assert "\n" not in str(raised.value)


@pytest.fixture
def header(esrgan: dict[str, Tensor], catalog: i2i.Catalog, tmp_path: Path) -> Callable[..., Path]:
    """`header(architecture=…)`: an imported weights file of which somebody changed the options."""

    def changed(**options: Any) -> Path:
        weights = import_weights(catalog, saved(tmp_path, esrgan), tmp_path / "x.safetensors", "spandrel")
        model = json.loads(json.dumps(weights.recipe["model"]))
        model["layout"] |= options.pop("wider", {})
        model |= options
        i2i.Weights(**{**vars(weights), "recipe": {**weights.recipe, "model": model}}).save(tmp_path / "y.safetensors")
        return tmp_path / "y.safetensors"

    return changed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"architecture": "os.system"}, r"spandrel knows no architecture 'os\.system' \(known: ATD, AuraSR, "),
        ({"architecture": "os:system"}, r"model\.architecture: .*pattern"),
        ({"architecture": "GFPGAN"}, "it looks like a network GFPGAN, but spandrel cannot load it"),
        ({"layout": {"model.0.weight": [2**20, 2**20, 3, 3]}}, r"a network of more than 2,147,483,648 is not built"),
        ({"wider": {"model.0.weight": [2**14, 3, 3, 3]}}, r"than 2,147,483,648 is not built|can't allocate memory"),
        (
            {"layout": {"model.1.sub.999999999.weight": [1]}},
            r"it names a tensor model\.1\.sub\.999999999\.weight; of m",
        ),
        ({"layout": {"model.0.weight": [-1]}}, r"model\.layout"),
        ({"values": {"nobody": [1]}}, r"model\.values: nobody is no tensor of 1 numbers in model\.layout"),
        ({"layout": {"decoder_load_path": "/etc/passwd"}}, r"model\.layout"),
    ],
)
def test_a_weights_file_can_have_nothing_built_but_what_spandrel_makes_of_tensors(
    options: dict[str, Any], message: str, header: Callable[..., Path], catalog: i2i.Catalog
) -> None:
    file = header(**options)
    with pytest.raises(i2i.I2IError, match=message):
        i2i.load(file, catalog=catalog, device="cpu")


def test_there_is_nothing_to_train(catalog: i2i.Catalog) -> None:
    from i2i_spandrel.model import refuse_training

    with pytest.raises(i2i.UsageError) as raised:
        refuse_training()
    assert str(raised.value) == (
        "spandrel trains nothing: `model.layout` is that of a network that somebody trained and published; "
        "`i2i translate --plugin spandrel --weights FILE` uses one"
    )

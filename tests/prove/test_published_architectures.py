"""Every architecture that spandrel knows, built small: read from its tensors, it answers as by spandrel itself."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor

import i2i
from i2i.contracts import Options

spandrel = pytest.importorskip("spandrel", reason="spandrel is not installed: pip install ./plugins/spandrel")
pytest.importorskip("i2i_spandrel", reason="i2i_spandrel is not installed: pip install ./plugins/spandrel")

ATTENTION: Mapping[str, Any] = {"img_size": 16, "embed_dim": 12, "num_heads": (2,), "window_size": 8, "upscale": 2}
BUILT: list[tuple[str, str, dict[str, Any]]] = [
    ("Compact", "Compact", {"num_feat": 8, "num_conv": 2}),
    ("Compact", "Compact", {"num_in_ch": 1, "num_out_ch": 1, "num_feat": 8, "num_conv": 2, "upscale": 1}),
    ("SwiftSRGAN", "SwiftSRGAN", {"num_channels": 8, "num_blocks": 2, "upscale_factor": 2}),
    ("HAT", "HAT", {**ATTENTION, "depths": (2,), "num_feat": 8, "squeeze_factor": 6}),
    (
        "GRL",
        "GRL",
        {
            "embed_dim": 12,
            "depths": [2],
            "num_heads_window": [2],
            "num_heads_stripe": [2],
            "upscale": 2,
            "upsampler": "pixelshuffle",
            "window_size": 32,
            "stripe_size": [64, 64],
            "stripe_shift": True,
            "anchor_window_down_factor": 4,
        },
    ),
    ("Swin2SR", "Swin2SR", {**ATTENTION, "depths": [2], "num_heads": [2], "upsampler": "pixelshuffle"}),
    ("SwinIR", "SwinIR", {**ATTENTION, "depths": [2], "num_heads": [2], "upsampler": "pixelshuffle"}),
    (
        "RestoreFormer",
        "RestoreFormer",
        {"n_embed": 16, "embed_dim": 32, "z_channels": 32, "ch_mult": (1, 1, 1, 1, 1, 2), "num_res_blocks": 1},
    ),
    ("OmniSR", "OmniSR", {"num_feat": 16, "up_scale": 2}),
    ("SCUNet", "SCUNet", {"config": [1] * 7}),
    ("FBCNN", "FBCNN", {"nb": 2}),
    ("Uformer", "Uformer", {"img_size": 128, "embed_dim": 8, "depths": [1] * 9, "num_heads": [1] * 9}),
    ("RGT", "RGT", {"img_size": 16, "embed_dim": 16, "depth": [2], "num_heads": [2]}),
    ("DAT", "DAT", {"embed_dim": 16, "split_size": [4, 4], "depth": [2], "num_heads": [2], "expansion_factor": 2.0}),
    ("CRAFT", "CRAFT", {"embed_dim": 12, "depths": [2], "num_heads": [2], "upscale": 2}),
    ("KBNet", "KBNet_s", {"width": 8, "middle_blk_num": 1, "enc_blk_nums": [1] * 4, "dec_blk_nums": [1] * 4}),
    ("KBNet", "KBNet_l", {"num_blocks": [1, 1, 1, 1], "num_refinement_blocks": 1}),
    ("DITN", "DITN", {"dim": 12, "ITL_blocks": 1, "SAL_blocks": 1, "upscale": 2}),
    (
        "MMRealSR",
        "MMRealSR",
        {
            "num_in_ch": 3,
            "num_out_ch": 3,
            "num_feat": 8,
            "num_block": 1,
            "num_grow_ch": 4,
            "num_feats": [8, 8, 8, 8],
            "num_blocks": [1, 1, 1, 1],
        },
    ),
    ("SPAN", "SPAN", {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 8, "upscale": 2}),
    ("SPAN", "SPAN", {"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 8, "upscale": 2, "norm": False}),
    ("RealCUGAN", "UpCunet2x", {}),
    ("RealCUGAN", "UpCunet3x", {}),
    ("RealCUGAN", "UpCunet4x", {"pro": True}),
    ("RealCUGAN", "UpCunet2x_fast", {}),
    ("SAFMN", "SAFMN", {"dim": 8, "n_blocks": 2, "upscaling_factor": 2}),
    ("SAFMNBCIE", "SAFMNBCIE", {"dim": 8, "n_blocks": 1, "num_layers": 1}),
    ("DCTLSA", "DCTLSA", {"nf": 20, "upscale": 2}),
    ("FFTformer", "FFTformer", {"dim": 8, "num_blocks": [1, 1, 1], "num_refinement_blocks": 1}),
    ("NAFNet", "NAFNet", {"width": 8, "enc_blk_nums": [1, 1], "dec_blk_nums": [1, 1]}),
    (
        "ATD",
        "ATD",
        {**ATTENTION, "depths": (2,), "category_size": 16, "num_tokens": 8, "upsampler": "pixelshuffledirect"},
    ),
    ("MixDehazeNet", "MixDehazeNet", {"embed_dims": [8, 16, 32, 16, 8], "depths": [1] * 5}),
    ("DRUNet", "DRUNet", {"in_nc": 4, "out_nc": 3, "nc": [8, 8, 16, 16], "nb": 2}),
    ("DnCNN", "DnCNN", {"nc": 8, "nb": 4}),
    ("DnCNN", "DnCNN", {"in_nc": 4, "out_nc": 3, "nc": 8, "nb": 20, "act_mode": "R", "mode": "FDnCNN"}),
    ("IPT", "IPT", {"patch_size": 12, "n_feats": 4, "num_layers": 1, "scale": [2]}),
    (
        "DRCT",
        "DRCT",
        {
            **ATTENTION,
            "img_size": 32,
            "embed_dim": 24,
            "depths": (6,),
            "window_size": 16,
            "gc": 8,
            "upsampler": "pixelshuffle",
        },
    ),
    ("ESRGAN", "ESRGAN", {"num_filters": 8, "num_blocks": 2}),
    ("ESRGAN", "ESRGAN", {"num_filters": 8, "num_blocks": 2, "plus": True}),
    ("ESRGAN", "ESRGAN", {"in_nc": 12, "num_filters": 8, "num_blocks": 2, "shuffle_factor": 2}),
    ("PLKSR", "PLKSR", {"dim": 16, "n_blocks": 2, "upscaling_factor": 2}),
    ("PLKSR", "RealPLKSR", {"dim": 16, "n_blocks": 2, "upscaling_factor": 2}),
    ("PLKSR", "RealPLKSR", {"dim": 16, "n_blocks": 2, "upscaling_factor": 2, "dysample": True, "layer_norm": True}),
    ("RetinexFormer", "RetinexFormer", {"n_feat": 8, "stage": 1}),
    ("HVICIDNet", "HVICIDNet", {"channels": [8, 8, 16, 32]}),
    ("SeemoRe", "SeemoRe", {"scale": 2, "num_experts": 3, "embedding_dim": 36}),
    ("MoSR", "MoSR", {"upscale": 2, "n_block": 2, "dim": 16}),
    ("MoESR", "MoESR", {"scale": 2, "dim": 16, "n_blocks": 1, "n_block": 1, "upsample_dim": 16}),
    ("RCAN", "RCAN", {"scale": 2, "n_resgroups": 1, "n_resblocks": 2, "n_feats": 16}),
    ("FDAT", "FDAT", {"scale": 2, "embed_dim": 16, "num_groups": 1, "depth_per_group": 2, "num_heads": 2}),
    (
        "AuraSR",
        "AuraSR",
        {
            "dim": 8,
            "image_size": 64,
            "input_image_size": 16,
            "attn_depths": (2, 2, 2, 1, 1),
            "mid_attn_depth": 1,
            "self_attn_dim_head": 8,
            "skip_connect_scale": 0.4,
            "style_network": {"dim_in": 16, "dim_out": 64, "depth": 2},
        },
    ),
    ("GFPGAN", "GFPGAN", {}),
]
"""Architecture, its network, arguments."""
REFUSED = {"LaMa"}
"""It fills holes by a mask."""


def published(architecture: str, name: str, arguments: dict[str, Any]) -> dict[str, Tensor]:
    network = getattr(importlib.import_module(f"spandrel.architectures.{architecture}"), name)(**arguments)
    for parameter in network.parameters():
        parameter.data.add_(torch.randn(parameter.shape), alpha=0.04)
    return {key: tensor.clone() for key, tensor in network.state_dict().items()}


def test_no_architecture_is_left_out() -> None:
    assert {architecture for architecture, _, _ in BUILT} | REFUSED == {
        support.architecture.id for support in spandrel.MAIN_REGISTRY
    }


@pytest.mark.prove
@pytest.mark.parametrize(
    ("architecture", "name", "arguments"), BUILT, ids=[f"{name}-{number}" for number, (_, name, _) in enumerate(BUILT)]
)
def test_it_answers_as_by_spandrel_itself(architecture: str, name: str, arguments: dict[str, Any]) -> None:
    from i2i_spandrel import NetworkOptions
    from i2i_spandrel.chance import OfSeeds
    from i2i_spandrel.model import BY_CHANCE, Published
    from i2i_spandrel.published import read

    torch.manual_seed(2)
    tensors = published(architecture, name, arguments)
    found = read({key: tensor.clone() for key, tensor in tensors.items()})
    assert found is not None
    options, state = found
    assert options["architecture"] == architecture
    written = NetworkOptions.model_validate(options).model_dump_json()  # as a header has it
    model = Published(NetworkOptions.model_validate_json(written))
    model.load_state_dict(state)
    model.eval()

    height, width = model.geometry.padded(*((96, 64) if architecture == "RestoreFormer" else (24, 20)))
    theirs = spandrel.ModelLoader().load_from_state_dict(tensors)
    shown = torch.rand(2, theirs.input_channels, height, width)
    seeds = (3, 4) if architecture != "GFPGAN" else (3,)  # which takes a minute a picture
    with torch.no_grad():
        together = model.translate(shown[: len(seeds)], i2i.Request(options=Options(), seeds=seeds))
    assert together.std() > 1e-3
    for seed, picture, among_others in zip(seeds, shown, together, strict=False):
        with torch.no_grad():
            [alone] = model.translate(picture[None], i2i.Request(options=Options(), seeds=(seed,)))
        with OfSeeds((seed,)) if architecture in BY_CHANCE else nullcontext():
            expected = theirs(picture[None].clone())[0]
        torch.testing.assert_close(alone, expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(among_others, alone, atol=1e-4, rtol=0)

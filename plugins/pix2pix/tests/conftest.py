from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

import i2i
from i2i.testing import catalog, fixed_chance, one_thread
from i2i.training.building import build_model

__all__ = ["catalog", "fixed_chance", "model_of", "one_thread", "weights_of"]

TINY = (
    "model.generator=unet-32",
    "model.width=4",
    "model.discriminator_width=4",
    "model.discriminator_layers=2",
    "dataset.resize=36",
    "dataset.crop=32",
    "run.batch=2",
)
ModelOf = Callable[..., nn.Module]


def lively(module: nn.Module) -> None:
    """Weights so large that what is made differs visibly."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_normal_(module.weight)


def load(catalog: i2i.Catalog, *overrides: str, name: str = "pix2pix") -> i2i.Recipe:
    return i2i.load_recipe(catalog, name, overrides=[*TINY, *overrides])


@pytest.fixture
def model_of(catalog: i2i.Catalog) -> ModelOf:
    """`model_of("model.answers=holes")`: a tiny model, lively, as one that translates."""

    def make(*overrides: str) -> nn.Module:
        torch.manual_seed(0)
        return build_model(load(catalog, *overrides).model).apply(lively).eval()

    return make


@pytest.fixture
def weights_of(catalog: i2i.Catalog, model_of: ModelOf, tmp_path: Path) -> Callable[..., Path]:
    """`weights_of("model.answers=holes")`: a weights file of that model."""

    def make(*overrides: str) -> Path:
        state = model_of(*overrides).state_dict()
        path = tmp_path / "weights.safetensors"
        i2i.Weights(
            recipe=load(catalog, *overrides).as_dict(),
            tensors={key: tensor for key, tensor in state.items() if key.startswith("generator.")},
            step=7,
            model_version=1,
            api_version=1,
        ).save(path)
        return path

    return make

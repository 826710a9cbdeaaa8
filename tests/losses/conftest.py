from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn

from i2i import LossSpec, discover
from i2i.plugins import resolve
from i2i.training.building import WeightedLoss, prepare


@pytest.fixture(autouse=True)
def _fixed_chance() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="session")
def specs() -> dict[str, LossSpec]:
    """The built-in losses, by name."""
    return {entry.name: entry.value for entry in discover() if entry.kind == "loss" and entry.distribution == "i2i"}


@pytest.fixture
def loss(specs: dict[str, LossSpec]) -> Callable[..., nn.Module]:
    """`loss("lsgan", real=0.9)`: a built-in loss with these options, prepared."""

    def build(name: str, **options: Any) -> nn.Module:
        built: nn.Module = resolve(specs[name].build)(specs[name].options(**options))
        prepare(built)
        return built

    return build


@pytest.fixture
def role(specs: dict[str, LossSpec], loss: Callable[..., nn.Module]) -> Callable[..., WeightedLoss]:
    """`role("r1", 10.0, every=4)`: a built-in loss in its role, with a weight."""

    def build(name: str, weight: float = 1.0, **options: Any) -> WeightedLoss:
        return WeightedLoss(loss(name, **options), weight, specs[name].needs_real_logits)

    return build

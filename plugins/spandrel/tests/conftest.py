from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from i2i.testing import catalog, fixed_chance, one_thread  # noqa: F401

NEEDED = "{} is not installed: pip install ./plugins/spandrel"


@pytest.fixture(scope="session", autouse=True)
def _is_installed() -> None:
    for name in ("spandrel", "i2i_spandrel"):
        pytest.importorskip(name, reason=NEEDED.format(name))


@pytest.fixture(scope="session")
def published() -> Callable[..., dict[str, Tensor]]:
    """`published("ESRGAN", num_filters=8, …)`: the tensors of a small network of random numbers."""

    def make(name: str, architecture: str | None = None, **arguments: Any) -> dict[str, Tensor]:
        import importlib

        network = getattr(importlib.import_module(f"spandrel.architectures.{architecture or name}"), name)(**arguments)
        chance = torch.Generator().manual_seed(1)
        for parameter in network.parameters():
            parameter.data.add_(torch.randn(parameter.shape, generator=chance), alpha=0.02)
        return {key: tensor.clone() for key, tensor in network.state_dict().items()}

    return make


@pytest.fixture(scope="session")
def by_spandrel() -> Callable[[Mapping[str, Tensor], Tensor], Tensor]:
    """`by_spandrel(tensors, picture)`: (C, H, W) → what spandrel itself makes of it."""

    def translate(tensors: Mapping[str, Tensor], picture: Tensor) -> Tensor:
        from spandrel import ModelLoader

        found = ModelLoader().load_from_state_dict({key: tensor.clone() for key, tensor in tensors.items()})
        return found(picture[None].clone())[0].clone()

    return translate

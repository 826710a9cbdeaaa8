from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from i2i.testing import catalog, fixed_chance, one_thread  # noqa: F401


@pytest.fixture(scope="session", autouse=True)
def _quick_learning() -> Iterator[None]:
    """Learned features of fewer patches: what is tested here does not depend on how good they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("i2i.features.learned.PATCHES", 600)
        patch.setattr("i2i.features.learned.ROUNDS", 2)
        yield


@pytest.fixture(scope="session")
def squeezenet(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A SqueezeNet of random numbers, in torchvision's format."""
    tensors, inputs = {}, 64

    def convolution(name: str, inputs: int, outputs: int, side: int) -> None:
        chance = torch.Generator().manual_seed(len(tensors))
        deviation = (2 / (inputs * side * side)) ** 0.5
        tensors[f"{name}.weight"] = torch.randn(outputs, inputs, side, side, generator=chance) * deviation
        tensors[f"{name}.bias"] = torch.zeros(outputs)

    convolution("features.0", 3, 64, 3)
    sizes = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))
    for place, (squeezed, expanded) in zip((3, 4, 6, 7, 9, 10, 11, 12), sizes, strict=True):
        convolution(f"features.{place}.squeeze", inputs, squeezed, 1)
        convolution(f"features.{place}.expand1x1", squeezed, expanded, 1)
        convolution(f"features.{place}.expand3x3", squeezed, expanded, 3)
        inputs = 2 * expanded
    path = tmp_path_factory.mktemp("weights") / "squeezenet.pth"
    torch.save(tensors, path)
    return str(path)

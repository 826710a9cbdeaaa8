"""A model's translation as a plain function of tensors, which is all that an engine or a file can hold."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, SupportsIndex

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from i2i.contracts import Geometry, Options, Request
from i2i.errors import UsageError
from i2i.networks.layers import InstanceNorm, ReflectionPad
from i2i.winograd import Conv3x3

TRACED = 2
"""Pictures of a batch by which a translation is tried and traced: a dimension of 1 would be taken for a constant."""
SMALL = 48
"""Pixels of the smaller side on which engines are compared, where the network takes so few."""
LEVEL = 1 / 255
"""Of 8 bits: by so much an engine's answer may differ from torch's."""


class Program(nn.Module):
    """`forward(images)`, of a model that fills `forward(images, mask)`: what its `translate` answers, in float32.

    Images (B, C, H, W) in [0, 1], mask (B, 1, H, W) → (B, C, H·scale, W·scale) in [0, 1].
    """

    def __init__(self, model: Any, options: Options) -> None:
        """Raises `UsageError` where the translation is more than a function of the pictures; made by `program_of`."""
        super().__init__()
        self.model = model
        self.options = options
        self.geometry: Geometry = model.geometry

    @property
    def inputs(self) -> tuple[str, ...]:
        """What `forward` takes."""
        return ("images", "mask") if self.geometry.fills else ("images",)

    def forward(self, images: Tensor, mask: Tensor | None = None) -> Tensor:
        """As the class says."""
        answer: Tensor = self.model.translate(images, Request(options=self.options, mask=mask))
        return answer.float().clamp(0, 1)

    def example(self, height: int, width: int, batch: int) -> tuple[Tensor, ...]:
        """`example_of` its geometry."""
        return example_of(self.geometry, height, width, batch)


def example_of(geometry: Geometry, height: int, width: int, batch: int) -> tuple[Tensor, ...]:
    """Noise of this size, and for a model that fills a mask, on the CPU: the same at each call."""
    chance = torch.Generator().manual_seed(0)
    images = torch.rand(batch, geometry.channels, height, width, generator=chance)
    if not geometry.fills:
        return (images,)
    return images, torch.rand(batch, 1, height, width, generator=chance).round()


def sizes_of(geometry: Geometry) -> tuple[tuple[int, int], ...]:
    """A small (height, width) that the network takes, and a larger one that is no square; or its only one."""
    if geometry.size is not None:
        return (geometry.size,)
    least = geometry.padded(1, 1)[0]
    small = geometry.padded(max(least, SMALL), 1)[0]
    return (small, small), (geometry.padded(small + 1, 1)[0], geometry.padded(small + geometry.multiple_of + 1, 1)[0])


def border(answer: Tensor) -> Tensor:
    """(B, C, H, W) → (W): one edge of the first picture, where engines differ first."""
    return answer[0, 0, 0].float().cpu()


def program_of(model: Any, options: Options, name: str) -> Program:
    """The translation of a model in float32 on the CPU; the model itself stays as it is.

    Raises `UsageError`, which begins with `name`, for a model that translates no pictures, that optimises each picture,
    or whose answer a picture's seed decides.
    """
    if not hasattr(model, "translate"):
        raise UsageError(f"{name}: makes pictures out of nothing; engines and exported files only translate pictures")
    _refuse_more_than_a_function(model, options, name)
    own = _with_layers_that_engines_know(copy.deepcopy(model).to("cpu").float())
    return Program(own.eval().requires_grad_(False), options).eval()


class _Optimises(Exception):
    """Gradients are wanted inside."""


class _Seeds(tuple[int, ...]):
    """A seed for each picture, and whether anybody looked."""

    looked = False

    def __iter__(self) -> Iterator[int]:
        self.looked = True
        return super().__iter__()

    def __getitem__(self, place: SupportsIndex | slice) -> Any:
        self.looked = True
        return super().__getitem__(place)


def _refuse_more_than_a_function(model: Any, options: Options, name: str) -> None:
    """Translate two of the smallest pictures and watch."""
    geometry: Geometry = model.geometry
    device = next((tensor.device for tensor in model.state_dict().values()), torch.device("cpu"))
    size = geometry.padded(1, 1)
    images = torch.full((TRACED, geometry.channels, *size), 0.5, device=device)
    mask = torch.ones((TRACED, 1, *size), device=device) if geometry.fills else None
    seeds = _Seeds(range(TRACED))
    try:
        with torch.no_grad(), saved_tensors_hooks(_refuse_gradients, _refuse_gradients):
            model.translate(images, Request(options=options, seeds=seeds, mask=mask))
    except _Optimises:
        raise UsageError(
            f"{name}: optimises each picture by gradients, which torch alone computes; a model that answers in one "
            "pass can be exported, and compiled by other engines"
        ) from None
    if seeds.looked:
        raise UsageError(
            f"{name}: each picture's seed decides on its translation, and only torch draws its chance; where an option "
            f"of the model switches that off, give it as --set translate.KEY=VALUE (`i2i show {name}` lists them)"
        )


def _refuse_gradients(tensor: Any) -> Any:
    raise _Optimises


def _with_layers_that_engines_know(module: Any) -> Any:
    """The core's own layers become torch's of the same meaning, for which engines have kernels of their own."""
    for name, child in module.named_children():
        if type(child) is ReflectionPad:
            setattr(module, name, nn.ReflectionPad2d(child.pixels))
        elif type(child) is InstanceNorm:
            setattr(module, name, _instance_norm(child))
        elif type(child) is Conv3x3:
            setattr(module, name, _convolution(child))
        else:
            _with_layers_that_engines_know(child)
    return module


def _convolution(quick: Conv3x3) -> nn.Conv2d:
    made = nn.Conv2d(
        quick.in_channels, quick.out_channels, 3, padding=int(quick.padding[0]), bias=quick.bias is not None
    )
    made.load_state_dict(quick.state_dict())
    return made.eval()


def _instance_norm(norm: InstanceNorm) -> nn.InstanceNorm2d:
    made = nn.InstanceNorm2d(norm.num_features, norm.eps, affine=norm.affine)
    made.load_state_dict(norm.state_dict())
    return made.eval()

"""A published network as i2i takes one: which sizes and channels it wants, what it answers, in which precision."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from importlib.metadata import version
from typing import Literal, Never

import torch
from spandrel import ModelTiling  # type: ignore[import-untyped]
from torch import Tensor, nn

from i2i import Geometry, Request, UsageError, luma
from i2i_spandrel import NetworkOptions
from i2i_spandrel.chance import OfSeeds
from i2i_spandrel.published import Descriptor, described

MARGIN = 64
"""Input pixels, the most by which tiles overlap. Many networks see further on paper; what they make of it is far less
than a level."""
CONVOLUTIONS = frozenset({"Compact", "DnCNN", "ESRGAN", "PLKSR", "SPAN", "SwiftSRGAN"})
"""Architectures that look no further than their convolutions reach, norms aside."""
WEIGHING = frozenset({"DAT", "FDAT", "HAT", "MMRealSR", "OmniSR", "RCAN", "RealCUGAN", "SeemoRe"})
"""Architectures that enlarge, and weigh channels by their means over the whole picture."""
BY_CHANCE = frozenset({"AuraSR", "GFPGAN"})
"""Architectures that draw noise as large as the picture."""
OF_ONE_SIZE = frozenset({"GFPGAN"})
"""Architectures that take pictures of spandrel's minimum and, other than it says, no larger ones."""
ALONE = frozenset({"DRUNet", "DnCNN", "IPT", "SeemoRe"})
"""Architectures that take one picture at a time."""


Tiling = Literal["margin", "statistics", "never"]


class Published(nn.Module):
    """The network, and around it what makes it like any other model of i2i."""

    def __init__(self, options: NetworkOptions) -> None:
        super().__init__()
        found = described(options)
        self.network: nn.Module = found.model.eval()
        self.geometry = geometry_of(found)
        self.precisions = ("fp32", "bf16") if found.supports_bfloat16 else ("fp32",)
        self.remarks: Sequence[str] = (_told(found, learned=bool(options.layout)),)
        self._takes_grey = found.input_channels == 1
        self._takes_squares = found.size_requirements.square
        self._takes_one = found.architecture.id in ALONE
        self._draws = found.architecture.id in BY_CHANCE
        self._call = found._call_fn  # without the rest of `found(images)`, which takes one picture and no gradients

    def translate(self, images: Tensor, request: Request) -> Tensor:
        """(B, C, H, W) in [0, 1] → (B, C, H·scale, W·scale) in [0, 1]."""
        given = luma(images) if self._takes_grey and images.shape[1] == 3 else images.clone()  # some write into it
        with OfSeeds(request.seeds) if self._draws else nullcontext():
            answers = [self._answer(images) for images in (given.split(1) if self._takes_one else [given])]
        return torch.cat(answers).clamp(0, 1).expand(-1, self.geometry.channels, -1, -1)

    def _answer(self, images: Tensor) -> Tensor:
        """What the network makes of pictures of a size that it takes; of what must be square, made so and cut again."""
        height, width = images.shape[-2:]
        if not self._takes_squares or height == width:
            return self._call(self.network, images)
        side, scale = max(height, width), self.geometry.scale
        beyond = (0, side - width, 0, side - height)
        square = nn.functional.pad(images, beyond, mode="replicate")
        return self._call(self.network, square)[..., : height * scale, : width * scale]


def geometry_of(found: Descriptor) -> Geometry:
    """What spandrel says of a network, in i2i's words."""
    sizes = found.size_requirements
    return Geometry(
        scale=found.scale,
        multiple_of=sizes.multiple_of,
        min_size=max(1, sizes.minimum),
        margin=min(MARGIN, _reach(found)),
        channels=max(found.input_channels, found.output_channels),
        size=(sizes.minimum, sizes.minimum) if found.architecture.id in OF_ONE_SIZE else None,
        restores=True,
        tiling=_tiling(found),
    )


def _tiling(found: Descriptor) -> Tiling:
    architecture = found.architecture.id
    if found.tiling is not ModelTiling.SUPPORTED or found.purpose == "FaceSR" or architecture in BY_CHANCE:
        return "never"
    if found.purpose == "SR" and (architecture in WEIGHING or _has(found.model, nn.GroupNorm)):
        return "statistics"
    return "margin"  # what restores weighs each tile by itself: the means of a picture made smaller know no noise


def _reach(found: Descriptor) -> int:
    """How far a network sees at most, in pixels."""
    if found.architecture.id not in CONVOLUTIONS:
        return MARGIN
    layers = [layer for layer in found.model.modules() if isinstance(layer, nn.Conv2d)]
    reach = sum(layer.dilation[0] * (max(layer.kernel_size) // 2) for layer in layers)
    return reach * found.size_requirements.multiple_of  # where pixels of that many become one


def _has(network: nn.Module, kind: type[nn.Module]) -> bool:
    return any(isinstance(layer, kind) for layer in network.modules())


def _told(found: Descriptor, learned: bool) -> str:
    """The network in a line."""
    does = f"enlarges ×{found.scale}" if found.scale > 1 else "keeps pictures' size"
    more = f" ({', '.join(found.tags)})" if found.tags else ""
    name = f"{found.architecture.name}{more}, {does}, by spandrel {version('spandrel')}"
    return name if learned else f"{name}; it has learned nothing"


def refuse_training(*parts: object) -> Never:
    """Raise `UsageError`: spandrel's networks are trained elsewhere."""
    raise UsageError(
        "spandrel trains nothing: `model.layout` is that of a network that somebody trained and published; "
        "`i2i translate --plugin spandrel --weights FILE` uses one"
    )

"""Both translators and both judges in one module."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn

from i2i import Geometry, PatchDiscriminator, Request, ResNetGenerator, UNetGenerator, UsageError, initialise
from i2i_cyclegan import ModelOptions


class CycleGAN(nn.Module):
    """G = `to_target`, F = `to_source`, D_Y = `judge_target`, D_X = `judge_source` of the paper."""

    def __init__(self, options: ModelOptions) -> None:
        super().__init__()
        self.to_target: Any = generator(options)
        self.to_source: Any = generator(options)
        self.judge_target = PatchDiscriminator(options.discriminator_width, options.discriminator_layers)
        self.judge_source = PatchDiscriminator(options.discriminator_width, options.discriminator_layers)
        for translator in (self.to_target, self.to_source):
            translator.begin()
        for judge in (self.judge_target, self.judge_source):
            judge.apply(initialise)
        network = self.to_target
        self.geometry = Geometry(
            multiple_of=network.multiple_of,
            min_size=network.min_size,
            margin=network.margin,
            tiling=_tiling(network),
        )

    def translate(self, images: Tensor, request: Request) -> Tensor:
        """(B, 3, H, W) in [0, 1] → the same shape and range, in the direction that the options name."""
        options: Any = request.options
        networks = {"source-to-target": self.to_target, "target-to-source": self.to_source}
        network = networks[options.direction]
        if network is None:
            held = ", ".join(direction for direction, network in networks.items() if network is not None)
            raise UsageError(f"these weights hold no generator for the direction {options.direction}; they hold {held}")
        return network(images)


def _tiling(network: ResNetGenerator | UNetGenerator) -> Literal["margin", "statistics", "never"]:
    if isinstance(network, UNetGenerator):
        return "never"
    return "statistics" if network.norms else "margin"


def generator(options: ModelOptions) -> ResNetGenerator | UNetGenerator:
    """The generator that the options describe."""
    kind, _, number = options.generator.partition("-")
    resize = options.upsampling == "resize"
    if kind == "unet":
        return UNetGenerator(int(number), options.width, resize, residual=options.residual)
    return ResNetGenerator(
        int(number),
        options.width,
        resize,
        dropout=options.dropout,
        residual=options.residual,
        norms=options.norm == "instance",
    )

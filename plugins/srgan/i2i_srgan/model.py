"""A generator alone, and one with its adversary."""

from __future__ import annotations

from torch import Tensor, nn

from i2i import Geometry, Request
from i2i_srgan import GeneratorOptions, SRGANOptions
from i2i_srgan.discriminator import Discriminator
from i2i_srgan.generators import Compact, ResNet


class SRResNet(nn.Module):
    """Enlarges pictures `scale` times."""

    def __init__(self, options: GeneratorOptions) -> None:
        super().__init__()
        network = Compact if options.generator == "compact" else ResNet
        self.generator = network(options)
        self.geometry = Geometry(scale=options.scale, margin=network.margin(options), tiling="margin", restores=True)

    def translate(self, images: Tensor, request: Request) -> Tensor:
        """(B, 3, H, W) in [0, 1] → (B, 3, H·scale, W·scale) in [0, 1]."""
        return self.generator(images).clamp(0, 1)

    def merge(self) -> None:
        """Let the generator do at the small size what it can do there."""
        if isinstance(self.generator, ResNet):
            self.generator.merge()


class SRGAN(SRResNet):
    """The same, and who tells its pictures from real ones."""

    def __init__(self, options: SRGANOptions) -> None:
        super().__init__(options)
        self.discriminator = Discriminator(options.discriminator_width)

"""The dots' networks: transposed convolutions and batch norm, as a DCGAN has them."""

import torch
from torch import nn

from i2i import Geometry, UsageError, normal_latents

BRIGHTNESS = {None: 1.0, "bright": 1.0, "dark": 0.25}


def painter(channels):
    return nn.Sequential(
        nn.ConvTranspose2d(8, 16, 4), nn.BatchNorm2d(16), nn.ReLU(),
        nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.ConvTranspose2d(8, channels, 4, 2, 1), nn.Tanh(),
    )  # fmt: skip


class Dots(nn.Module):
    def __init__(self, options):
        super().__init__()
        self.geometry = Geometry(channels=options.channels, size=(16, 16))
        self.painter = painter(options.channels)

    def latents(self, seeds):
        return normal_latents(seeds, (8, 1, 1))

    def sample(self, latents, request):
        assert len(request.seeds) == len(latents)
        if (name := request.options.class_name) not in BRIGHTNESS:
            raise UsageError(f"translate.class_name: no class '{name}' in these weights; they know bright, dark")
        return (self.painter(latents) / 2 + 0.5) * BRIGHTNESS[name]


class DotsAndNegatives(Dots):
    def translate(self, images, request):
        return 1 - images


class Negative(nn.Module):
    geometry = Geometry()

    def __init__(self, options):
        super().__init__()
        self.painter = painter(3)

    def translate(self, images, request):
        return 1 - torch.clamp(images, 0, 1)

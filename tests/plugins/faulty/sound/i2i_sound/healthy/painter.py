import torch
from torch import nn

from i2i import Geometry, normal_latents


class Painter(nn.Module):
    geometry = Geometry(size=(8, 8))

    def __init__(self, options):
        super().__init__()
        width = options.width
        self.network = nn.Sequential(
            nn.ConvTranspose2d(4, width, 4), nn.BatchNorm2d(width), nn.ConvTranspose2d(width, 3, 4, 2, 1)
        )

    def latents(self, seeds):
        return normal_latents(seeds, (4, 1, 1))

    def sample(self, latents, request):
        return torch.sigmoid(self.network(latents))

import torch
from torch import nn
from torch.nn.functional import avg_pool2d

from i2i import Geometry


class Softener(nn.Module):
    """Halves the picture, repaints it and makes it four times as large: in all twice as large."""

    geometry = Geometry(scale=2, multiple_of=2, min_size=4, margin=4, tiling="margin")

    def __init__(self, options):
        super().__init__()
        width = options.width
        self.network = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.Conv2d(width, 3, 1))
        self.tint = nn.Parameter(torch.zeros(3, 1, 1))
        self.critic = nn.Conv2d(3, 1, 3, 2)
        self.lens = nn.Conv2d(3, 3, 1)  # nobody's: it stays as it is

    def repaint(self, images):
        return torch.sigmoid(self.network(avg_pool2d(images, 2)) + self.tint)

    def translate(self, images, request):
        large = self.repaint(images).repeat_interleave(4, -1).repeat_interleave(4, -2)
        return large * (1 - request.options.grain * self.grain(request.seeds, large))

    def grain(self, seeds, like):
        numbers = [torch.rand(3, 1, 1, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return torch.stack(numbers).to(like)

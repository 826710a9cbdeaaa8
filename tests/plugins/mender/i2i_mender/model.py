import torch
from torch import nn

from i2i import Geometry

ORANGE = (1.0, 0.5, 0.0)


class Mender(nn.Module):
    geometry = Geometry(fills=True, multiple_of=4)

    def __init__(self, options):
        super().__init__()
        self.masks = []

    def translate(self, images, request):
        assert request.mask.shape == (len(images), 1, *images.shape[2:])
        self.masks.append(request.mask)
        return torch.tensor(ORANGE)[None, :, None, None].expand(images.shape)

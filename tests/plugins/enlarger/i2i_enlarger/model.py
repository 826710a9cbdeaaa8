import torch
from torch import nn

from i2i import Geometry


class Enlarger(nn.Module):
    def __init__(self, options):
        super().__init__()
        self.options = options
        self.geometry = Geometry(
            scale=options.scale, restores=options.restores, min_size=options.smallest, multiple_of=options.smallest
        )
        self.batches = []

    def translate(self, images, request):
        assert len(request.seeds) == len(images)
        self.batches.append(tuple(images.shape))
        request.report(0.5, batches=len(self.batches))
        tinted = images.clone()
        tinted[:, 2] += self.options.blue
        tinted[:, :, 0, 0] += self.options.blue
        if request.options.speckle:
            for image, seed in zip(tinted, request.seeds, strict=True):
                image += torch.rand(image.shape, generator=torch.Generator().manual_seed(seed))
        wide = tinted.clamp(0, 1).repeat_interleave(self.options.scale, -1)
        return wide.repeat_interleave(self.options.scale, -2)

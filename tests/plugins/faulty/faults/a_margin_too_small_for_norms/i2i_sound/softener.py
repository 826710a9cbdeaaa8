from dataclasses import replace

from i2i_sound.healthy import softener
from torch.nn.functional import instance_norm


class Softener(softener.Softener):
    geometry = replace(softener.Softener.geometry, margin=0, tiling="statistics")

    def translate(self, images, request):
        return super().translate(instance_norm(images).sigmoid(), request)

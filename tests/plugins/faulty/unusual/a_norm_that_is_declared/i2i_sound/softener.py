from dataclasses import replace

from i2i_sound.healthy import softener
from torch.nn.functional import group_norm, instance_norm


class Softener(softener.Softener):
    geometry = replace(softener.Softener.geometry, tiling="statistics")

    def translate(self, images, request):
        return super().translate(group_norm(instance_norm(images), 1).sigmoid(), request)

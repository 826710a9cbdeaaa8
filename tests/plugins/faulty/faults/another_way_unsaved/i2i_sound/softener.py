from i2i_sound.healthy import softener
from torch import nn


class Softener(softener.Softener):
    def __init__(self, options):
        super().__init__(options)
        self.back = nn.Conv2d(3, 3, 1)

    def translate(self, images, request):
        return super().translate(self.back(images) if request.options.way == "back" else images, request)

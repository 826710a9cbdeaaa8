from dataclasses import replace

from i2i_sound.healthy import softener


class Softener(softener.Softener):
    geometry = replace(softener.Softener.geometry, tiling="statistics")

    def translate(self, images, request):
        return super().translate(images / images.amax((-2, -1), keepdim=True), request)

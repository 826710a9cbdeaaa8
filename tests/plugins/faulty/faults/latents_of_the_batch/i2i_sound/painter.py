from i2i_sound.healthy import painter

from i2i import normal_latents


class Painter(painter.Painter):
    def latents(self, seeds):
        return normal_latents([seed + place for place, seed in enumerate(seeds)], (4, 1, 1))

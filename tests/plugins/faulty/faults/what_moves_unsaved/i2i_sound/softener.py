import torch
from i2i_sound.healthy import softener


class Softener(softener.Softener):
    def __init__(self, options):
        super().__init__(options)
        self.register_buffer("drift", torch.zeros(3, 1, 1))

    def repaint(self, images):
        return super().repaint(images) * (1 - self.drift)

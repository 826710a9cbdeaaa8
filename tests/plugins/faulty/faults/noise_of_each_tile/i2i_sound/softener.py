import torch
from i2i_sound.healthy import softener


class Softener(softener.Softener):
    def grain(self, seeds, like):
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        return torch.stack([torch.rand(like.shape[1:], generator=generator) for generator in generators]).to(like)

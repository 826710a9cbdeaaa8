"""The module, with the two methods that every adversarial loss has and none of those that it may have."""

from torch import nn


class Exponential(nn.Module):
    def __init__(self, options):
        super().__init__()
        self.steepness = options.steepness

    def generator(self, fake_logits, real_logits=None):
        return (-self.steepness * fake_logits).exp().mean()

    def discriminator(self, real_logits, fake_logits):
        return (-self.steepness * real_logits).exp().mean() + (self.steepness * fake_logits).exp().mean()

import torch
from torch import nn


class Game(nn.Module):
    def __init__(self, options):
        super().__init__()

    def generator(self, fake_logits, real_logits=None):
        return (fake_logits - 1).square().mean()

    def discriminator(self, real_logits, fake_logits):
        return (real_logits - 1).square().mean() + fake_logits.square().mean()

    def penalty(self, discriminator, real, fake):
        fake = fake.detach().requires_grad_()
        (slope,) = torch.autograd.grad(discriminator(fake).sum(), fake, create_graph=True)
        return slope.square().mean()

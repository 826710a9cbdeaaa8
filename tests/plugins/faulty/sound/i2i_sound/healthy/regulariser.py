import torch
from torch import nn


class Regulariser(nn.Module):
    def __init__(self, options):
        super().__init__()

    def forward(self, discriminator, real, fake):
        real = real.detach().requires_grad_()
        (slope,) = torch.autograd.grad(discriminator(real).sum(), real, create_graph=True)
        return slope.square().mean()

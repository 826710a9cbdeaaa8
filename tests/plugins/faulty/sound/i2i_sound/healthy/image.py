from torch import nn


class Image(nn.Module):
    def __init__(self, options):
        super().__init__()

    def forward(self, prediction, target):
        return (prediction - target).square().mean()

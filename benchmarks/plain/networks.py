"""The published networks out of torch's own layers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
VGG19 = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""Channels and convolutions of each block (Simonyan and Zisserman 2015, table 1, E)."""


class Residual(nn.Module):
    """x + f(x)."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Any shape → the same."""
        return x + self.layers(x)


def resnet_generator(blocks: int = 9, width: int = 64) -> nn.Sequential:
    """Zhu et al. 2017, appendix 7.2: pictures in [-1, 1] → the same."""

    def half(channels: int) -> list[nn.Module]:
        return [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)]

    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), nn.InstanceNorm2d(width), nn.ReLU(True)]
    for channels in (width, 2 * width):
        down = nn.Conv2d(channels, 2 * channels, 3, 2, 1)
        layers += [down, nn.InstanceNorm2d(2 * channels), nn.ReLU(True)]
    layers += [Residual(*half(4 * width), nn.ReLU(True), *half(4 * width)) for _ in range(blocks)]
    for channels in (4 * width, 2 * width):
        up = nn.ConvTranspose2d(channels, channels // 2, 3, 2, 1, 1)
        layers += [up, nn.InstanceNorm2d(channels // 2), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())


def patch_discriminator(width: int = 64) -> nn.Sequential:
    """The 70×70 PatchGAN (Isola et al. 2017, appendix 6.1.2): pictures in [-1, 1] → logits, one a patch."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for channels, stride in ((width, 2), (2 * width, 2), (4 * width, 1)):
        convolution = nn.Conv2d(channels, 2 * channels, 4, stride, 1)
        layers += [convolution, nn.InstanceNorm2d(2 * channels), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1))


class SRResNet(nn.Module):
    """Ledig et al. 2017, figure 4, ×4: pictures (B, 3, H, W) → (B, 3, 4H, 4W)."""

    def __init__(self, blocks: int = 16, width: int = 64) -> None:
        super().__init__()

        def half() -> list[nn.Module]:
            return [nn.Conv2d(width, width, 3, 1, 1), nn.BatchNorm2d(width)]

        self.head = nn.Sequential(nn.Conv2d(3, width, 9, 1, 4), nn.PReLU())
        self.body = nn.Sequential(*(Residual(*half(), nn.PReLU(), *half()) for _ in range(blocks)), *half())
        step = (nn.Conv2d(width, 4 * width, 3, 1, 1), nn.PixelShuffle(2), nn.PReLU())
        again = (nn.Conv2d(width, 4 * width, 3, 1, 1), nn.PixelShuffle(2), nn.PReLU())
        self.tail = nn.Sequential(*step, *again, nn.Conv2d(width, 3, 9, 1, 4))

    def forward(self, low: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] → (B, 3, 4H, 4W) in about [-1, 1] (section 3.2)."""
        first = self.head(low)
        return self.tail(first + self.body(first))


def srgan_discriminator(width: int = 64, side: int = 96) -> nn.Sequential:
    """Ledig et al. 2017, figure 4: pictures of that side in [-1, 1] → logits (B, 1)."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, 1, 1), nn.LeakyReLU(0.2, True)]
    channels = width
    for wider, stride in ((1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2)):
        layers += [nn.Conv2d(channels, wider * width, 3, stride, 1), nn.BatchNorm2d(wider * width)]
        layers += [nn.LeakyReLU(0.2, True)]
        channels = wider * width
    dense = nn.Linear(channels * (side // 16) ** 2, 16 * width)
    return nn.Sequential(*layers, nn.Flatten(), dense, nn.LeakyReLU(0.2, True), nn.Linear(16 * width, 1))


def dcgan_generator(width: int = 128, latent: int = 100) -> nn.Sequential:
    """Radford et al. 2016, figure 1: latents (B, 100, 1, 1) → pictures (B, 3, 64, 64) in [-1, 1]."""
    layers: list[nn.Module] = [nn.ConvTranspose2d(latent, 8 * width, 4, bias=False)]
    for channels in (8 * width, 4 * width, 2 * width):
        layers += [nn.BatchNorm2d(channels), nn.ReLU(True)]
        layers += [nn.ConvTranspose2d(channels, channels // 2, 5, 2, 2, 1, bias=False)]
    layers += [nn.BatchNorm2d(width), nn.ReLU(True), nn.ConvTranspose2d(width, 3, 5, 2, 2, 1)]
    return nn.Sequential(*layers, nn.Tanh())


def dcgan_discriminator(width: int = 128) -> nn.Sequential:
    """Radford et al. 2016, section 3: pictures (B, 3, 64, 64) in [-1, 1] → logits (B, 1)."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 5, 2, 2), nn.LeakyReLU(0.2, True)]
    for channels in (width, 2 * width, 4 * width):
        convolution = nn.Conv2d(channels, 2 * channels, 5, 2, 2, bias=False)
        layers += [convolution, nn.BatchNorm2d(2 * channels), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * width * 16, 1))


class Normalise(nn.Module):
    """Pictures in [0, 1] as networks trained on ImageNet take them."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(IMAGENET_DEVIATION).view(1, 3, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) → the same shape."""
        return (pictures - self.mean) / self.deviation


def vgg19(last: str, file: Path | None = None) -> nn.Sequential:
    """VGG-19 up to a convolution, before its ReLU, whose layers are named `conv1_1`, `relu1_1`, …; it learns nothing.

    `file` has its weights as torchvision names them; without one they are random.
    """
    network = nn.Sequential()
    network.add_module("normalise", Normalise())
    tensors = {} if file is None else torch.load(file, weights_only=True)
    for name, place, inputs, outputs in vgg19_layers():
        if name.endswith("_1") and inputs > 3:
            network.add_module(f"pool{name[4]}", nn.MaxPool2d(2))
        convolution = nn.Conv2d(inputs, outputs, 3, 1, 1)
        if tensors:
            parts = {part: tensors[f"features.{place}.{part}"] for part in ("weight", "bias")}
            convolution.load_state_dict(parts)
        network.add_module(name, convolution)
        if name == last:
            break
        network.add_module(name.replace("conv", "relu"), nn.ReLU())
    return network.requires_grad_(False)


def vgg19_layers() -> Iterator[tuple[str, int, int, int]]:
    """Name, place among torchvision's `features`, channels in and out of every convolution."""
    place, inputs = 0, 3
    for block, (channels, depth) in enumerate(VGG19, 1):
        for number in range(1, depth + 1):
            yield f"conv{block}_{number}", place, inputs, channels
            place, inputs = place + 2, channels
        place += 1


def write_random_vgg19(file: Path) -> Path:
    """A file as torchvision's, with weights from N(0, 2 / inputs) (He et al. 2015), the same every time."""
    chance, tensors = torch.Generator().manual_seed(0), {}
    for _, place, inputs, outputs in vgg19_layers():
        weight = torch.randn(outputs, inputs, 3, 3, generator=chance) * (2 / (9 * inputs)) ** 0.5
        tensors |= {f"features.{place}.weight": weight, f"features.{place}.bias": torch.zeros(outputs)}
    torch.save(tensors, file)
    return file

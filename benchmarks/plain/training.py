"""One training step of each scheme, as its paper orders it. Each function gives `step()` and the pictures it takes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.plain.networks import (
    SRResNet,
    dcgan_discriminator,
    dcgan_generator,
    patch_discriminator,
    resnet_generator,
    srgan_discriminator,
    vgg19,
)

Step = Callable[[], None]


class Pool:
    """Pictures generated before (Shrivastava et al. 2017, section 2.3)."""

    def __init__(self, size: int = 50) -> None:
        self.size, self.pictures = size, list[Tensor]()

    def exchange(self, fresh: Tensor) -> Tensor:
        """Each picture, or with chance ½ an older one that it replaces."""
        shown = []
        for picture in fresh:
            if len(self.pictures) < self.size:
                self.pictures.append(picture)
                shown.append(picture)
            elif random.random() < 0.5:
                slot = random.randrange(self.size)
                shown.append(self.pictures[slot])
                self.pictures[slot] = picture
            else:
                shown.append(picture)
        return torch.stack(shown)


def cyclegan(size: int, width: int, blocks: int, device: str) -> Step:
    """Zhu et al. 2017, equation 3 and section 5.2; the discriminators are frozen while the generators learn."""
    with torch.device(device):
        forth, back = resnet_generator(blocks, width), resnet_generator(blocks, width)
        judge_a, judge_b = patch_discriminator(width), patch_discriminator(width)
        a, b = (torch.rand(1, 3, size, size) * 2 - 1 for _ in range(2))
    judges = [*judge_a.parameters(), *judge_b.parameters()]
    generators = torch.optim.Adam(itertools.chain(forth.parameters(), back.parameters()), 2e-4, (0.5, 0.999))
    discriminators = torch.optim.Adam(judges, 2e-4, (0.5, 0.999))
    pool_a, pool_b = Pool(), Pool()

    def step() -> None:
        fake_b, fake_a = forth(a), back(b)
        for parameter in judges:
            parameter.requires_grad_(False)
        loss = _squared(judge_b(fake_b), 1) + _squared(judge_a(fake_a), 1)
        loss = loss + 10 * (F.l1_loss(back(fake_b), a) + F.l1_loss(forth(fake_a), b))
        loss = loss + 5 * (F.l1_loss(forth(b), b) + F.l1_loss(back(a), a))
        generators.zero_grad()
        loss.backward()
        generators.step()
        for parameter in judges:
            parameter.requires_grad_(True)
        discriminators.zero_grad()
        for judge, real, fake, pool in ((judge_b, b, fake_b, pool_b), (judge_a, a, fake_a, pool_a)):
            shown = pool.exchange(fake.detach())
            (0.5 * (_squared(judge(real), 1) + _squared(judge(shown), 0))).backward()
        discriminators.step()

    return step


def srgan(size: int, width: int, blocks: int, batch: int, vgg: Path | None, device: str) -> Step:
    """Ledig et al. 2017, equation 3: content on VGG-19's φ5,4, adversarial loss, one step of each network in turn."""
    with torch.device(device):
        generator, discriminator = SRResNet(blocks, width), srgan_discriminator(width, size)
        low, high = torch.rand(batch, 3, size // 4, size // 4), torch.rand(batch, 3, size, size)
    features = vgg19("conv5_4", vgg).to(device)
    of_generator = torch.optim.Adam(generator.parameters(), 1e-4, (0.9, 0.999))
    of_discriminator = torch.optim.Adam(discriminator.parameters(), 1e-4, (0.9, 0.999))
    ones, zeros = torch.ones(batch, 1, device=device), torch.zeros(batch, 1, device=device)

    def step() -> None:
        enlarged = generator(low)
        with torch.no_grad():
            wanted = features(high)
        content = F.mse_loss(features((enlarged + 1) / 2) / 12.75, wanted / 12.75)
        adversarial = F.binary_cross_entropy_with_logits(discriminator(enlarged), ones)
        of_generator.zero_grad()
        (content + 1e-3 * adversarial).backward()
        of_generator.step()
        of_discriminator.zero_grad()
        loss = F.binary_cross_entropy_with_logits(discriminator(high * 2 - 1), ones)
        loss = loss + F.binary_cross_entropy_with_logits(discriminator(enlarged.detach()), zeros)
        loss.backward()
        of_discriminator.step()

    return step


def dcgan(width: int, batch: int, device: str) -> Step:
    """Goodfellow et al. 2014, algorithm 1, with the networks and Adam of Radford et al. 2016, section 4."""
    with torch.device(device):
        generator, discriminator = dcgan_generator(width), dcgan_discriminator(width)
        real = torch.rand(batch, 3, 64, 64) * 2 - 1
    of_generator = torch.optim.Adam(generator.parameters(), 2e-4, (0.5, 0.999))
    of_discriminator = torch.optim.Adam(discriminator.parameters(), 2e-4, (0.5, 0.999))
    ones, zeros = torch.ones(batch, 1, device=device), torch.zeros(batch, 1, device=device)

    def step() -> None:
        fake = generator(torch.rand(batch, 100, 1, 1, device=device) * 2 - 1)
        of_discriminator.zero_grad()
        F.binary_cross_entropy_with_logits(discriminator(real), ones).backward()
        F.binary_cross_entropy_with_logits(discriminator(fake.detach()), zeros).backward()
        of_discriminator.step()
        of_generator.zero_grad()
        F.binary_cross_entropy_with_logits(discriminator(fake), ones).backward()
        of_generator.step()

    return step


def parameters_of(network: nn.Module) -> int:
    """How many numbers it learns."""
    return sum(parameter.numel() for parameter in network.parameters())


def _squared(logits: Tensor, wanted: float) -> Tensor:
    """Mao et al. 2017: least squares."""
    return (logits - wanted).square().mean()

"""One CycleGAN step: ours beside a plain fp32 loop in the published structure, interleaved, same run, same pictures.

    python benchmarks/cyclegan_step.py [--size 128] [--width 32] [--blocks 6] [--rounds 7]

Run it on a quiet machine. The ratio comes first; seconds are medians over the rounds, with the spread behind them.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from functools import partial

import torch
from side_by_side import compare
from torch import Tensor, nn

from i2i import discover, load_recipe
from i2i.training.batches import MicroBatch
from i2i.training.building import build_model, build_trainer
from i2i.training.loop import Loop
from i2i.training.runtime import Runtime


def plain_generator(width: int, blocks: int) -> nn.Module:
    """The ResNet generator with torch's own padding and norm layers."""

    class Block(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            half = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)]
            again = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)]
            self.layers = nn.Sequential(*half, nn.ReLU(True), *again)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.layers(x)

    layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), nn.InstanceNorm2d(width), nn.ReLU(True)]
    for channels in (width, 2 * width):
        down = nn.Conv2d(channels, 2 * channels, 3, 2, 1)
        layers += [down, nn.InstanceNorm2d(2 * channels), nn.ReLU(True)]
    layers += [Block(4 * width) for _ in range(blocks)]
    for channels in (4 * width, 2 * width):
        up = nn.ConvTranspose2d(channels, channels // 2, 3, 2, 1, 1)
        layers += [up, nn.InstanceNorm2d(channels // 2), nn.ReLU(True)]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())


def plain_discriminator(width: int) -> nn.Module:
    """The 70×70 PatchGAN."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for channels, stride in ((width, 2), (2 * width, 2), (4 * width, 1)):
        convolution = nn.Conv2d(channels, 2 * channels, 4, stride, 1)
        layers += [convolution, nn.InstanceNorm2d(2 * channels), nn.LeakyReLU(0.2, True)]
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1))


def plain_step(width: int, blocks: int) -> Callable[[Tensor, Tensor], None]:
    """The published order of computation: discriminators frozen while the generators learn, no replay pool."""
    forth, back = plain_generator(width, blocks), plain_generator(width, blocks)
    judge_a, judge_b = plain_discriminator(width), plain_discriminator(width)
    judges = [*judge_a.parameters(), *judge_b.parameters()]
    generators = torch.optim.Adam(itertools.chain(forth.parameters(), back.parameters()), 2e-4, (0.5, 0.999))
    discriminators = torch.optim.Adam(judges, 2e-4, (0.5, 0.999))

    def squared(logits: Tensor, wanted: float) -> Tensor:
        return (logits - wanted).square().mean()

    def step(a: Tensor, b: Tensor) -> None:
        fake_b, fake_a = forth(a), back(b)
        for parameter in judges:
            parameter.requires_grad_(False)
        loss = squared(judge_b(fake_b), 1) + squared(judge_a(fake_a), 1)
        loss = loss + 10 * ((back(fake_b) - a).abs().mean() + (forth(fake_a) - b).abs().mean())
        loss = loss + 5 * ((forth(b) - b).abs().mean() + (back(a) - a).abs().mean())
        generators.zero_grad()
        loss.backward()
        generators.step()
        for parameter in judges:
            parameter.requires_grad_(True)
        discriminators.zero_grad()
        for judge, real, fake in ((judge_b, b, fake_b), (judge_a, a, fake_a)):
            (0.5 * (squared(judge(real), 1) + squared(judge(fake.detach()), 0))).backward()
        discriminators.step()

    return step


def our_step(width: int, blocks: int, precision: str) -> Callable[[Tensor, Tensor], None]:
    """The same step by our loop, moving average and replay pool included."""
    options = [f"model.generator=resnet-{blocks}", f"model.width={width}", f"model.discriminator_width={width}"]
    recipe = load_recipe(discover(), "cyclegan", overrides=options)
    trainer = build_trainer(recipe, build_model(recipe.model))
    loop = Loop(trainer, Runtime.choose("cpu", precision), recipe.run, recipe.trainer.entry.value.ema)

    def step(a: Tensor, b: Tensor) -> None:
        loop.advance([MicroBatch(0, {"source": (a + 1) / 2, "target": (b + 1) / 2})])

    return step


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("size", 128), ("width", 32), ("blocks", 6), ("rounds", 7)):
        parser.add_argument(f"--{name}", type=int, default=default)
    asked = parser.parse_args()
    a, b = (torch.rand(1, 3, asked.size, asked.size) * 2 - 1 for _ in range(2))
    steps = {"plain loop, fp32": plain_step(asked.width, asked.blocks)}
    for precision in dict.fromkeys(("fp32", Runtime.choose("cpu").precision)):
        steps[f"i2i, {precision}"] = our_step(asked.width, asked.blocks, precision)
    title = f"CycleGAN step, ResNet-{asked.blocks} width {asked.width}, {asked.size}×{asked.size}, batch 1, "
    title += f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    compare(title, {name: partial(step, a, b) for name, step in steps.items()}, asked.rounds)


if __name__ == "__main__":
    main()
